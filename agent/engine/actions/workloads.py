"""Built-in actions of Kubernetes' own workloads, and of those made like them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final

from agent.engine.actions.edits import a_map, at, made_from, patch, put, restarting_pods, scale, setting
from agent.engine.actions.model import ActionError, BuiltIn, Change, Moment, Operation, Parameter
from agent.engine.resource import GroupKind, Object


def _paused(obj: Object) -> bool:
    return at(obj, "spec", "paused") is True


def _suspended(obj: Object) -> bool:
    return at(obj, "spec", "suspend") is True


def _ended(obj: Object) -> bool:
    conditions = at(obj, "status", "conditions")
    found = [c for c in conditions if isinstance(c, dict)] if isinstance(conditions, list) else []
    return any(c.get("type") in ("Complete", "Failed") and c.get("status") == "True" for c in found)


def _create_job(obj: Object, params: Mapping[str, str], moment: Moment) -> list[Change]:
    template = at(obj, "spec", "jobTemplate")
    if not isinstance(at(template, "spec"), dict):
        raise ActionError("the CronJob has no spec.jobTemplate.spec to make a Job of")
    annotations = {"cronjob.kubernetes.io/instantiate": "manual", **a_map(template, "metadata", "annotations")}
    job = made_from(
        obj,
        api_version="batch/v1",
        kind="Job",
        spec=template["spec"],
        labels=at(template, "metadata", "labels"),
        annotations=annotations,
        moment=moment,
    )
    return [Change(Operation.CREATE, job)]


def _terminate(obj: Object, params: Mapping[str, str], moment: Moment) -> list[Change]:
    """End a Job as one that has run for too long. A suspended one has no such time, and is resumed for it."""
    put(obj, ("spec", "activeDeadlineSeconds"), 1)
    if _suspended(obj):
        put(obj, ("spec", "suspend"), False)
    return patch(obj)


def _skip_step(obj: Object, params: Mapping[str, str], moment: Moment) -> list[Change]:
    steps, index = at(obj, "spec", "strategy", "canary", "steps"), at(obj, "status", "currentStepIndex")
    if not isinstance(steps, list) or not isinstance(index, int):
        raise ActionError("the Rollout stands at no step of a canary")
    put(obj, ("status", "currentStepIndex"), min(index + 1, len(steps)))
    put(obj, ("status", "pauseConditions"), None)
    return patch(obj)


def _resume_rollout(obj: Object, params: Mapping[str, str], moment: Moment) -> list[Change]:
    put(obj, ("status", "pauseConditions"), None)
    if _paused(obj):
        put(obj, ("spec", "paused"), False)
    return patch(obj)


def _at_last_step(obj: Object) -> bool:
    steps, index = at(obj, "spec", "strategy", "canary", "steps"), at(obj, "status", "currentStepIndex")
    return not isinstance(steps, list) or not isinstance(index, int) or index >= len(steps)


def _promoted(obj: Object) -> bool:
    """Tell whether a Rollout has nothing under way: what it is to be is what is stable."""
    stable, current = at(obj, "status", "stableRS"), at(obj, "status", "currentPodHash")
    return stable is not None and stable == current


def _create_workflow(kind: str) -> Any:
    def run(obj: Object, params: Mapping[str, str], moment: Moment) -> list[Change]:
        spec: Any = {"workflowTemplateRef": {"name": at(obj, "metadata", "name")}}
        if kind == "ClusterWorkflowTemplate":
            spec["workflowTemplateRef"]["clusterScope"] = True
        labels = {"workflows.argoproj.io/workflow-template": at(obj, "metadata", "name")}
        if kind == "CronWorkflow":
            spec = at(obj, "spec", "workflowSpec")
            labels = {"workflows.argoproj.io/cron-workflow": at(obj, "metadata", "name")}
        if not isinstance(spec, dict):
            raise ActionError(f"the {kind} has no spec.workflowSpec to make a Workflow of")
        workflow = made_from(
            obj,
            api_version="argoproj.io/v1alpha1",
            kind="Workflow",
            spec=copy.deepcopy(spec),
            labels=labels,
            annotations=at(obj, "spec", "workflowMetadata", "annotations"),
            moment=moment,
        )
        if kind != "CronWorkflow":
            # A template outlives what was made of it, and does not take it along.
            workflow["metadata"].pop("ownerReferences")
        return [Change(Operation.CREATE, workflow)]

    return run


_RESTART: Final = BuiltIn(restarting_pods("spec", "template"), icon_class="fa fa-fw fa-redo", display_name="Restart")
_SCALE: Final = BuiltIn(scale, params=(Parameter("scale"),), icon_class="fa fa-fw fa-plus-minus", display_name="Scale")
_SUSPEND: Final = BuiltIn(setting("spec", "suspend", to=True), _suspended, "Suspend", "fa fa-fw fa-pause")
_RESUME: Final = BuiltIn(
    setting("spec", "suspend", to=False), lambda obj: not _suspended(obj), "Resume", "fa fa-fw fa-play"
)
_PAUSE: Final = BuiltIn(setting("spec", "paused", to=True), _paused, "Pause", "fa fa-fw fa-pause")
_UNPAUSE: Final = BuiltIn(
    setting("spec", "paused", to=False), lambda obj: not _paused(obj), "Resume", "fa fa-fw fa-play"
)

ACTIONS: Final[dict[GroupKind, dict[str, BuiltIn]]] = {
    GroupKind("apps", "DaemonSet"): {"restart": _RESTART},
    GroupKind("apps", "Deployment"): {
        "pause": _PAUSE,
        "restart": BuiltIn(_RESTART.run, _paused, "Restart", _RESTART.icon_class),
        "resume": _UNPAUSE,
        "scale": _SCALE,
    },
    GroupKind("apps", "StatefulSet"): {"restart": _RESTART, "scale": _SCALE},
    GroupKind("apps.kruise.io", "CloneSet"): {"restart": _RESTART},
    GroupKind("apps.kruise.io", "DaemonSet"): {"restart": _RESTART},
    GroupKind("apps.kruise.io", "StatefulSet"): {"restart": _RESTART},
    GroupKind("argoproj.io", "AnalysisRun"): {
        "terminate": BuiltIn(
            setting("spec", "terminate", to=True),
            lambda obj: at(obj, "status", "phase") not in (None, "", "Pending", "Running"),
            "Terminate",
            "fa fa-fw fa-stop",
        )
    },
    GroupKind("argoproj.io", "ClusterWorkflowTemplate"): {
        "create-workflow": BuiltIn(_create_workflow("ClusterWorkflowTemplate"), display_name="Create Workflow")
    },
    GroupKind("argoproj.io", "CronWorkflow"): {
        "create-workflow": BuiltIn(_create_workflow("CronWorkflow"), display_name="Create Workflow"),
        "resume": _RESUME,
        "suspend": _SUSPEND,
    },
    GroupKind("argoproj.io", "Rollout"): {
        "abort": BuiltIn(
            setting("status", "abort", to=True),
            lambda obj: at(obj, "status", "abort") is True or _promoted(obj),
            "Abort",
            "fa fa-fw fa-times-circle",
        ),
        "pause": _PAUSE,
        "promote-full": BuiltIn(
            setting("status", "promoteFull", to=True),
            lambda obj: at(obj, "status", "promoteFull") is True or _promoted(obj),
            "Promote Full",
            "fa fa-fw fa-forward",
        ),
        "restart": BuiltIn(
            setting("spec", "restartAt", to=lambda moment: moment.text), _paused, "Restart", _RESTART.icon_class
        ),
        "resume": BuiltIn(
            _resume_rollout,
            lambda obj: not (_paused(obj) or at(obj, "status", "pauseConditions")),
            "Resume",
            "fa fa-fw fa-play",
        ),
        "retry": BuiltIn(
            setting("status", "abort", to=False),
            lambda obj: at(obj, "status", "abort") is not True,
            "Retry",
            "fa fa-fw fa-redo",
        ),
        "skip-current-step": BuiltIn(_skip_step, _at_last_step, "Skip Current Step", "fa fa-fw fa-step-forward"),
    },
    GroupKind("argoproj.io", "WorkflowTemplate"): {
        "create-workflow": BuiltIn(_create_workflow("WorkflowTemplate"), display_name="Create Workflow")
    },
    GroupKind("batch", "CronJob"): {
        "create-job": BuiltIn(_create_job, display_name="Create Job", icon_class="fa fa-fw fa-play"),
        "resume": _RESUME,
        "suspend": _SUSPEND,
    },
    GroupKind("batch", "Job"): {
        "resume": _RESUME,
        "suspend": BuiltIn(_SUSPEND.run, lambda obj: _suspended(obj) or _ended(obj), "Suspend", _SUSPEND.icon_class),
        "terminate": BuiltIn(_terminate, _ended, "Terminate", "fa fa-fw fa-stop"),
    },
}
