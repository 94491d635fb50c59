"""What is there in a new simulated cluster before anybody does anything."""

from __future__ import annotations

from typing import Final

from agent.engine.resource import GroupKind, Object
from agent.kube.simulated.controllers.pods import NODE_ADDRESS, NODE_NAME
from agent.kube.simulated.defaults.allocate import DEFAULT_STORAGE_CLASS
from agent.kube.simulated.kinds import BUILTIN
from agent.kube.simulated.schema import copy_json
from agent.kube.simulated.storage import Storage

NAMESPACES: Final = ("default", "kube-node-lease", "kube-public", "kube-system")

_NODE: Final[Object] = {
    "spec": {},
    "status": {
        "addresses": [{"type": "InternalIP", "address": NODE_ADDRESS}, {"type": "Hostname", "address": NODE_NAME}],
        "allocatable": {"cpu": "8", "memory": "32Gi", "pods": "110"},
        "capacity": {"cpu": "8", "memory": "32Gi", "pods": "110"},
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is ready"}],
    },
}
_STORAGE_CLASS: Final[Object] = {
    "provisioner": "simulated.escadre.io/volumes",
    "reclaimPolicy": "Delete",
    "volumeBindingMode": "Immediate",
}
_DEFAULT_CLASS: Final = {"storageclass.kubernetes.io/is-default-class": "true"}


def plant(storage: Storage) -> None:
    """Put the objects of a new cluster into an empty storage."""
    for name in NAMESPACES:
        labels = {"kubernetes.io/metadata.name": name}
        content: Object = {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}
        _put(storage, "", "Namespace", {"name": name, "labels": labels}, content)
    _put(storage, "", "Node", {"name": NODE_NAME, "labels": {"kubernetes.io/hostname": NODE_NAME}}, _NODE)
    metadata: Object = {"name": DEFAULT_STORAGE_CLASS, "annotations": _DEFAULT_CLASS}
    _put(storage, "storage.k8s.io", "StorageClass", metadata, _STORAGE_CLASS)


def _put(storage: Storage, group: str, kind: str, metadata: Object, content: Object) -> None:
    resource = BUILTIN[GroupKind(group, kind)]
    full = {**copy_json(metadata), "uid": storage.uid(), "creationTimestamp": storage.now()}
    tree = {"apiVersion": resource.kind.api_version, "kind": kind, "metadata": full, **content}
    storage.put(storage.table(resource), tree, None)
