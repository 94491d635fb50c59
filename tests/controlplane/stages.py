"""How nodes, pods and volumes live on a plane with workloads: kwok's stages, after its own "fast" set.

A pod is Ready, a Job's pod has succeeded and a claim is Bound within milliseconds. What a pod template may ask for:

- label ``escadre.test/pod``: ``image-pull`` (waits for ever), ``crash`` (CrashLoopBackOff), ``never-ready`` (runs, but
  is not Ready), ``fail`` (a Job's pod, phase Failed), ``hang`` (a Job's pod that runs for ever);
- annotations ``escadre.test/ready-after`` and ``escadre.test/complete-after``: a duration such as ``800ms``.
"""

from __future__ import annotations

from typing import Any

POD_LABEL = "escadre.test/pod"
READY_AFTER = "escadre.test/ready-after"
COMPLETE_AFTER = "escadre.test/complete-after"
STORAGE_CLASS = "test"

Object = dict[str, Any]

_NOW = "{{ Now | Quote }}"
_RUNNING = f"running: {{startedAt: {_NOW}}}"
_PULLING = "waiting: {reason: ImagePullBackOff, message: Back-off pulling image}"
_CRASHING = "waiting: {reason: CrashLoopBackOff, message: back-off restarting failed container}"
_FAILED = f"terminated: {{exitCode: 1, reason: Error, startedAt: {_NOW}, finishedAt: {_NOW}}}"
_COMPLETED = f"terminated: {{exitCode: 0, reason: Completed, startedAt: {_NOW}, finishedAt: {_NOW}}}"

_NEVER_READY = ("image-pull", "crash", "never-ready", "fail")
_BEHAVIOUR = f'.metadata.labels["{POD_LABEL}"]'

_POD = """
phase: %(phase)s
startTime: {{ or .status.startTime Now | Quote }}
conditions:
- {type: PodScheduled, status: "True", lastTransitionTime: {{ Now | Quote }}}
- {type: Initialized, status: "True", lastTransitionTime: {{ Now | Quote }}}
- {type: Ready, status: %(ready)s, lastTransitionTime: {{ Now | Quote }}}
- {type: ContainersReady, status: %(ready)s, lastTransitionTime: {{ Now | Quote }}}
{{ range .spec.readinessGates }}
- {type: {{ .conditionType | Quote }}, status: "True", lastTransitionTime: {{ Now | Quote }}}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: %(container_ready)s
  started: %(started)s
  restartCount: %(restarts)s
  state: {%(state)s}
{{ end }}
initContainerStatuses:
{{ range .spec.initContainers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: true
  restartCount: 0
  {{ if eq .restartPolicy "Always" }}
  started: true
  state: {running: {startedAt: {{ Now | Quote }}}}
  {{ else }}
  state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ Now | Quote }}, finishedAt: {{ Now | Quote }}}}
  {{ end }}
{{ end }}
{{ if not .status.podIP }}
{{ with NodeIPsWith .spec.nodeName }}
hostIP: {{ index . 0 | Quote }}
hostIPs: [{ip: {{ index . 0 | Quote }}}]
{{ end }}
{{ $uid := or .metadata.uid "" }}
{{ with PodIPsWith .spec.nodeName (or .spec.hostNetwork false) $uid .metadata.name .metadata.namespace }}
podIP: {{ index . 0 | Quote }}
podIPs: [{ip: {{ index . 0 | Quote }}}]
{{ end }}
{{ end }}
"""

_NODE = """
phase: Running
conditions:
{{ range NodeConditions }}
- {lastHeartbeatTime: {{ Now | Quote }}, lastTransitionTime: {{ Now | Quote }}, message: {{ .message | Quote }},
   reason: {{ .reason | Quote }}, status: {{ .status | Quote }}, type: {{ .type | Quote }}}
{{ end }}
addresses:
- {type: InternalIP, address: {{ NodeIP | Quote }}}
- {type: Hostname, address: {{ .metadata.name | Quote }}}
daemonEndpoints: {kubeletEndpoint: {Port: {{ NodePort }}}}
allocatable: {cpu: 1k, memory: 1Ti, pods: 1M}
capacity: {cpu: 1k, memory: 1Ti, pods: 1M}
nodeInfo: {architecture: amd64, bootID: "", containerRuntimeVersion: kwok, kernelVersion: kwok, kubeProxyVersion: "",
  kubeletVersion: kwok, machineID: "", operatingSystem: linux, osImage: kwok, systemUUID: ""}
"""

_VOLUME = """
apiVersion: v1
kind: PersistentVolume
metadata: {name: "pvc-{{ .metadata.uid }}"}
spec:
  accessModes: {{ YAML .spec.accessModes 2 }}
  capacity: {{ YAML .spec.resources.requests 2 }}
  persistentVolumeReclaimPolicy: Delete
  storageClassName: {{ .spec.storageClassName | Quote }}
  claimRef: {apiVersion: v1, kind: PersistentVolumeClaim, name: {{ .metadata.name | Quote }},
    namespace: {{ .metadata.namespace | Quote }}, uid: {{ .metadata.uid | Quote }}}
  hostPath: {path: "/nowhere/{{ .metadata.uid }}"}
"""


def _status(template: str) -> Object:
    return {"patch": {"root": "status", "subresource": "status", "template": template}}


def _where(key: str, operator: str, *values: str) -> Object:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


_ALIVE = _where(".metadata.deletionTimestamp", "DoesNotExist")


def _stage(name: str, kind: str, where: list[Object], steps: list[Object], delay_annotation: str = "") -> Object:
    spec: Object = {
        "resourceRef": {"apiGroup": "v1", "kind": kind},
        "selector": {"matchExpressions": where},
        "steps": steps,
    }
    if delay_annotation:
        source = {"expressionFrom": f'.metadata.annotations["{delay_annotation}"]'}
        spec["delay"] = {"durationMilliseconds": 0, "durationFrom": source}
    return {"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "metadata": {"name": name}, "spec": spec}


def _pod_status(phase: str, state: str, *, ready: bool = False, restarts: int = 0) -> Object:
    """The status of a pod all of whose containers are in one state."""
    filled = _POD % {
        "phase": phase,
        "ready": f'"{ready}"',
        "container_ready": str(ready).lower(),
        "started": str(state == _RUNNING).lower(),
        "restarts": restarts,
        "state": state,
    }
    return _status(filled)


def _pod_stages() -> list[Object]:
    pending = [_ALIVE, _where(".status.phase", "In", "Pending"), _where(".spec.nodeName", "Exists")]
    usual = _where(_BEHAVIOUR, "NotIn", *_NEVER_READY)
    completes = [
        _ALIVE,
        _where(".status.phase", "In", "Running"),
        _where(".metadata.ownerReferences.[].kind", "In", "Job"),
        _where(_BEHAVIOUR, "NotIn", "hang", *_NEVER_READY),
    ]
    # The only one that stays Pending, so it has to say when it is done.
    not_pulling = _where(".status.containerStatuses.[].state.waiting.reason", "NotIn", "ImagePullBackOff")

    def behaves(name: str, status: Object, *more: Object) -> Object:
        return _stage(f"pod-{name}", "Pod", [*pending, _where(_BEHAVIOUR, "In", name), *more], [status], READY_AFTER)

    return [
        _stage("pod-ready", "Pod", [*pending, usual], [_pod_status("Running", _RUNNING, ready=True)], READY_AFTER),
        behaves("image-pull", _pod_status("Pending", _PULLING), not_pulling),
        behaves("crash", _pod_status("Running", _CRASHING, restarts=5)),
        behaves("never-ready", _pod_status("Running", _RUNNING)),
        # A kubelet starts a container with restartPolicy Always again, so such a pod never fails; and its owner would
        # replace it without end.
        behaves("fail", _pod_status("Failed", _FAILED), _where(".spec.restartPolicy", "NotIn", "Always")),
        _stage("pod-complete", "Pod", completes, [_pod_status("Succeeded", _COMPLETED)], COMPLETE_AFTER),
        _stage("pod-delete", "Pod", [_where(".metadata.deletionTimestamp", "Exists")], [{"delete": True}]),
    ]


def _volume_stages() -> list[Object]:
    # The volume is bound to the claim from its birth; the controller manager does the rest.
    unbound = [
        _ALIVE,
        _where(".spec.storageClassName", "In", STORAGE_CLASS),
        _where(".spec.volumeName", "DoesNotExist"),
    ]
    return [_stage("claim-provision", "PersistentVolumeClaim", unbound, [{"apply": {"template": _VOLUME}}])]


def stages() -> list[Object]:
    node_not_ready = _where('.status.conditions.[] | select( .type == "Ready" ) | .status', "NotIn", "True")
    return [_stage("node-ready", "Node", [node_not_ready], [_status(_NODE)]), *_pod_stages(), *_volume_stages()]


def storage_class() -> Object:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": STORAGE_CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "escadre.test/volumes",
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
    }
