"""PodDisruptionBudget: whether it counts its pods, and has as many as it asks for."""

from __future__ import annotations

from agent.engine.health.conditions import conditions
from agent.engine.health.model import Health, degraded, healthy, progressing
from agent.engine.health.reading import View, with_cause
from agent.engine.health.replicas import not_observed


def poddisruptionbudget(obj: View) -> Health:
    status = obj.map("status")
    behind = not_observed(obj)
    if behind:
        return progressing(behind)
    allowed = conditions(status).get("DisruptionAllowed")
    if allowed is not None and allowed.false and allowed.reason == "SyncFailed":
        return degraded(with_cause("its pods cannot be counted", allowed.cause()))
    current, wanted = status.integer("currentHealthy"), status.integer("desiredHealthy")
    if current < wanted:
        return progressing(f"{current} of the {wanted} pods it asks for are healthy")
    return healthy(f"{status.integer('disruptionsAllowed')} disruptions are allowed")
