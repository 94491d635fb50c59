"""Health from the conditions of a custom resource whose meaning nobody has told us.

Conditions come in three sorts, known by their type:

- trouble (Stalled, Failed, Degraded, ReconcileError): true is Degraded;
- activity (Reconciling, Progressing, Issuing): true is Progressing, where its reason does not say that it is over;
- the summary (Ready, Available, Healthy, Succeeded, Synced): true is Healthy, unknown Progressing, and false is
  Degraded or Progressing as its reason says. "DependencyNotReady" is waiting, "SecretSyncedError" is trouble, and a
  reason that says neither is trouble unless some activity is going on.

Where there is no summary, conditions named after one (AllReplicasReady, ClusterAvailable) stand in for it.
"""

from __future__ import annotations

from typing import Final

from agent.engine.health.conditions import Condition
from agent.engine.health.model import Health, degraded, healthy, progressing, suspended, worst_of
from agent.engine.health.reading import with_cause
from agent.engine.health.wording import NEGATIONS, Tone, tone, words

_SUMMARY: Final = frozenset(
    {
        "Ready",
        "Available",
        "Healthy",
        "Succeeded",
        "Successful",
        "Synced",
        "InSync",
        "Reconciled",
        "Established",
        "Accepted",
        "Programmed",
        "ResolvedRefs",
        "PassedAnalysis",
        "PassedValidation",
        "Valid",
        "Applied",
        "Deployed",
        "Provisioned",
        "Complete",
        "Completed",
        "Done",
        "Installed",
        "Updated",
        "WellFormed",
    }
)
_ENDS: Final = frozenset({"Complete", "Completed", "Done", "Updated"})
"""Not true of something that is still at work."""
_ACTIVITY: Final = frozenset(
    {
        "Reconciling",
        "Progressing",
        "Issuing",
        "Updating",
        "Upgrading",
        "RollingOut",
        "ScalingUp",
        "ScalingDown",
        "Installing",
        "Provisioning",
        "Creating",
        "Initializing",
        "Deleting",
        "Terminating",
        "Pending",
        "PendingProposal",
        "Promoting",
        "Rebalancing",
        "Migrating",
        "Restoring",
        "Resizing",
        "Restarting",
        "Scaling",
        "Building",
        "Deploying",
        "Configuring",
        "RollingUpdate",
        "RolloutProgressing",
    }
)
_TASK_ACTIVITY: Final = frozenset({"Created", "Queued", "Running", "Started", "Starting"})
"""What a task tells of itself that has not ended."""
_TROUBLE_ENDS: Final = frozenset(
    {
        "aborted",
        "blocked",
        "broken",
        "conflict",
        "conflicted",
        "conflicts",
        "corrupted",
        "denied",
        "degraded",
        "error",
        "errored",
        "errors",
        "exceeded",
        "exhausted",
        "failed",
        "failing",
        "failure",
        "invalid",
        "misconfigured",
        "occurred",
        "rejected",
        "stalled",
        "unavailable",
        "unhealthy",
        "unreachable",
    }
)
_TROUBLES: Final = frozenset({"NoMatchingInstance", "NoMatchingInstances"})
"""Troubles that no word of their types tells of."""
_SUMMARY_ENDS: Final = frozenset(
    {"applied", "ready", "available", "healthy", "success", "succeeded", "synced", "synchronized"}
)
_SAID_WORDS: Final = 3
"""Of a message only so many words are read: what is being done stands at its beginning."""


def by_conditions(conditions: list[Condition], generation: int | None, *, ends: bool = False) -> Health | None:
    """Judge by conditions; None when none of them is of a known sort. `ends` is set for things that run to an end."""
    judged = [health for c in conditions if (health := _trouble(c, generation)) is not None]
    active = [c for c in conditions if _is_active(c)]
    summary = [c for c in conditions if c.type in _SUMMARY or c.type == "NotReady"]
    if not summary:
        summary = [c for c in conditions if _ends_in(c.type, _SUMMARY_ENDS)]
    judged += [_summarised(c, generation, bool(active)) for c in summary]
    judged += [progressing(c.words()) for c in active]
    if not judged and ends:
        judged = [progressing(c.words()) for c in conditions if c.type in _TASK_ACTIVITY and c.true][-1:]
    return worst_of(judged) if judged else None


def _trouble(condition: Condition, generation: int | None) -> Health | None:
    if _is_stale(condition, generation):
        return None
    if condition.type == "Active" or condition.type in _ACTIVITY:
        # False is the ordinary state of these, where it is not a failure.
        failing = condition.false and tone(condition.reason) is Tone.FAILING
        return degraded(condition.words()) if failing else None
    return degraded(condition.words()) if condition.true and _is_trouble(condition.type) else None


def _is_trouble(type_: str) -> bool:
    return type_ in _TROUBLES or _ends_in(type_, _TROUBLE_ENDS) or words(type_)[:1] == ["invalid"]


def _ends_in(type_: str, ends: frozenset[str]) -> bool:
    """Tell whether the last word of a condition's type is one of these, and not turned into its opposite."""
    found = words(type_)
    return bool(found) and found[-1] in ends and not NEGATIONS.intersection(found)


def _is_active(condition: Condition) -> bool:
    """Tell whether something is going on. Progressing stays true in Deployments that have long finished."""
    if condition.type not in _ACTIVITY or not condition.true:
        return False
    return tone(condition.reason) is not Tone.FINE or condition.reason.startswith("Active")


def _is_stale(condition: Condition, generation: int | None) -> bool:
    observed = condition.observed_generation
    return observed is not None and generation is not None and observed < generation


def _summarised(condition: Condition, generation: int | None, active: bool) -> Health:
    if _is_stale(condition, generation):
        known = f"{condition.type} is told of generation {condition.observed_generation}, it is now {generation}"
        return progressing(with_cause(known, condition.cause()))
    good, bad = ("False", "True") if condition.type == "NotReady" else ("True", "False")
    if condition.status == good:
        return healthy()
    if tone(condition.status) is Tone.FAILING:
        return degraded(condition.words())
    if condition.status != bad or condition.type in _ENDS or condition.severity == "Info":
        return progressing(condition.words())
    return _not_good(condition, active)


def _not_good(condition: Condition, active: bool) -> Health:
    """Judge a summary that is false, by why it is."""
    said = tone(condition.reason)
    if said is Tone.FAILING:
        return degraded(condition.words())
    if said is Tone.SUSPENDED:
        return suspended(condition.words())
    waiting = active or said is Tone.MOVING or not (condition.reason or condition.message)
    if not condition.reason and not waiting:
        waiting = tone(" ".join(condition.message[:200].split()[:_SAID_WORDS])) is Tone.MOVING
    return progressing(condition.words()) if waiting else degraded(condition.words())
