"""The Atlas operator's schemas and migrations: its reasons name the step that failed, as if it were going on."""

from __future__ import annotations

from agent.engine.health.conditions import conditions
from agent.engine.health.model import Health, degraded, healthy, progressing
from agent.engine.health.reading import View


def atlas(obj: View) -> Health:
    ready = conditions(obj.map("status")).get("Ready")
    if ready is None:
        return progressing("its controller has not reported yet")
    if ready.true:
        return healthy()
    return progressing(ready.words()) if ready.reason in ("", "Reconciling") else degraded(ready.words())
