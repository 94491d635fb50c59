"""Deployment: rolled out, rolling out, or stuck."""

from __future__ import annotations

from agent.engine.health.conditions import conditions
from agent.engine.health.model import Health, degraded, healthy, progressing, suspended
from agent.engine.health.reading import View, with_cause
from agent.engine.health.replicas import not_observed


def deployment(obj: View) -> Health:
    spec, status = obj.map("spec"), obj.map("status")
    if spec.flag("paused"):
        return suspended("the rollout is paused (spec.paused)")
    behind = not_observed(obj)
    if behind:
        return progressing(behind)
    reported = conditions(status)
    rollout = reported.get("Progressing")
    if rollout is not None and rollout.reason == "ProgressDeadlineExceeded":
        return degraded(with_cause("the rollout does not get on", rollout.cause()))
    waiting = _waiting_for(spec, status)
    if not waiting:
        return healthy()
    failure = reported.get("ReplicaFailure")
    return progressing(with_cause(waiting, failure.cause() if failure is not None and failure.true else ""))


def _waiting_for(spec: View, status: View) -> str:
    wanted = spec.integer("replicas", 1)
    updated, available = status.integer("updatedReplicas"), status.integer("availableReplicas")
    old = status.integer("replicas") - updated
    if updated < wanted:
        return f"{updated} of {wanted} new replicas have been made"
    if old > 0:
        return f"{old} old replicas are still to end"
    if available < updated:
        return f"{available} of {updated} updated replicas are available"
    return ""
