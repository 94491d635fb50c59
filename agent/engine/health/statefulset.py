"""StatefulSet: pods in order, possibly only some of them updated on purpose."""

from __future__ import annotations

from agent.engine.health.model import Health, healthy, progressing
from agent.engine.health.reading import View
from agent.engine.health.replicas import not_observed


def statefulset(obj: View) -> Health:
    spec, status = obj.map("spec"), obj.map("status")
    behind = not_observed(obj)
    if behind:
        return progressing(behind)
    if status.integer("observedGeneration") == 0:
        return progressing("the controller has not taken up the StatefulSet yet")
    wanted, ready = spec.integer("replicas", 1), status.integer("readyReplicas")
    if ready < wanted:
        return progressing(f"{ready} of {wanted} pods are ready")
    strategy = spec.map("updateStrategy")
    if strategy.text("type", "RollingUpdate") == "OnDelete":
        return healthy("pods are updated when they are deleted (OnDelete)")
    return _rolled_out(strategy.map("rollingUpdate"), wanted, status)


def _rolled_out(rolling: View, wanted: int, status: View) -> Health:
    updated = status.integer("updatedReplicas")
    current, update = status.text("currentRevision"), status.text("updateRevision")
    going_on = progressing(f"{updated} of {wanted} pods are updated from revision {current} to {update}")
    partition = rolling.integer("partition")
    if partition > 0:
        due = max(wanted - partition, 0)
        if updated < due:
            return progressing(f"{updated} of {due} pods above partition {partition} are updated")
        return healthy(f"{updated} pods are updated, those below partition {partition} are left on purpose")
    # A partition of 0 is written by the API server; then the number of pods tells all.
    behind = updated < wanted if rolling.has("partition") else current != update
    return going_on if behind else healthy()
