"""Argo Rollout: says its health itself, as a phase.

Those of controllers before 1.0 have none, and are judged by the rest of their status.
"""

from __future__ import annotations

from typing import Final

from agent.engine.health.conditions import conditions
from agent.engine.health.model import Health, degraded, healthy, progressing, suspended, unknown
from agent.engine.health.reading import View, with_cause

_WORKLOAD_GENERATION: Final = "rollout.argoproj.io/workload-generation"
_FAILING: Final = frozenset({"ProgressDeadlineExceeded", "RolloutAborted"})


def rollout(obj: View) -> Health:
    status = obj.map("status")
    behind = _behind("", obj.map("metadata").integer("generation"), status.data.get("observedGeneration"))
    workload = _whole(obj.annotation(_WORKLOAD_GENERATION))
    if not behind and workload is not None:
        behind = _behind("of its workload ", workload, status.data.get("workloadObservedGeneration"))
    if behind:
        return progressing(behind)
    message = status.text("message")
    match status.text("phase"):
        case "Healthy":
            return healthy(message)
        case "Degraded":
            return degraded(with_cause("the rollout has failed", message))
        case "Paused":
            return suspended(with_cause("the rollout is paused", message))
        case "Progressing":
            return progressing(with_cause("the rollout is going on", message))
        case "":
            return _without_phase(obj, status) if status.data else progressing("the controller has not taken it up yet")
        case phase:
            return unknown(with_cause(f"status.phase is {phase}, which a Rollout does not have", message))


def _behind(of: str, generation: int, told: object) -> str:
    """Say that the controller has not seen the latest change. It writes the generation as text; once it was a hash."""
    observed = _whole(told)
    if observed is None or observed >= generation:
        return ""
    return f"the controller has not taken up the latest change {of}(generation {generation}, observed {observed})"


def _whole(value: object) -> int | None:
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _without_phase(obj: View, status: View) -> Health:
    reported = conditions(status)
    invalid, going_on = reported.get("InvalidSpec"), reported.get("Progressing")
    if invalid is not None and invalid.true:
        return degraded(invalid.words())
    if going_on is not None and going_on.reason in _FAILING:
        return degraded(going_on.words())
    spec = obj.map("spec")
    if spec.flag("paused") or status.items("pauseConditions"):
        return suspended("the rollout is paused")
    waiting = _waiting_for(spec, status)
    return progressing(waiting) if waiting else healthy()


def _waiting_for(spec: View, status: View) -> str:
    wanted, updated = spec.integer("replicas", 1), status.integer("updatedReplicas")
    if updated < wanted:
        return f"{updated} of {wanted} new replicas have been made"
    available = status.integer("availableReplicas")
    if available < updated:
        return f"{available} of {updated} updated replicas are available"
    current = status.text("currentPodHash")
    if spec.map("strategy").has("blueGreen"):
        active = status.map("blueGreen").text("activeSelector")
        return "" if active == current else "the active service is not switched over yet"
    stable = status.text("stableRS") or status.map("canary").text("stableRS")
    return "" if stable in ("", current) else "the steps of the canary are not through"
