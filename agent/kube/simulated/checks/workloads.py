"""Checks of the kinds that run pods."""

from __future__ import annotations

from typing import Any, Final

from agent.engine.resource import Object
from agent.kube.simulated.checks import pods
from agent.kube.simulated.checks.pods import whole_number
from agent.kube.simulated.defaults.values import present, section
from agent.kube.simulated.problems import Problems

_STATEFUL_MOVABLE: Final = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
_JOB_RESTART: Final = ("OnFailure", "Never")


def deployment(tree: Object, before: Object | None, problems: Problems) -> None:
    """Check a Deployment."""
    _workload(tree, before, problems)
    spec = tree["spec"]
    strategy = present(spec, "strategy") or {}
    if strategy.get("type") not in ("Recreate", "RollingUpdate"):
        problems.unsupported("spec.strategy", strategy.get("type"), ("Recreate", "RollingUpdate"))
    elif strategy["type"] == "Recreate" and strategy.get("rollingUpdate"):
        problems.forbidden("spec.strategy.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'")


def daemon_set(tree: Object, before: Object | None, problems: Problems) -> None:
    """Check a DaemonSet."""
    _workload(tree, before, problems)


def replica_set(tree: Object, before: Object | None, problems: Problems) -> None:
    """Check a ReplicaSet."""
    _workload(tree, before, problems)


def stateful_set(tree: Object, before: Object | None, problems: Problems) -> None:
    """Check a StatefulSet."""
    _workload(tree, None, problems)
    if before is not None and _without(tree["spec"], _STATEFUL_MOVABLE) != _without(before["spec"], _STATEFUL_MOVABLE):
        listed = ", ".join(f"'{name}'" for name in _STATEFUL_MOVABLE[:-1])
        problems.forbidden(
            "spec",
            f"updates to statefulset spec for fields other than {listed} and '{_STATEFUL_MOVABLE[-1]}' are forbidden",
        )


def _without(spec: Object, names: tuple[str, ...]) -> Object:
    return {key: value for key, value in spec.items() if key not in names}


def _workload(tree: Object, before: Object | None, problems: Problems) -> None:
    spec = tree["spec"]
    whole_number(spec.get("replicas"), "spec.replicas", problems)
    selector = spec.get("selector")
    template = section(spec, "template")
    labels = present(template, "metadata", "labels") or {}
    if not isinstance(selector, dict):
        problems.required("spec.selector")
        problems.invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    elif not selector.get("matchLabels") and not selector.get("matchExpressions"):
        problems.invalid("spec.selector", selector, "empty selector is invalid for deployment")
    elif not selects(selector, labels):
        problems.invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    if before is not None and selector != before["spec"].get("selector"):
        problems.invalid("spec.selector", selector, "field is immutable")
    pods.template(template, "spec.template", problems, ("Always",))


def selects(selector: Object, labels: Object) -> bool:
    """Tell whether a LabelSelector matches labels."""
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_expression(expression, labels) for expression in selector.get("matchExpressions") or ())


def _expression(expression: Any, labels: Object) -> bool:
    if not isinstance(expression, dict):
        return False
    key, values = expression.get("key"), expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return key not in labels or labels[key] not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False


def job(tree: Object, before: Object | None, problems: Problems) -> None:
    """Check a Job."""
    spec = tree["spec"]
    for key in ("completions", "parallelism", "backoffLimit", "ttlSecondsAfterFinished"):
        whole_number(spec.get(key), f"spec.{key}", problems)
    template = section(spec, "template")
    _job_restart(template, "spec.template", problems)
    if before is None:
        return
    was = before["spec"]
    for key in ("completions", "selector", "completionMode"):
        if spec.get(key) != was.get(key) and not (key == "completions" and spec.get("completionMode") == "Indexed"):
            problems.invalid(f"spec.{key}", spec.get(key), "field is immutable")
    if template != was.get("template"):
        problems.invalid("spec.template", "...", "field is immutable")


def _job_restart(template: Object, path: str, problems: Problems) -> None:
    policy = (present(template, "spec") or {}).get("restartPolicy")
    if policy == "Always":
        problems.required(f"{path}.spec.restartPolicy", 'valid values: "OnFailure", "Never"')
    pods.template(template, path, problems, ("Always", *_JOB_RESTART))


def cron_job(tree: Object, before: Object | None, problems: Problems) -> None:
    """Check a CronJob."""
    spec = tree["spec"]
    schedule = spec.get("schedule")
    if not schedule:
        problems.required("spec.schedule")
    elif not isinstance(schedule, str) or not (schedule.startswith("@") or len(schedule.split()) == 5):
        problems.invalid("spec.schedule", schedule, "expected exactly 5 fields, or a descriptor such as @daily")
    if spec.get("concurrencyPolicy") not in ("Allow", "Forbid", "Replace"):
        problems.unsupported("spec.concurrencyPolicy", spec.get("concurrencyPolicy"), ("Allow", "Forbid", "Replace"))
    job_spec = section(section(spec, "jobTemplate"), "spec")
    _job_restart(section(job_spec, "template"), "spec.jobTemplate.spec.template", problems)
