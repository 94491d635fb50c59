"""Jobs. CronJobs are stored and left alone."""

from __future__ import annotations

from typing import Final

from agent.engine.resource import GroupKind, Object
from agent.kube.simulated.controllers.context import Context, compact, conditions_of, owner_reference, set_condition
from agent.kube.simulated.controllers.pods import POD, from_template

JOB: Final = GroupKind("batch", "Job")


def reconcile(context: Context, job: Object) -> None:
    """Run a Job's pods until enough have succeeded, or too many failed."""
    spec = job["spec"]
    conditions = conditions_of(job)
    if any(condition["type"] in ("Complete", "Failed") and condition["status"] == "True" for condition in conditions):
        return
    pods = context.owned(job, POD)
    phases = [pod.get("status", {}).get("phase") for pod in pods]
    succeeded, failed = phases.count("Succeeded"), phases.count("Failed")
    active = len(pods) - succeeded - failed
    wanted: int = spec.get("completions") or 1
    if spec.get("suspend"):
        _suspend(context, job, conditions)
        return
    set_suspended = any(condition["type"] == "Suspended" for condition in conditions)
    if set_suspended:
        set_condition(conditions, context.now(), "Suspended", "False", "JobResumed", "Job resumed")
    if succeeded >= wanted:
        _end(context, job, conditions, "Complete", "CompletionsReached", "Reached expected number of succeeded pods")
    elif failed > spec.get("backoffLimit", 6):
        text = "Job has reached the specified backoff limit"
        _end(context, job, conditions, "Failed", "BackoffLimitExceeded", text)
    else:
        missing = min(spec.get("parallelism", 1), wanted - succeeded) - active
        for _ in range(missing):
            _create_pod(context, job)
        active += max(0, missing)
    _tell(context, job, conditions, active, succeeded, failed)


def _create_pod(context: Context, job: Object) -> None:
    metadata = job["metadata"]
    name = f"{metadata['name']}-{context.suffix()}"
    owner = owner_reference(job)
    context.create(POD, from_template(job["spec"]["template"], name, metadata["namespace"], {}, owner))


def _suspend(context: Context, job: Object, conditions: list[Object]) -> None:
    for pod in context.owned(job, POD):
        context.delete(POD, pod)
    set_condition(conditions, context.now(), "Suspended", "True", "JobSuspended", "Job suspended")
    context.set_status(JOB, job, {"conditions": conditions, "ready": 0, "terminating": 0})


def _end(context: Context, job: Object, conditions: list[Object], kind: str, reason: str, message: str) -> None:
    first = "SuccessCriteriaMet" if kind == "Complete" else "FailureTarget"
    for condition in (first, kind):
        set_condition(conditions, context.now(), condition, "True", reason, message, lastProbeTime=context.now())
    seconds = job["spec"].get("ttlSecondsAfterFinished")
    if isinstance(seconds, int):
        context.tasks.later(seconds, lambda: context.delete(JOB, job))


def _tell(context: Context, job: Object, conditions: list[Object], active: int, succeeded: int, failed: int) -> None:
    before = job.get("status") or {}
    status: Object = {
        "startTime": before.get("startTime") or context.now(),
        "ready": 0,
        "terminating": 0,
        "uncountedTerminatedPods": {},
        **compact({"conditions": conditions, "active": active, "succeeded": succeeded, "failed": failed}),
    }
    if any(condition["type"] == "Complete" for condition in conditions):
        status["completionTime"] = context.now()
    context.set_status(JOB, job, status)
