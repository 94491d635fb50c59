"""StatefulSets and DaemonSets."""

from __future__ import annotations

from typing import Final

from agent.engine.resource import GroupKind, Object
from agent.kube.simulated.controllers.context import Context, compact, owner_reference
from agent.kube.simulated.controllers.pods import POD, from_template, is_ready, template_hash
from agent.kube.simulated.schema import copy_json

STATEFUL_SET: Final = GroupKind("apps", "StatefulSet")
DAEMON_SET: Final = GroupKind("apps", "DaemonSet")
CLAIM: Final = GroupKind("", "PersistentVolumeClaim")
_HASH: Final = "controller-revision-hash"


def reconcile_stateful(context: Context, tree: Object) -> None:
    """Move a StatefulSet one step towards what it asks for, and tell how far it is."""
    spec, name = tree["spec"], tree["metadata"]["name"]
    revision = f"{name}-{template_hash(spec['template'])}"
    pods = {pod["metadata"]["name"]: pod for pod in context.owned(tree, POD)}
    wanted = [f"{name}-{index}" for index in range(spec["replicas"])]
    changed = _scale_stateful(context, tree, pods, wanted, revision) or _roll(context, tree, pods, wanted, revision)
    if not changed:
        _tell_stateful(context, tree, list(pods.values()), revision)


def _scale_stateful(context: Context, tree: Object, pods: dict[str, Object], wanted: list[str], revision: str) -> bool:
    ordered = tree["spec"].get("podManagementPolicy") == "OrderedReady"
    changed = False
    for pod_name in wanted:
        pod = pods.get(pod_name)
        if pod is None:
            _create_stateful_pod(context, tree, pod_name, revision)
            changed = True
        if ordered and (pod is None or not is_ready(pod)):
            break
    for pod_name in pods.keys() - wanted:
        context.delete(POD, pods[pod_name])
        changed = True
    return changed


def _create_stateful_pod(context: Context, tree: Object, name: str, revision: str) -> None:
    spec, metadata = tree["spec"], tree["metadata"]
    labels = {
        _HASH: revision,
        "statefulset.kubernetes.io/pod-name": name,
        "apps.kubernetes.io/pod-index": name.rpartition("-")[2],
    }
    pod = from_template(spec["template"], name, metadata["namespace"], labels, owner_reference(tree))
    for template in spec.get("volumeClaimTemplates") or ():
        claim_name = f"{template['metadata']['name']}-{name}"
        volume = {"name": template["metadata"]["name"], "persistentVolumeClaim": {"claimName": claim_name}}
        pod["spec"].setdefault("volumes", []).append(volume)
        if context.read(CLAIM, metadata["namespace"], claim_name) is None:
            _create_claim(context, tree, template, claim_name)
    context.create(POD, pod)


def _create_claim(context: Context, tree: Object, template: Object, name: str) -> None:
    labels = (tree["spec"]["selector"].get("matchLabels") or {}) | (template["metadata"].get("labels") or {})
    context.create(
        CLAIM,
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": tree["metadata"]["namespace"], "labels": labels},
            "spec": copy_json(template["spec"]),
        },
    )


def _roll(context: Context, tree: Object, pods: dict[str, Object], wanted: list[str], revision: str) -> bool:
    """Replace the last pod of an older revision, once all others are ready."""
    strategy = tree["spec"]["updateStrategy"]
    if strategy.get("type") != "RollingUpdate":
        return False
    partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
    old = [pods[name] for name in wanted[partition:] if name in pods and not _is_current(pods[name], revision)]
    if not old:
        return False
    broken = [pod for pod in old if not is_ready(pod)]
    if broken or all(is_ready(pod) for pod in pods.values()):
        context.delete(POD, (broken or old)[-1])
        return True
    return False


def _is_current(pod: Object, revision: str) -> bool:
    return bool(pod["metadata"]["labels"].get(_HASH) == revision)


def _tell_stateful(context: Context, tree: Object, pods: list[Object], revision: str) -> None:
    ready = sum(1 for pod in pods if is_ready(pod))
    updated = sum(1 for pod in pods if _is_current(pod, revision))
    before = tree.get("status") or {}
    complete = updated == len(pods) == ready == tree["spec"]["replicas"]
    status = {
        "replicas": len(pods),
        "availableReplicas": ready,
        "collisionCount": 0,
        "currentRevision": revision if complete else before.get("currentRevision", revision),
        "updateRevision": revision,
        **compact(
            {
                "observedGeneration": tree["metadata"].get("generation", 1),
                "readyReplicas": ready,
                "updatedReplicas": updated,
                "currentReplicas": len(pods) if complete else len(pods) - updated,
            }
        ),
    }
    context.set_status(STATEFUL_SET, tree, status)


def reconcile_daemon(context: Context, tree: Object) -> None:
    """Give a DaemonSet its pod on the cluster's one node."""
    spec, metadata = tree["spec"], tree["metadata"]
    revision = template_hash(spec["template"])
    pods = context.owned(tree, POD)
    old = [pod for pod in pods if pod["metadata"]["labels"].get(_HASH) != revision]
    if old and spec["updateStrategy"].get("type") == "RollingUpdate":
        context.delete(POD, old[0])
        return
    if not pods:
        name = f"{metadata['name']}-{context.suffix()}"
        labels = {_HASH: revision, "pod-template-generation": str(metadata.get("generation", 1))}
        context.create(POD, from_template(spec["template"], name, metadata["namespace"], labels, owner_reference(tree)))
        return
    ready = sum(1 for pod in pods if is_ready(pod))
    status = {
        "currentNumberScheduled": len(pods),
        "desiredNumberScheduled": 1,
        "numberMisscheduled": 0,
        "numberReady": ready,
        **compact(
            {
                "observedGeneration": metadata.get("generation", 1),
                "updatedNumberScheduled": len(pods) - len(old),
                "numberAvailable": ready,
                "numberUnavailable": max(0, 1 - ready),
            }
        ),
    }
    context.set_status(DAEMON_SET, tree, status)
