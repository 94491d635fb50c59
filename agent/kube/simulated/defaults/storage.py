"""Defaults of configuration and storage."""

from __future__ import annotations

import base64

from agent.engine.resource import Object
from agent.kube.simulated.defaults.values import fill, section


def secret(tree: Object) -> None:
    """Fill in a Secret; what it gives as text moves to its data."""
    fill(tree, type="Opaque")
    text = tree.pop("stringData", None)
    if isinstance(text, dict) and text:
        data = section(tree, "data")
        for key, value in text.items():
            if isinstance(value, str):
                data[key] = base64.b64encode(value.encode()).decode()
    respell(tree, "data")


def config_map(tree: Object) -> None:
    """Fill in a ConfigMap."""
    respell(tree, "binaryData")


def respell(parent: Object, key: str) -> None:
    """Write bytes as the server does: what Base64 may be broken up by is gone. What is none stays as it is."""
    section_ = parent.get(key)
    if not isinstance(section_, dict):
        return
    for name, text in section_.items():
        if isinstance(text, str) and ("\n" in text or "\r" in text):
            section_[name] = text.replace("\n", "").replace("\r", "")


def persistent_volume_claim(tree: Object) -> None:
    """Fill in a PersistentVolumeClaim."""
    fill(section(tree, "spec"), volumeMode="Filesystem")
    fill(section(tree, "status"), phase="Pending")


def persistent_volume(tree: Object) -> None:
    """Fill in a PersistentVolume."""
    spec = section(tree, "spec")
    fill(spec, persistentVolumeReclaimPolicy="Retain", volumeMode="Filesystem")
    claim = spec.get("claimRef")
    if isinstance(claim, dict):
        fill(claim, apiVersion="v1", kind="PersistentVolumeClaim")
    host_path = spec.get("hostPath")
    if isinstance(host_path, dict):
        fill(host_path, type="")
    fill(section(tree, "status"), phase="Pending")


def storage_class(tree: Object) -> None:
    """Fill in a StorageClass."""
    fill(tree, reclaimPolicy="Delete", volumeBindingMode="Immediate")


def csi_driver(tree: Object) -> None:
    """Fill in a CSIDriver."""
    fill(
        section(tree, "spec"),
        attachRequired=True,
        fsGroupPolicy="ReadWriteOnceWithFSType",
        podInfoOnMount=False,
        requiresRepublish=False,
        seLinuxMount=False,
        storageCapacity=False,
        volumeLifecycleModes=["Persistent"],
    )
