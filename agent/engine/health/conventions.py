"""Health of any custom resource, by the conventions that most of them keep.

In this order; the first that says anything decides:

1. Without a status an object is Healthy: its kind reports nothing. Of kinds that are known to report on every object
   (`awaited`), one without a word on how it is has not been taken up yet: Progressing.
2. Asked to stand still (`spec.suspend`, `spec.paused`, a Paused condition): Suspended.
3. `status.observedGeneration` behind: Progressing, for all else in the status is about an older object.
4. Conditions (`conventional_conditions`).
5. `status.phase`, `state`, `health` and fields called after them, by their words; the worst counts, but one that
   is unknown only where no other says what goes on. A phase that says worse than conditions that are fine is believed.
6. `status.ready`, `readyToUse`, `healthy`, `valid`; an error in `status.error` or `errors` makes a failure of what is
   not ready.
7. Fewer replicas in `status` than `spec.replicas` asks for (`replicas`): Progressing.

A phase whose words say nothing leaves it to what comes after. A field of another type than the convention has is no
part of the convention, and is passed over.
"""

from __future__ import annotations

from typing import Any, Final

from agent.engine.health.conditions import Condition, readable_conditions
from agent.engine.health.conventional_conditions import by_conditions
from agent.engine.health.model import Health, HealthStatus, degraded, healthy, progressing, suspended, worst_of
from agent.engine.health.reading import View, with_cause
from agent.engine.health.replicas import too_few
from agent.engine.health.wording import Tone, tone, words

_SUSPENDING_FIELDS: Final = ("suspend", "suspended", "paused", "pause")
_SUSPENDING_CONDITIONS: Final = frozenset({"Suspended", "Paused", "ReconciliationPaused"})
_STATE_FIELDS: Final = ("phase", "state", "health", "status", "currentState", "lifecycleState", "printableStatus")
_STATE_WORDS: Final = frozenset({"phase", "state", "health", "status"})
_PAST_OR_FUTURE: Final = frozenset({"last", "previous", "desired", "target"})
_NESTED_STATE_FIELDS: Final = ("status", "state", "phase", "value")
_READY_FIELDS: Final = ("ready", "readyToUse", "healthy", "valid")
_INNER_STATUS: Final = "conditionStatus"
_ERROR_FIELDS: Final = ("error", "errorMessage", "failureMessage")
_ERRORS: Final = "errors"
_MAX_ERRORS: Final = 10
"""Of a list of errors so many are looked at for one that tells something."""
_TASKS: Final = ("Run", "Job", "Task", "Workflow", "Backup", "Restore", "Build", "Experiment", "Promotion")
"""Ends of the names of kinds that run to an end: PipelineRun, TrainingJob."""
_ALONE: Final = {"bootstrap": Tone.MOVING, "new": Tone.MOVING, "none": Tone.MOVING, "unavailable": Tone.FAILING}
"""Words that say this where they are a phase, and something else inside a reason."""

_STATUS_OF: Final = {
    Tone.FAILING: HealthStatus.DEGRADED,
    Tone.SUSPENDED: HealthStatus.SUSPENDED,
    Tone.MOVING: HealthStatus.PROGRESSING,
    Tone.UNKNOWN: HealthStatus.UNKNOWN,
    Tone.FINE: HealthStatus.HEALTHY,
}


def by_conventions(obj: View, *, awaited: bool = False) -> Health:
    """Judge an object of a kind that has no rule of its own.

    `awaited` says that objects of its kind come to say how they are.
    """
    status = obj.data.get("status")
    if not isinstance(status, dict) or not status:
        status = {}
    field = _suspended_by(obj.data.get("spec")) if status or awaited else ""
    if field:
        return suspended(f"it is suspended ({field})")
    return _judged(obj, status) or (progressing("its controller has not reported yet") if awaited else healthy())


def _judged(obj: View, status: dict[str, Any]) -> Health | None:
    generation = _whole(obj.map("metadata").data.get("generation"))
    view = View(status, "status")
    conditions = readable_conditions(view) or _held_elsewhere(status)
    paused = [c for c in conditions if c.type in _SUSPENDING_CONDITIONS and c.true]
    if paused:
        return suspended(paused[0].words())
    observed = _whole(status.get("observedGeneration"))
    if observed is not None and generation is not None and observed < generation:
        return progressing(
            f"the controller has not taken up the latest change (generation {generation}, observed {observed})"
        )
    ends = obj.text("kind").endswith(_TASKS)
    judged = by_conditions(conditions, generation, ends=ends)
    if judged is None:
        return _by_fields(view, obj.data.get("spec"), ends=ends)
    phase = _by_phase(view, ends=ends) if judged.status is HealthStatus.HEALTHY else None
    return phase or judged


def _by_fields(status: View, spec: Any, *, ends: bool) -> Health | None:
    """Judge by what a status tells beside its conditions; what runs to an end has no replicas that are to stay."""
    states = _states(status)
    told = _by_state(states, ends=ends) or _by_ready(status) or _by_ready(_inner(status))
    if told is None and not ends and (behind := too_few(spec, status.data)):
        return progressing(behind)
    return told or (healthy() if states else None)


def _by_phase(status: View, *, ends: bool) -> Health | None:
    """Return what the phase says, where that is worse than fine: it may tell what no condition does, as Paused."""
    state = _state(status, "phase")
    judged = _health_of(*state, ends=ends) if state is not None else None
    return None if judged is None or judged.status in (HealthStatus.HEALTHY, HealthStatus.UNKNOWN) else judged


def _held_elsewhere(status: dict[str, Any]) -> list[Condition]:
    """Return the conditions that an object has for each of what it is attached to, as policies of the Gateway API and
    monitors of Prometheus have, or in a status inside of its status, as Kyverno's policies."""
    held = [*_list(status.get("ancestors")), *_list(status.get("bindings")), status.get(_INNER_STATUS)]
    return [condition for item in held if isinstance(item, dict) for condition in readable_conditions(View(item))]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _whole(value: Any) -> int | None:
    """Read a generation; some kinds write it as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _suspended_by(spec: Any) -> str:
    if not isinstance(spec, dict):
        return ""
    return next((f"spec.{field}" for field in _SUSPENDING_FIELDS if spec.get(field) is True), "")


def _states(status: View) -> list[tuple[str, str, str]]:
    return [found for name in _state_fields(status.data) if (found := _state(status, name)) is not None]


def _by_state(states: list[tuple[str, str, str]], *, ends: bool) -> Health | None:
    judged = [health for state in states if (health := _health_of(*state, ends=ends)) is not None]
    # Of something that is being made one field says so, and another that it does not know yet.
    telling = [health for health in judged if health.status not in (HealthStatus.UNKNOWN, HealthStatus.HEALTHY)]
    return worst_of(telling or judged) if judged else None


def _health_of(where: str, value: str, said: str, *, ends: bool) -> Health | None:
    """Judge by the word for a state; None when the word says nothing."""
    found = _ALONE.get(value.lower()) or tone(value, ends=ends)
    if found is Tone.UNCLEAR:
        return None
    health = _STATUS_OF[found]
    return Health(health, "" if health is HealthStatus.HEALTHY else with_cause(f"{where} is {value}", said))


def _state_fields(status: dict[str, Any]) -> list[str]:
    """Return the fields that tell a state: the usual ones, else the only one called after them (clusterStatus)."""
    usual = [name for name in _STATE_FIELDS if status.get(name)]
    if usual:
        return usual
    told = [name for name, value in status.items() if isinstance(value, str | dict)]
    named = [name for name in told if (w := words(name)) and w[-1] in _STATE_WORDS and w[0] not in _PAST_OR_FUTURE]
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
        if isinstance(value, bool) and value:
            return healthy()
        if isinstance(value, bool):
            told, error = f"{status.field(name)} is false", _error(status.data)
            return degraded(with_cause(told, error)) if error else progressing(with_cause(told, _said(status.data)))
    return degraded(with_cause("its status tells an error", error)) if (error := _error(status.data)) else None


def _inner(status: View) -> View:
    held = status.data.get(_INNER_STATUS)
    return View(held if isinstance(held, dict) else {}, status.field(_INNER_STATUS))


def _error(status: dict[str, Any]) -> str:
    """Return the error that a status tells, the first of a list; a list of maps none of which says why is one too."""
    listed = (_listed_error(entry) for entry in _list(status.get(_ERRORS))[:_MAX_ERRORS])
    return _plain_error(status) or next((text for text in listed if text), "")


def _plain_error(status: dict[str, Any]) -> str:
    """Return an error that is told as text, or as a map with a message."""
    for name in _ERROR_FIELDS:
        value = status.get(name)
        text = value.get("message") if isinstance(value, dict) else value
        if isinstance(text, str) and text:
            return text
    return ""


def _listed_error(entry: Any) -> str:
    if isinstance(entry, dict) and entry:
        return _said(entry) or _plain_error(entry) or "it does not say which"
    return entry if isinstance(entry, str) else ""
