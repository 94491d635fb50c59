"""Resources of Google's Config Connector: one condition, told apart by its reason."""

from __future__ import annotations

from agent.engine.health.conditions import conditions
from agent.engine.health.model import Health, degraded, healthy, progressing, suspended
from agent.engine.health.reading import View


def configconnector(obj: View) -> Health:
    ready = conditions(obj.map("status")).get("Ready")
    if ready is None:
        return progressing("its controller has not reported yet")
    if ready.true:
        return healthy()
    if ready.reason == "DependencyNotReady":
        return suspended(ready.words())
    if ready.reason.endswith(("Failed", "Invalid", "NotFound", "Error")):
        return degraded(ready.words())
    return progressing(ready.words())
