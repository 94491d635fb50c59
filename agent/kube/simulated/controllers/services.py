"""What gives network and storage objects their status: load balancers, volumes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from agent.engine.resource import GroupKind, Object
from agent.kube.simulated.controllers.context import Context
from agent.kube.simulated.defaults.allocate import address

SERVICE: Final = GroupKind("", "Service")
INGRESS: Final = GroupKind("networking.k8s.io", "Ingress")
CLAIM: Final = GroupKind("", "PersistentVolumeClaim")


def reconcile_service(context: Context, service: Object) -> None:
    """Give a Service of type LoadBalancer an address, and take it from one that is none any more."""
    if service["spec"].get("type") == "LoadBalancer":
        if not _has_address(service):
            _later(context, SERVICE, service, _give_address)
    elif service.get("status") != {"loadBalancer": {}}:
        context.set_status(SERVICE, service, {"loadBalancer": {}})


def reconcile_ingress(context: Context, ingress: Object) -> None:
    """Give an Ingress an address."""
    if not _has_address(ingress):
        _later(context, INGRESS, ingress, _give_address)


def reconcile_claim(context: Context, claim: Object) -> None:
    """Bind a PersistentVolumeClaim to a volume."""
    if (claim.get("status") or {}).get("phase") != "Bound":
        _later(context, CLAIM, claim, _bind)


def _later(
    context: Context, group_kind: GroupKind, tree: Object, step: Callable[[Context, GroupKind, Object], None]
) -> None:
    metadata = tree["metadata"]

    def run() -> None:
        latest = context.read(group_kind, metadata["namespace"], metadata["name"])
        if latest is not None:
            step(context, group_kind, latest)

    context.tasks.later(context.rollout_seconds, run)


def _has_address(tree: Object) -> bool:
    return bool(((tree.get("status") or {}).get("loadBalancer") or {}).get("ingress"))


def _give_address(context: Context, group_kind: GroupKind, tree: Object) -> None:
    entry = {"ip": address(tree["metadata"]["uid"], 198, 18)}
    if group_kind == SERVICE:
        if tree["spec"].get("type") != "LoadBalancer":
            return
        entry["ipMode"] = "VIP"
    if not _has_address(tree):
        context.set_status(group_kind, tree, {"loadBalancer": {"ingress": [entry]}})


def _bind(context: Context, group_kind: GroupKind, claim: Object) -> None:
    spec = claim["spec"]
    name = spec.get("volumeName") or f"pvc-{claim['metadata']['uid']}"
    context.change(CLAIM, claim, lambda tree: tree["spec"].update(volumeName=name))
    status = {
        "phase": "Bound",
        "accessModes": spec.get("accessModes", []),
        "capacity": dict(spec.get("resources", {}).get("requests", {})),
    }
    context.set_status(CLAIM, claim, status)
