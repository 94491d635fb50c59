"""Prometheus, Alertmanager and ThanosRuler of the Prometheus operator."""

from __future__ import annotations

from agent.engine.health.conditions import Condition, conditions
from agent.engine.health.model import Health, degraded, healthy, progressing, suspended, worst_of
from agent.engine.health.reading import View


def prometheus(obj: View) -> Health:
    if obj.map("spec").flag("paused"):
        return suspended("the operator leaves it alone (spec.paused)")
    reported = conditions(obj.map("status"))
    judged = [_judged(reported[type_]) for type_ in ("Available", "Reconciled") if type_ in reported]
    return worst_of(judged) if judged else progressing("the operator has not taken it up yet")


def _judged(condition: Condition) -> Health:
    if condition.true:
        return healthy()
    if condition.status == "Unknown" or condition.reason == "SomePodsNotReady":
        return progressing(condition.words())
    return degraded(condition.words())
