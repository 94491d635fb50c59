"""DaemonSet: one pod on every node that should have one."""

from __future__ import annotations

from agent.engine.health.model import Health, healthy, progressing
from agent.engine.health.reading import View
from agent.engine.health.replicas import not_observed


def daemonset(obj: View) -> Health:
    status = obj.map("status")
    behind = not_observed(obj)
    if behind:
        return progressing(behind)
    if obj.map("spec").map("updateStrategy").text("type") == "OnDelete":
        return healthy("pods are updated when they are deleted (OnDelete)")
    wanted = status.integer("desiredNumberScheduled")
    updated, available = status.integer("updatedNumberScheduled"), status.integer("numberAvailable")
    if updated < wanted:
        return progressing(f"pods of {updated} of {wanted} nodes are updated")
    if available < wanted:
        return progressing(f"pods of {available} of {wanted} nodes are available")
    return healthy()
