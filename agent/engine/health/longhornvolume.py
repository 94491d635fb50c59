"""Longhorn's Volume: whether its replicas hold it, and whether it is attached."""

from __future__ import annotations

from agent.engine.health.model import Health, degraded, healthy, progressing
from agent.engine.health.reading import View


def longhornvolume(obj: View) -> Health:
    status = obj.map("status")
    robustness, state = status.text("robustness"), status.text("state")
    if robustness in ("degraded", "faulted"):
        return degraded(f"the volume is {robustness}")
    if robustness == "healthy" or state == "detached":
        return healthy()
    return progressing(f"the volume is {state}" if state else "the volume has not been taken up yet")
