"""RabbitmqCluster: four conditions, none of which is a summary."""

from __future__ import annotations

from agent.engine.health.conditions import conditions
from agent.engine.health.model import Health, degraded, healthy, progressing, worst_of
from agent.engine.health.reading import View


def rabbitmqcluster(obj: View) -> Health:
    reported = conditions(obj.map("status"))
    reconciled = reported.get("ReconcileSuccess")
    if reconciled is not None and reconciled.false:
        return degraded(reconciled.words())
    parts = [reported[type_] for type_ in ("ClusterAvailable", "AllReplicasReady") if type_ in reported]
    if reconciled is None or len(parts) < 2:
        return progressing("the cluster is being formed")
    judged = [healthy() if c.true else progressing(c.words()) for c in (*parts, reconciled)]
    return worst_of(judged)
