"""Argo CD's ApplicationSet: whether its applications could be generated and are as it says."""

from __future__ import annotations

from agent.engine.health.conditions import conditions
from agent.engine.health.model import Health, degraded, healthy, progressing
from agent.engine.health.reading import View


def applicationset(obj: View) -> Health:
    reported = conditions(obj.map("status"))
    failed = reported.get("ErrorOccurred")
    if failed is not None and failed.true:
        return degraded(failed.words())
    rolling = reported.get("RolloutProgressing")
    if rolling is not None and rolling.true:
        return progressing(rolling.words())
    current = reported.get("ResourcesUpToDate")
    if current is None:
        return progressing("its controller has not reported yet")
    return healthy() if current.true else progressing(current.words())
