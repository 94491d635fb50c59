"""Deployments and their ReplicaSets."""

from __future__ import annotations

from typing import Final

from agent.engine.resource import GroupKind, Object
from agent.kube.simulated.controllers.context import (
    Context,
    compact,
    conditions_of,
    owner_reference,
    set_condition,
    stamp_changed,
)
from agent.kube.simulated.controllers.pods import POD, from_template, is_broken, is_ready, template_hash
from agent.kube.simulated.schema import copy_json

DEPLOYMENT: Final = GroupKind("apps", "Deployment")
REPLICA_SET: Final = GroupKind("apps", "ReplicaSet")
_HASH: Final = "pod-template-hash"
_REVISION: Final = "deployment.kubernetes.io/revision"
_PATIENCE: Final = 5
"""How many times the rollout's time passes before a rollout of broken pods exceeds its deadline."""


def reconcile(context: Context, deployment: Object) -> None:
    """Move a Deployment one step towards what it asks for, and tell how far it is."""
    spec = deployment["spec"]
    sets = context.owned(deployment, REPLICA_SET)
    current = next((rs for rs in sets if rs["metadata"]["labels"].get(_HASH) == template_hash(spec["template"])), None)
    if not spec.get("paused"):
        if current is None:
            _create_set(context, deployment, sets)
            return
        _scale(context, deployment, current, [rs for rs in sets if rs is not current])
    _tell(context, deployment, current, sets)


def _create_set(context: Context, deployment: Object, sets: list[Object]) -> None:
    spec, metadata = deployment["spec"], deployment["metadata"]
    template = copy_json(spec["template"])
    name = template_hash(spec["template"])
    template.setdefault("metadata", {}).setdefault("labels", {})[_HASH] = name
    selector = copy_json(spec["selector"])
    selector.setdefault("matchLabels", {})[_HASH] = name
    recreate = spec["strategy"]["type"] == "Recreate" and any(rs.get("status", {}).get("replicas") for rs in sets)
    context.create(
        REPLICA_SET,
        {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": f"{metadata['name']}-{name}",
                "namespace": metadata["namespace"],
                "labels": dict(template["metadata"]["labels"]),
                "annotations": {_REVISION: str(1 + max((_revision(rs) for rs in sets), default=0))},
                "ownerReferences": [owner_reference(deployment)],
            },
            "spec": {"replicas": 0 if recreate else spec["replicas"], "selector": selector, "template": template},
        },
    )


def _revision(replica_set: Object) -> int:
    text = (replica_set["metadata"].get("annotations") or {}).get(_REVISION, "0")
    return int(text) if text.isdigit() else 0


def _scale(context: Context, deployment: Object, current: Object, old: list[Object]) -> None:
    spec = deployment["spec"]
    wanted: int = spec["replicas"]
    running_old = [rs for rs in old if rs["spec"]["replicas"] or rs.get("status", {}).get("replicas")]
    recreate = spec["strategy"]["type"] == "Recreate"
    ready = current.get("status", {}).get("readyReplicas", 0)
    if not (recreate and running_old):
        _resize(context, current, wanted)
    if recreate or ready >= wanted:
        for replica_set in running_old:
            _resize(context, replica_set, 0)
    newest = max((_revision(rs) for rs in old), default=0)
    if old and _revision(current) <= newest:
        context.change(REPLICA_SET, current, lambda rs: _set_revision(rs, newest + 1))
    limit = spec.get("revisionHistoryLimit", 10)
    idle = sorted((rs for rs in old if rs not in running_old), key=_revision)
    for replica_set in idle[: max(0, len(idle) - limit)]:
        context.delete(REPLICA_SET, replica_set)


def _set_revision(tree: Object, revision: int) -> None:
    tree["metadata"].setdefault("annotations", {})[_REVISION] = str(revision)


def _resize(context: Context, replica_set: Object, replicas: int) -> None:
    if replica_set["spec"]["replicas"] != replicas:
        context.change(REPLICA_SET, replica_set, lambda rs: rs["spec"].update(replicas=replicas))


def _tell(context: Context, deployment: Object, current: Object | None, sets: list[Object]) -> None:
    wanted: int = deployment["spec"]["replicas"]
    statuses = [rs.get("status", {}) for rs in sets]
    updated = current.get("status", {}).get("replicas", 0) if current else 0
    total = sum(status.get("replicas", 0) for status in statuses)
    available = sum(status.get("availableReplicas", 0) for status in statuses)
    conditions = conditions_of(deployment)
    complete = updated == total == wanted and available >= wanted
    _set_progress(context, deployment, current, conditions, complete)
    good = available >= wanted - _tolerated(deployment["spec"])
    set_condition(
        conditions,
        context.now(),
        "Available",
        "True" if good else "False",
        "MinimumReplicasAvailable" if good else "MinimumReplicasUnavailable",
        f"Deployment {'has' if good else 'does not have'} minimum availability.",
    )
    stamp_changed(conditions, conditions_of(deployment), context.now())
    status = compact(
        {
            "observedGeneration": deployment["metadata"].get("generation", 1),
            "replicas": total,
            "updatedReplicas": updated,
            "readyReplicas": sum(status.get("readyReplicas", 0) for status in statuses),
            "availableReplicas": available,
            "unavailableReplicas": max(0, max(total, wanted) - available),
            "conditions": conditions,
        }
    )

    def write(tree: Object) -> None:
        tree["status"] = status
        if current is not None:
            _set_revision(tree, _revision(current))

    context.change(DEPLOYMENT, deployment, write, "status")


def _tolerated(spec: Object) -> int:
    """Return how many replicas may be missing from an available Deployment."""
    if spec["strategy"]["type"] != "RollingUpdate":
        return 0
    text = str(spec["strategy"].get("rollingUpdate", {}).get("maxUnavailable", 0))
    replicas: int = spec["replicas"]
    if text.endswith("%") and text[:-1].isdigit():
        return replicas * int(text[:-1]) // 100
    return int(text) if text.isdigit() else 0


def _set_progress(
    context: Context, deployment: Object, current: Object | None, conditions: list[Object], complete: bool
) -> None:
    name = current["metadata"]["name"] if current else deployment["metadata"]["name"]
    now = context.now()
    before = dict(next((condition for condition in conditions if condition["type"] == "Progressing"), {}))
    if deployment["spec"].get("paused"):
        set_condition(conditions, now, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
    elif complete:
        text = f'ReplicaSet "{name}" has successfully progressed.'
        set_condition(conditions, now, "Progressing", "True", "NewReplicaSetAvailable", text)
    elif before.get("reason") == "ProgressDeadlineExceeded" and name in before.get("message", ""):
        return
    else:
        text = f'ReplicaSet "{name}" is progressing.'
        set_condition(conditions, now, "Progressing", "True", "ReplicaSetUpdated", text)
        if is_broken(deployment["spec"]["template"]["spec"]) and before.get("message") != text:
            _give_up_later(context, deployment, name)


def _give_up_later(context: Context, deployment: Object, set_name: str) -> None:
    """Let a rollout that cannot succeed exceed its deadline, sooner than on a real cluster."""
    metadata = deployment["metadata"]
    text = f'ReplicaSet "{set_name}" has timed out progressing.'

    def exceed(tree: Object) -> None:
        conditions = conditions_of(tree)
        set_condition(conditions, context.now(), "Progressing", "False", "ProgressDeadlineExceeded", text)
        stamp_changed(conditions, conditions_of(tree), context.now())
        tree["status"]["conditions"] = conditions

    def give_up() -> None:
        latest = context.read(DEPLOYMENT, metadata["namespace"], metadata["name"])
        progressing = f'ReplicaSet "{set_name}" is progressing.'
        if latest and any(condition.get("message") == progressing for condition in conditions_of(latest)):
            context.change(DEPLOYMENT, latest, exceed, "status")

    deadline = min(deployment["spec"].get("progressDeadlineSeconds", 600), _PATIENCE * context.rollout_seconds)
    context.tasks.later(deadline, give_up)


def reconcile_set(context: Context, replica_set: Object) -> None:
    """Give a ReplicaSet as many pods as it asks for."""
    spec, metadata = replica_set["spec"], replica_set["metadata"]
    pods = context.owned(replica_set, POD)
    wanted: int = spec["replicas"]
    for _ in range(wanted - len(pods)):
        name = f"{metadata['name']}-{context.suffix()}"
        owner = owner_reference(replica_set)
        context.create(POD, from_template(spec["template"], name, metadata["namespace"], {}, owner))
    for pod in sorted(pods, key=is_ready)[: max(0, len(pods) - wanted)]:
        context.delete(POD, pod)
    pods = context.owned(replica_set, POD)
    ready = sum(1 for pod in pods if is_ready(pod))
    status = {
        "replicas": len(pods),
        **compact(
            {
                "fullyLabeledReplicas": len(pods),
                "readyReplicas": ready,
                "availableReplicas": ready,
                "observedGeneration": metadata.get("generation", 1),
            }
        ),
    }
    context.set_status(REPLICA_SET, replica_set, status)
