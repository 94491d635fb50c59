"""Defaults of pods, and of the templates workloads make pods from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agent.engine.resource import Object
from agent.kube.simulated.defaults.values import fill, objects, present, section

CONTAINER_LISTS: Final = ("initContainers", "containers", "ephemeralContainers")
_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_MODE_0644: Final = 420
_VOLUME_DEFAULTS: Final[Mapping[str, Object]] = {
    "azureDisk": {"cachingMode": "ReadWrite", "fsType": "ext4", "kind": "Shared", "readOnly": False},
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"keyring": "/etc/ceph/keyring", "pool": "rbd", "user": "admin"},
    "scaleIO": {"fsType": "xfs", "storageMode": "ThinProvisioned"},
}


def template(parent: Object) -> None:
    """Fill in the pod template of a workload."""
    tree = section(parent, "template")
    section(tree, "metadata")
    spec(section(tree, "spec"))


def spec(pod: Object) -> None:
    """Fill in a pod's specification."""
    fill(
        pod,
        restartPolicy="Always",
        terminationGracePeriodSeconds=30,
        dnsPolicy="ClusterFirst",
        securityContext={},
        schedulerName="default-scheduler",
    )
    account = pod.get("serviceAccountName") or pod.get("serviceAccount")
    if account:
        pod["serviceAccountName"] = pod["serviceAccount"] = account
    for name in CONTAINER_LISTS:
        for container in objects(pod, name):
            _container(container)
    for volume in objects(pod, "volumes"):
        _volume(volume)


def _container(container: Object) -> None:
    image = str(container.get("image") or "")
    fill(
        container,
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        imagePullPolicy="Always" if _latest(image) else "IfNotPresent",
    )
    for port in objects(container, "ports"):
        fill(port, protocol="TCP")
    for variable in objects(container, "env"):
        _source(present(variable, "valueFrom"))
    for name in _PROBES:
        _probe(present(container, name))
    for hook in ("postStart", "preStop"):
        _http_get(present(container, "lifecycle", hook, "httpGet"))


def _latest(image: str) -> bool:
    if "@" in image:
        return False
    _, colon, tag = image.rpartition("/")[2].partition(":")
    return not colon or tag == "latest"


def _source(source: Object | None) -> None:
    if source is None:
        return
    field = present(source, "fieldRef")
    if field is not None:
        fill(field, apiVersion="v1")
    resource = present(source, "resourceFieldRef")
    if resource is not None:
        fill(resource, divisor="0")


def _probe(probe: Object | None) -> None:
    if probe is None:
        return
    fill(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
    _http_get(present(probe, "httpGet"))
    grpc = present(probe, "grpc")
    if grpc is not None:
        fill(grpc, service="")


def _http_get(action: Object | None) -> None:
    if action is not None:
        fill(action, path="/", scheme="HTTP")


def _volume(volume: Object) -> None:
    if volume.keys() <= {"name"}:
        volume["emptyDir"] = {}
    for kind in ("secret", "configMap", "downwardAPI", "projected"):
        source = present(volume, kind)
        if source is not None:
            fill(source, defaultMode=_MODE_0644)
            _items(source)
    for source in objects(present(volume, "projected") or {}, "sources"):
        _items(present(source, "downwardAPI") or {})
        token = present(source, "serviceAccountToken")
        if token is not None:
            fill(token, expirationSeconds=3600)
    image = present(volume, "image")
    if image is not None:
        fill(image, pullPolicy="Always" if _latest(str(image.get("reference") or "")) else "IfNotPresent")
    for kind, values in _VOLUME_DEFAULTS.items():
        source = present(volume, kind)
        if source is not None:
            fill(source, **values)
    host_path = present(volume, "hostPath")
    if host_path is not None:
        fill(host_path, type="")
    claim = present(volume, "ephemeral", "volumeClaimTemplate", "spec")
    if claim is not None:
        fill(claim, volumeMode="Filesystem")


def _items(source: Object) -> None:
    for item in objects(source, "items"):
        _source(item)
