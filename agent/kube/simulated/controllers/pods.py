"""The kubelet and the scheduler: pods start, run, crash, or end."""

from __future__ import annotations

import zlib
from typing import Any, Final

from agent.engine.resource import GroupKind, Object
from agent.kube.simulated.controllers.context import Context
from agent.kube.simulated.schema import copy_json

POD: Final = GroupKind("", "Pod")
NODE_NAME: Final = "node-1"
NODE_ADDRESS: Final = "192.0.2.10"
_KUBELET: Final = "kubelet"


def is_broken(pod_spec: Object) -> bool:
    """Tell whether pods with these images never come up: "crash" in the image's name, or the tag "broken"."""
    for container in pod_spec.get("containers") or ():
        name, _, tag = str(container.get("image", "")).rpartition("/")[2].partition(":")
        if "crash" in name or tag == "broken":
            return True
    return False


def is_ready(pod: Object) -> bool:
    """Tell whether a pod is Ready."""
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def from_template(template: Object, name: str, namespace: str, labels: Object, owner: Object) -> Object:
    """Return the pod a workload makes from its template."""
    metadata = template.get("metadata") or {}
    result: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {**(metadata.get("labels") or {}), **labels},
            "ownerReferences": [owner],
        },
        "spec": copy_json(template["spec"]),
    }
    if metadata.get("annotations"):
        result["metadata"]["annotations"] = dict(metadata["annotations"])
    return result


def template_hash(template: Object) -> str:
    """Return the short name of a template, the same for equal templates."""
    number = zlib.crc32(repr(_sorted(template)).encode())
    digits = "bcdfghjklmnpqrstvwxz2456789"
    text = ""
    for _ in range(9):
        number, digit = divmod(number * 31 + 7, 27)
        text += digits[digit]
        number &= 0xFFFFFFFF
    return text


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return [(key, _sorted(value[key])) for key in sorted(value)]
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def reconcile(context: Context, pod: Object) -> None:
    """Start a new pod, and finish starting it a while later."""
    if pod["status"].get("phase") != "Pending" or pod["status"].get("startTime"):
        return
    status = {**pod["status"], "startTime": context.now(), "hostIP": NODE_ADDRESS}
    context.change(POD, pod, _bind, manager="kube-scheduler")
    context.set_status(POD, pod, status, _KUBELET)
    finish_later(context, pod)


def finish_later(context: Context, pod: Object) -> None:
    """Finish starting a pod when its time has come."""
    metadata = pod["metadata"]
    namespace, name = metadata["namespace"], metadata["name"]

    def finish() -> None:
        current = context.read(POD, namespace, name)
        if current is not None and current["status"].get("phase") == "Pending":
            _finish(context, current)

    context.tasks.later(context.rollout_seconds, finish)


def _bind(pod: Object) -> None:
    pod["spec"].setdefault("nodeName", NODE_NAME)


def _finish(context: Context, pod: Object) -> None:
    spec, now = pod["spec"], context.now()
    broken = is_broken(spec)
    ends = spec.get("restartPolicy") != "Always"
    phase = ("Failed" if broken else "Succeeded") if ends else "Running"
    ready = phase == "Running" and not broken
    status: Object = {
        **pod["status"],
        "phase": phase,
        "podIP": _address(pod),
        "podIPs": [{"ip": _address(pod)}],
        "conditions": _conditions(ready, ends and not broken, now),
        "containerStatuses": [_container(container, phase, broken, now) for container in spec.get("containers", ())],
    }
    if spec.get("initContainers"):
        status["initContainerStatuses"] = [_container(item, "Succeeded", False, now) for item in spec["initContainers"]]
    context.set_status(POD, pod, status, _KUBELET)


def _conditions(ready: bool, completed: bool, now: str) -> list[Object]:
    result: list[Object] = []
    for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"):
        good = ready or kind not in ("Ready", "ContainersReady")
        condition = {"type": kind, "status": "True" if good else "False", "lastTransitionTime": now}
        if not good:
            condition["reason"] = "PodCompleted" if completed else "ContainersNotReady"
        result.append(condition)
    return result


def _container(container: Object, phase: str, broken: bool, now: str) -> Object:
    running = phase == "Running" and not broken
    status: Object = {
        "name": container.get("name"),
        "image": container.get("image"),
        "imageID": container.get("image"),
        "ready": running,
        "started": running,
        "restartCount": 0,
        "state": {"running": {"startedAt": now}},
    }
    ended = {"startedAt": now, "finishedAt": now, "exitCode": 1 if broken else 0}
    ended["reason"] = "Error" if broken else "Completed"
    if phase in ("Succeeded", "Failed"):
        status["state"] = {"terminated": ended}
    elif broken:
        waiting = {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}
        status.update(restartCount=5, state={"waiting": waiting}, lastState={"terminated": ended})
    return status


def _address(pod: Object) -> str:
    number = zlib.crc32(pod["metadata"]["uid"].encode())
    return f"10.244.{number % 256}.{number // 256 % 254 + 1}"
