"""Shipwright's Build, which is registered or refused, and its BuildRun, which ends well or does not.

Build strategies are not here: their status is always empty, so they count as Healthy.
"""

from __future__ import annotations

from typing import Final

from agent.engine.health.conditions import conditions
from agent.engine.health.model import Health, degraded, healthy, progressing
from agent.engine.health.phases import by_phase, phases
from agent.engine.health.reading import View

_REGISTERED: Final = phases(healthy="True", progressing="Unknown", degraded="False")


def build(obj: View) -> Health:
    status = obj.map("status")
    said = status.text("reason"), status.text("message")
    return by_phase("status.registered", status.text("registered"), _REGISTERED, *said)


def buildrun(obj: View) -> Health:
    succeeded = conditions(obj.map("status")).get("Succeeded")
    if succeeded is None:
        return progressing("its controller has not reported yet")
    if succeeded.true:
        return healthy()
    # Whatever the reason: "IncompleteSecretValueParameterValues" is final.
    return degraded(succeeded.words()) if succeeded.false else progressing(succeeded.words())
