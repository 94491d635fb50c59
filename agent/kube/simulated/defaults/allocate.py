"""What a server gives an object beyond the defaults of its type: addresses, ports, protections.

Unlike defaults these belong to no field manager, for they come after the server has counted who set what. They are
made from the object's uid, so that they stay the same for as long as the object lives.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from agent.engine.resource import GroupKind, Object
from agent.kube.simulated.defaults.values import fill, objects, present, section

Allocator: TypeAlias = Callable[[Object], None]

DEFAULT_STORAGE_CLASS: Final = "standard"
CLAIM_PROTECTION: Final = "kubernetes.io/pvc-protection"
VOLUME_PROTECTION: Final = "kubernetes.io/pv-protection"

_FIRST_NODE_PORT: Final = 30_000
_NODE_PORTS: Final = 2_768


def address(uid: str, first: int, second: int) -> str:
    """Return the IPv4 address an object gets in a /16 network."""
    number = zlib.crc32(uid.encode())
    return f"{first}.{second}.{number % 256}.{number // 256 % 254 + 1}"


def service(tree: Object) -> None:
    """Give a Service its addresses and ports."""
    spec = section(tree, "spec")
    if spec.get("type") == "ExternalName":
        return
    fill(spec, clusterIP=address(tree["metadata"]["uid"], 10, 96))
    fill(spec, clusterIPs=[spec["clusterIP"]], ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack")
    if spec.get("type") != "LoadBalancer":
        spec.pop("allocateLoadBalancerNodePorts", None)
    if spec.get("type") == "ClusterIP":
        spec.pop("externalTrafficPolicy", None)
        for port in objects(spec, "ports"):
            port.pop("nodePort", None)
    else:
        base = zlib.crc32(tree["metadata"]["uid"].encode())
        for offset, port in enumerate(objects(spec, "ports")):
            fill(port, nodePort=_FIRST_NODE_PORT + (base + offset) % _NODE_PORTS)


def namespace(tree: Object) -> None:
    """Keep a Namespace until its contents are gone."""
    fill(section(tree, "spec"), finalizers=["kubernetes"])


def pod(tree: Object) -> None:
    """Give a pod what admission gives every pod."""
    spec = section(tree, "spec")
    fill(spec, preemptionPolicy="PreemptLowerPriority", priority=0)
    given = list(objects(spec, "tolerations"))
    spec["tolerations"] = given + [
        {"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
        for taint in _TAINTS
        if not any(_tolerates(toleration, taint) for toleration in given)
    ]


_TAINTS: Final = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def _tolerates(toleration: Object, taint: str) -> bool:
    return toleration.get("key") in (None, "", taint) and toleration.get("effect") in (None, "", "NoExecute")


def job(tree: Object) -> None:
    """Let a Job select its pods by its own uid, unless it says otherwise."""
    spec = section(tree, "spec")
    if spec.get("manualSelector"):
        return
    uid, name = tree["metadata"]["uid"], tree["metadata"]["name"]
    labels = section(section(section(spec, "template"), "metadata"), "labels")
    for prefix in ("batch.kubernetes.io/", ""):
        labels[f"{prefix}controller-uid"] = uid
        labels[f"{prefix}job-name"] = name
    spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    own = present(tree, "metadata", "labels")
    if own is None or "resourceVersion" not in tree["metadata"]:
        tree["metadata"]["labels"] = {**(own or {}), **labels}


def claim(tree: Object) -> None:
    """Give a PersistentVolumeClaim its storage class and its protection."""
    spec = section(tree, "spec")
    if "storageClassName" not in spec and not spec.get("volumeName"):
        spec["storageClassName"] = DEFAULT_STORAGE_CLASS
    _protect(tree, CLAIM_PROTECTION)


def volume(tree: Object) -> None:
    """Give a PersistentVolume its protection."""
    _protect(tree, VOLUME_PROTECTION)


def _protect(tree: Object, finalizer: str) -> None:
    metadata = tree["metadata"]
    if "resourceVersion" not in metadata:
        finalizers = metadata.setdefault("finalizers", [])
        if finalizer not in finalizers:
            finalizers.append(finalizer)


ALLOCATORS: Final[Mapping[GroupKind, Allocator]] = {
    GroupKind("", "Namespace"): namespace,
    GroupKind("", "PersistentVolume"): volume,
    GroupKind("", "PersistentVolumeClaim"): claim,
    GroupKind("", "Pod"): pod,
    GroupKind("", "Service"): service,
    GroupKind("batch", "Job"): job,
}
