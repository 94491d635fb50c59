"""Defaults of pods, and of the templates workloads make pods from."""

from __future__ import annotations

from typing import Final

from agent.engine.resource import Object
from agent.kube.simulated.defaults.values import drop_empty, fill, objects, present, quantities, quantity, section

CONTAINER_LISTS: Final = ("initContainers", "containers", "ephemeralContainers")
_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_MODE_0644: Final = 420


def template(parent: Object, key: str = "template") -> None:
    """Fill in the pod template under a key."""
    tree = section(parent, key)
    metadata = section(tree, "metadata")
    drop_empty(metadata, "labels", "annotations")
    metadata.pop("creationTimestamp", None)
    spec(section(tree, "spec"), f"spec.{key}.spec")


def spec(pod: Object, path: str) -> None:
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
    drop_empty(pod, "nodeSelector", "imagePullSecrets", "tolerations", "volumes", "initContainers")
    for name in CONTAINER_LISTS:
        for container in objects(pod, name):
            _container(container, f"{path}.{name}")
    for volume in objects(pod, "volumes"):
        _volume(volume, f"{path}.volumes")
    quantities(pod, ("overhead",), path)


def _container(container: Object, path: str) -> None:
    image = str(container.get("image") or "")
    fill(
        container,
        resources={},
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        imagePullPolicy="Always" if _latest(image) else "IfNotPresent",
    )
    resources = section(container, "resources")
    quantities(resources, ("limits", "requests"), f"{path}.resources")
    drop_empty(resources, "limits", "requests")
    drop_empty(container, "env", "envFrom", "ports", "volumeMounts", "args", "command")
    for port in objects(container, "ports"):
        fill(port, protocol="TCP")
    for variable in objects(container, "env"):
        _source(present(variable, "valueFrom"), f"{path}.env")
    for name in _PROBES:
        _probe(present(container, name))
    for hook in ("postStart", "preStop"):
        _http_get(present(container, "lifecycle", hook, "httpGet"))


def _latest(image: str) -> bool:
    if "@" in image:
        return False
    _, colon, tag = image.rpartition("/")[2].partition(":")
    return not colon or tag == "latest"


def _source(source: Object | None, path: str) -> None:
    if source is None:
        return
    field = present(source, "fieldRef")
    if field is not None:
        fill(field, apiVersion="v1")
    resource = present(source, "resourceFieldRef")
    if resource is not None:
        fill(resource, divisor="0")
        quantity(resource, "divisor", f"{path}.resourceFieldRef.divisor")


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


def _volume(volume: Object, path: str) -> None:
    if volume.keys() <= {"name"}:
        volume["emptyDir"] = {}
    for kind in ("secret", "configMap", "downwardAPI", "projected"):
        source = present(volume, kind)
        if source is not None:
            fill(source, defaultMode=_MODE_0644)
            _items(source, path)
    for source in objects(present(volume, "projected") or {}, "sources"):
        _items(present(source, "downwardAPI") or {}, path)
        token = present(source, "serviceAccountToken")
        if token is not None:
            fill(token, expirationSeconds=3600)
    image = present(volume, "image")
    if image is not None:
        fill(image, pullPolicy="Always" if _latest(str(image.get("reference") or "")) else "IfNotPresent")
    host_path = present(volume, "hostPath")
    if host_path is not None:
        fill(host_path, type="")
    empty = present(volume, "emptyDir")
    if empty is not None:
        quantity(empty, "sizeLimit", f"{path}.emptyDir.sizeLimit")
    claim = present(volume, "ephemeral", "volumeClaimTemplate", "spec")
    if claim is not None:
        claim_spec(claim, path)


def _items(source: Object, path: str) -> None:
    for item in objects(source, "items"):
        _source(item, path)


def claim_spec(claim: Object, path: str) -> None:
    """Fill in the specification of a persistent volume claim."""
    fill(claim, volumeMode="Filesystem")
    quantities(section(claim, "resources"), ("limits", "requests"), f"{path}.resources")
