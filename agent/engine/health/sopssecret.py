"""SopsSecret: says how it is in its message."""

from __future__ import annotations

from agent.engine.health.model import Health, degraded, healthy, progressing, suspended
from agent.engine.health.reading import View


def sopssecret(obj: View) -> Health:
    if obj.map("spec").flag("suspend"):
        return suspended("it is suspended (spec.suspend)")
    message = obj.map("status").text("message")
    if not message:
        return progressing("its controller has not reported yet")
    return healthy() if message == "Healthy" else degraded(message)
