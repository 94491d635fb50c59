"""Health of any custom resource, by the conventions that most of them keep.

In this order; the first that says anything decides:

1. Without a status an object is Healthy: its kind reports nothing.
2. Asked to stand still (`spec.suspend`, `spec.paused`, a Paused condition): Suspended.
3. `status.observedGeneration` behind: Progressing, for all else in the status is about an older object.
4. Conditions (`conventional_conditions`).
5. `status.phase`, `state`, `health` and fields called after them, by their words; the worst counts.
6. `status.ready`, `readyToUse`.

A field of another type than the convention has is no part of the convention, and is passed over.
"""

from __future__ import annotations

from typing import Any, Final

from agent.engine.health.conditions import readable_conditions
from agent.engine.health.conventional_conditions import by_conditions
from agent.engine.health.model import Health, HealthStatus, healthy, progressing, suspended, worst_of
from agent.engine.health.reading import View, with_cause
from agent.engine.health.wording import Tone, tone, words

_SUSPENDING_FIELDS: Final = ("suspend", "suspended", "paused", "pause")
_SUSPENDING_CONDITIONS: Final = frozenset({"Suspended", "Paused", "ReconciliationPaused"})
_STATE_FIELDS: Final = ("phase", "state", "health", "status", "currentState", "lifecycleState", "printableStatus")
_STATE_WORDS: Final = frozenset({"phase", "state", "health", "status"})
_PAST_OR_FUTURE: Final = frozenset({"last", "previous", "desired", "target"})
_NESTED_STATE_FIELDS: Final = ("status", "state", "phase", "value")
_READY_FIELDS: Final = ("ready", "readyToUse")
_TASKS: Final = ("Run", "Job", "Task", "Workflow", "Backup", "Restore", "Build", "Experiment", "SparkApplication")
"""Ends of the names of kinds that run to an end: PipelineRun, SparkApplication."""

_STATUS_OF: Final = {
    Tone.FAILING: HealthStatus.DEGRADED,
    Tone.SUSPENDED: HealthStatus.SUSPENDED,
    Tone.MOVING: HealthStatus.PROGRESSING,
    Tone.UNKNOWN: HealthStatus.UNKNOWN,
    Tone.FINE: HealthStatus.HEALTHY,
    Tone.UNCLEAR: HealthStatus.HEALTHY,
}


def by_conventions(obj: View) -> Health:
    """Judge an object of a kind that has no rule of its own."""
    status = obj.data.get("status")
    if not isinstance(status, dict) or not status:
        return healthy()
    generation = _whole(obj.map("metadata").data.get("generation"))
    view = View(status, "status")
    conditions = readable_conditions(view)
    paused = [c for c in conditions if c.type in _SUSPENDING_CONDITIONS and c.true]
    field = _suspended_by(obj.data.get("spec"))
    if field or paused:
        return suspended(f"it is suspended ({field})" if field else paused[0].words())
    observed = _whole(status.get("observedGeneration"))
    if observed is not None and generation is not None and observed < generation:
        return progressing(
            f"the controller has not taken up the latest change (generation {generation}, observed {observed})"
        )
    judged = by_conditions(conditions, generation)
    if judged is None:
        judged = _by_state(view, ends=obj.text("kind").endswith(_TASKS))
    if judged is None:
        judged = _by_ready(view)
    return judged or healthy()


def _whole(value: Any) -> int | None:
    """Read a generation; some kinds write it as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _suspended_by(spec: Any) -> str:
    if not isinstance(spec, dict):
        return ""
    return next((f"spec.{field}" for field in _SUSPENDING_FIELDS if spec.get(field) is True), "")


def _by_state(status: View, *, ends: bool) -> Health | None:
    states = [found for name in _state_fields(status.data) if (found := _state(status, name)) is not None]
    judged = []
    for where, value, said in states:
        health = _STATUS_OF[tone(value, ends=ends)]
        message = "" if health is HealthStatus.HEALTHY else with_cause(f"{where} is {value}", said)
        judged.append(Health(health, message))
    return worst_of(judged) if judged else None


def _state_fields(status: dict[str, Any]) -> list[str]:
    """Return the fields that tell a state: the usual ones, else the only one called after them (clusterStatus)."""
    usual = [name for name in _STATE_FIELDS if status.get(name)]
    if usual:
        return usual
    named = [name for name in status if (w := words(name)) and w[-1] in _STATE_WORDS and w[0] not in _PAST_OR_FUTURE]
    return named if len(named) == 1 else []


def _state(status: View, name: str) -> tuple[str, str, str] | None:
    """Return where a state is told, the state, and what is said about it. It may be told one level down."""
    value = status.data.get(name)
    if isinstance(value, str) and value:
        return status.field(name), value, _said(status.data)
    if isinstance(value, dict):
        for inner in _NESTED_STATE_FIELDS:
            if isinstance(value.get(inner), str) and value[inner]:
                return f"{status.field(name)}.{inner}", value[inner], _said(value)
    return None


def _said(status: dict[str, Any]) -> str:
    """Return what a status says about itself."""
    return with_cause(*(text for name in ("reason", "message") if isinstance(text := status.get(name), str)))


def _by_ready(status: View) -> Health | None:
    for name in _READY_FIELDS:
        value = status.data.get(name)
        if isinstance(value, bool):
            return healthy() if value else progressing(with_cause(f"{status.field(name)} is false", _said(status.data)))
    return None
