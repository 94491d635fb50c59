"""OpenKruise's CloneSet: a Deployment whose pods are updated in place, possibly only some of them."""

from __future__ import annotations

from agent.engine.health.model import Health, healthy, progressing, suspended
from agent.engine.health.reading import View
from agent.engine.health.replicas import not_observed


def cloneset(obj: View) -> Health:
    spec, status = obj.map("spec"), obj.map("status")
    strategy = spec.map("updateStrategy")
    if strategy.flag("paused"):
        return suspended("the update is paused (spec.updateStrategy.paused)")
    behind = not_observed(obj)
    if behind:
        return progressing(behind)
    wanted = spec.integer("replicas", 1)
    # The partition may be a share, "20%"; then the controller says how many that is.
    partition = strategy.data.get("partition")
    kept = partition if isinstance(partition, int) and not isinstance(partition, bool) else 0
    due = status.integer("expectedUpdatedReplicas", max(wanted - kept, 0))
    updated, ready = status.integer("updatedReplicas"), status.integer("readyReplicas")
    if updated < due:
        return progressing(f"{updated} of {due} pods are updated")
    if ready < wanted:
        return progressing(f"{ready} of {wanted} pods are ready")
    return healthy()
