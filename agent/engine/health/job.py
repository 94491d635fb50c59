"""Job: work that ends."""

from __future__ import annotations

from agent.engine.health.conditions import conditions
from agent.engine.health.model import Health, degraded, healthy, progressing, suspended
from agent.engine.health.reading import View, with_cause


def job(obj: View) -> Health:
    spec, status = obj.map("spec"), obj.map("status")
    reached = {c.type: c for c in conditions(status).values() if c.true}
    if "Failed" in reached:
        return degraded(with_cause("the job has failed", reached["Failed"].cause()))
    if "Complete" in reached:
        return healthy("the job is complete")
    if spec.flag("suspend") or "Suspended" in reached:
        return suspended("the job is suspended (spec.suspend)")
    if "FailureTarget" in reached:
        return progressing(with_cause("the job is about to fail", reached["FailureTarget"].cause()))
    active, failed = status.integer("active"), status.integer("failed")
    tries = f", {failed} failed before" if failed else ""
    return progressing(f"the job has {active} active pods{tries}")
