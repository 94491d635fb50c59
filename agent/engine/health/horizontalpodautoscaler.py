"""HorizontalPodAutoscaler: whether it can read its metrics and scale its target.

autoscaling/v1 keeps the conditions as JSON in an annotation, later versions in the status.
"""

from __future__ import annotations

from typing import Final

import orjson

from agent.engine.health.conditions import Condition, conditions
from agent.engine.health.model import Health, degraded, healthy, progressing
from agent.engine.health.reading import Malformed, View, with_cause

CONDITIONS_ANNOTATION: Final = "autoscaling.alpha.kubernetes.io/conditions"


def horizontalpodautoscaler(obj: View) -> Health:
    reported = _reported(obj)
    for condition in reported.values():
        if condition.false and condition.reason.startswith(("Failed", "Invalid", "Ambiguous")):
            return degraded(with_cause("it cannot scale", condition.words()))
    for condition in reported.values():
        if condition.true and condition.type in ("AbleToScale", "ScalingLimited"):
            return healthy(condition.message)
    return progressing("waiting to autoscale")


def _reported(obj: View) -> dict[str, Condition]:
    text = obj.annotation(CONDITIONS_ANNOTATION)
    if not text or obj.map("status").has("conditions"):
        return conditions(obj.map("status"))
    where = f"metadata.annotations[{CONDITIONS_ANNOTATION}]"
    try:
        return conditions(View({"conditions": orjson.loads(text)}, where))
    except orjson.JSONDecodeError:
        raise Malformed(where, "JSON", text) from None
