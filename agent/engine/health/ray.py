"""KubeRay's RayCluster and RayJob."""

from __future__ import annotations

from typing import Final

from agent.engine.health.conditions import conditions
from agent.engine.health.model import Health, degraded, suspended
from agent.engine.health.phases import by_phase, phases
from agent.engine.health.reading import View

_CLUSTER: Final = phases(healthy="ready", degraded="failed unhealthy", suspended="suspended", progressing="suspending")
_DEPLOYMENT: Final = phases(
    progressing="Initializing Running Waiting Retrying Suspending",
    suspended="Suspended",
    healthy="Complete",
    degraded="Failed ValidationFailed",
)
_JOB: Final = phases(healthy="SUCCEEDED", progressing="PENDING RUNNING", degraded="FAILED", suspended="STOPPED")


def raycluster(obj: View) -> Health:
    status = obj.map("status")
    failure = conditions(status).get("ReplicaFailure")
    if failure is not None and failure.true:
        return degraded(failure.words())
    if status.text("state") == "" and obj.map("spec").flag("suspend"):
        return suspended("it is suspended (spec.suspend)")
    return by_phase("status.state", status.text("state"), _CLUSTER, status.text("reason"))


def rayjob(obj: View) -> Health:
    status = obj.map("status")
    deployed, job = status.text("jobDeploymentStatus"), status.text("jobStatus")
    said = (status.text("reason"), status.text("message"))
    if deployed in ("Suspended", "Failed", "ValidationFailed") or not job:
        return by_phase("status.jobDeploymentStatus", deployed, _DEPLOYMENT, *said)
    return by_phase("status.jobStatus", job, _JOB, *said)
