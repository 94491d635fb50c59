"""ReplicaSet and ReplicationController: a number of like pods."""

from __future__ import annotations

from agent.engine.health.conditions import conditions
from agent.engine.health.model import Health, degraded, healthy, progressing
from agent.engine.health.reading import View, with_cause
from agent.engine.health.replicas import not_observed


def replicaset(obj: View) -> Health:
    status = obj.map("status")
    behind = not_observed(obj)
    if behind:
        return progressing(behind)
    failure = conditions(status).get("ReplicaFailure")
    if failure is not None and failure.true:
        return degraded(with_cause("pods cannot be made", failure.cause()))
    wanted, available = obj.map("spec").integer("replicas", 1), status.integer("availableReplicas")
    if available < wanted:
        return progressing(f"{available} of {wanted} replicas are available")
    return healthy()
