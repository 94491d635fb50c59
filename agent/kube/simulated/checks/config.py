"""Checks of what holds data: ConfigMaps, Secrets, volumes and their claims."""

from __future__ import annotations

import base64
import re
from typing import Final

from agent.engine.resource import Object
from agent.kube.simulated.problems import Problems

MAX_DATA: Final = 1_048_576
"""Bytes of data in a ConfigMap or a Secret."""
_KEY: Final = re.compile(r"(?!\.\.?$|\.\.)[-._a-zA-Z0-9]{1,253}")
_FROZEN: Final = "field is immutable when `immutable` is set"


def config_map(tree: Object, before: Object | None, problems: Problems) -> None:
    """Check a ConfigMap."""
    size = 0
    for field in ("data", "binaryData"):
        size += sum(len(value) for value in _checked(tree, field, problems).values())
    if size > MAX_DATA:
        problems.add("", f"Too long: may not be more than {MAX_DATA} bytes")
    _check_frozen(tree, before, ("data", "binaryData"), problems)


def secret(tree: Object, before: Object | None, problems: Problems) -> None:
    """Check a Secret. Its values are never shown."""
    size = 0
    for key, value in _checked(tree, "data", problems).items():
        try:
            size += len(base64.b64decode(value, validate=True))
        except ValueError:
            problems.add(f"data[{key}]", "Invalid value: illegal base64 data")
    if size > MAX_DATA:
        problems.add("data", f"Too long: may not be more than {MAX_DATA} bytes")
    if before is not None and before.get("type") != tree.get("type"):
        problems.invalid("type", tree.get("type"), "field is immutable")
    _check_frozen(tree, before, ("data",), problems)


def _checked(tree: Object, field: str, problems: Problems) -> dict[str, str]:
    """Return the data under a field, its keys checked."""
    values = tree.get(field) or {}
    for key in values:
        if _KEY.fullmatch(key) is None:
            problems.invalid(f"{field}[{key}]", key, "a valid config key must consist of [-._a-zA-Z0-9]")
    return values


def _check_frozen(tree: Object, before: Object | None, fields: tuple[str, ...], problems: Problems) -> None:
    if before is None or before.get("immutable") is not True:
        return
    if tree.get("immutable") is not True:
        problems.forbidden("immutable", _FROZEN)
    for field in fields:
        if tree.get(field) != before.get(field):
            problems.forbidden(field, _FROZEN)


def claim(tree: Object, before: Object | None, problems: Problems) -> None:
    """Check a PersistentVolumeClaim."""
    spec = tree["spec"]
    if not spec.get("accessModes"):
        problems.required("spec.accessModes", "at least 1 access mode is required")
    if not (spec.get("resources") or {}).get("requests", {}).get("storage"):
        problems.required("spec.resources[storage]")
    if before is None:
        return
    was = before["spec"]
    movable = ("resources", "volumeName", "volumeAttributesClassName")
    fixed = {key: value for key, value in spec.items() if key not in movable}
    if fixed != {key: value for key, value in was.items() if key not in movable}:
        problems.forbidden(
            "spec",
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
        )


def volume(tree: Object, before: Object | None, problems: Problems) -> None:
    """Check a PersistentVolume."""
    spec = tree["spec"]
    if not spec.get("accessModes"):
        problems.required("spec.accessModes")
    if not (spec.get("capacity") or {}).get("storage"):
        problems.required("spec.capacity")
    sources = spec.keys() & {"hostPath", "nfs", "csi", "local", "iscsi", "fc", "cephfs", "rbd", "glusterfs"}
    if before is not None and any(spec.get(key) != before["spec"].get(key) for key in sources):
        problems.forbidden("spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation")


def storage_class(tree: Object, before: Object | None, problems: Problems) -> None:
    """Check a StorageClass."""
    if not tree.get("provisioner"):
        problems.required("provisioner")
    if before is None:
        return
    for field in ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"):
        if tree.get(field) != before.get(field):
            problems.forbidden(field, f"updates to {field} are forbidden.")
