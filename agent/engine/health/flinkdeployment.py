"""FlinkDeployment: the cluster, and the job that runs on it."""

from __future__ import annotations

from typing import Final

from agent.engine.health.model import Health, degraded, healthy, progressing, suspended
from agent.engine.health.reading import View, with_cause

_FAILED: Final = frozenset({"FAILED", "FAILING"})
_RUNS: Final = frozenset({"CREATED", "RUNNING", "FINISHED"})


def flinkdeployment(obj: View) -> Health:
    status = obj.map("status")
    manager, job = status.text("jobManagerDeploymentStatus"), status.map("jobStatus").text("state")
    error, reconciled = status.text("error"), status.map("reconciliationStatus").text("state")
    told = f"the job manager is {manager or 'not there'}, the job {job or 'not there'}"
    if job == "SUSPENDED" or obj.map("spec").map("job").text("state") == "suspended":
        return suspended(with_cause("the job is suspended", error))
    if manager == "ERROR" or job in _FAILED or status.text("lifecycleState") == "FAILED":
        return degraded(with_cause(told, error))
    if manager != "READY" or reconciled in ("UPGRADING", "ROLLING_BACK"):
        return progressing(with_cause(told, error))
    # A session cluster has no job of its own.
    return healthy() if job in _RUNS or not obj.map("spec").has("job") else progressing(with_cause(told, error))
