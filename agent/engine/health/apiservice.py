"""APIService: whether the API server reaches what serves the group."""

from __future__ import annotations

from agent.engine.health.conditions import conditions
from agent.engine.health.model import Health, healthy, progressing
from agent.engine.health.reading import View


def apiservice(obj: View) -> Health:
    available = conditions(obj.map("status")).get("Available")
    if available is None:
        return progressing("the API server has not tried it yet")
    return healthy(available.cause()) if available.true else progressing(available.words())
