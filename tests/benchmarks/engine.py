"""engine: what deciding costs, without anything that is decided about being asked for.

One application of 5,000 objects, Deployments, Services and ConfigMaps of ordinary size, in three waves, in a process of
its own. Measured is the engine's time alone, from parsed objects to its verdicts: pairing and planning a sync of all of
them; comparing each with the answer of a dry run, from which one in two differs in a field, and saying who changed it;
and the health of each. `rss_mb` is the process's resident memory, objects and all, at its largest.
"""

from __future__ import annotations

import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from agent.engine.drift import attribute, compare, content_hash
from agent.engine.health import assess
from agent.engine.ignore import NO_IGNORES
from agent.engine.reconcile import Live, Target, reconcile
from agent.engine.resource import (
    FIELD_MANAGER,
    MANAGED_LABEL,
    TRACKING_ANNOTATION,
    Object,
    ResourceKey,
    key_of,
    tracking_id,
)
from agent.engine.tasks import make_plan
from agent.engine.traits import traits_of
from tests.benchmarks.host import Child, Command, serve

OBJECTS = 5000
NAME = "app"


async def run(root: Path, objects: int = OBJECTS) -> dict[str, float]:
    child = Child(main)
    try:
        figures: dict[str, float] = await child.call("measure", objects)
        return figures
    finally:
        await child.stop()


def main(pipe: Connection) -> None:
    """Run in a process of its own, so that nothing but the engine and its objects is counted."""

    async def build() -> dict[str, Command]:
        return {"measure": measure, "stop": _stop}

    serve(pipe, build)


async def _stop() -> None:
    """There is nothing to end."""


async def measure(count: int) -> dict[str, float]:
    """Make the objects, and measure what the engine takes for them."""
    pairs = [_pair(number) for number in range(count)]
    began = time.perf_counter()
    planned = _plan([live for live, _ in pairs])
    compared = sum(_differs(predicted, live) for live, predicted in pairs)
    healthy = sum(assess(live) is not None for live, _ in pairs)
    seconds = time.perf_counter() - began
    assert planned == count and compared == count // 2 and healthy > count // 2
    return {"seconds": round(seconds, 3), "rss_mb": round(_peak_mb(), 1), "objects": count}


def _peak_mb() -> float:
    """Return the largest resident memory of this program. Not `ru_maxrss`: that counts the one that started it too."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM:"))


def _plan(objects: list[Object]) -> int:
    live = [_live(obj) for obj in objects]
    targets = {o.key: Target(o.key, o.version, "digest", traits=o.traits) for o in live}
    return make_plan(reconcile(NAME, targets, live, {}), prune=True).total


def _live(obj: Object) -> Live:
    metadata = obj["metadata"]
    version = obj["apiVersion"].rpartition("/")[2]
    key = key_of(obj)
    return Live(key, version, metadata["uid"], metadata["resourceVersion"], content_hash(obj), NAME, traits_of(obj))


def _differs(predicted: Object, live: Object) -> bool:
    if content_hash(predicted) == content_hash(live):
        return False
    differences = compare(predicted, live, NO_IGNORES)
    return bool(attribute(differences, live["metadata"]["managedFields"]))


# --- the objects


def _pair(number: int) -> tuple[Object, Object]:
    """Return an object as it is live, and as a dry run of its manifest answers."""
    make = (_deployment, _service, _config_map)[number % 3]
    live, predicted = make(f"object-{number}", "1"), make(f"object-{number}", "2" if number % 2 else "1")
    return live, predicted


def _metadata(group: str, kind: str, name: str) -> Object:
    key = ResourceKey(group, kind, "default", name)
    wave = len(name) % 3
    return {
        "name": name,
        "namespace": "default",
        "uid": f"00000000-0000-4000-8000-{hash(name) & 0xFFFFFFFFFFFF:012x}",
        "resourceVersion": "1000",
        "generation": 1,
        "creationTimestamp": "2030-01-01T00:00:00Z",
        "labels": {MANAGED_LABEL: "true", "app.kubernetes.io/name": name, "app.kubernetes.io/part-of": NAME},
        "annotations": {TRACKING_ANNOTATION: tracking_id(NAME, key), "argocd.argoproj.io/sync-wave": str(wave)},
        "managedFields": [_owned("Apply", FIELD_MANAGER), _owned("Update", "kube-controller-manager")],
    }


def _owned(operation: str, manager: str) -> Object:
    fields: Object = {
        "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {'k:{"name":"main"}': {".": {}}}}}}
    }
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": "apps/v1",
        "time": "2030-01-01T00:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields if operation == "Apply" else {"f:status": {"f:replicas": {}}},
    }


def _deployment(name: str, value: str) -> Object:
    labels = {"app.kubernetes.io/name": name}
    container: dict[str, Any] = {
        "name": "main",
        "image": f"registry.example.com/{name}:1.{value}",
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "env": [{"name": f"SETTING_{n}", "value": f"value {n}"} for n in range(10)],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http", "scheme": "HTTP"}, "periodSeconds": 10},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }
    pod = {"containers": [container], "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "securityContext": {}}
    conditions = [{"type": kind, "status": "True", "reason": "Fine"} for kind in ("Available", "Progressing")]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata("apps", "Deployment", name),
        "spec": {
            "replicas": 2,
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
        "status": {
            "observedGeneration": 1,
            "replicas": 2,
            "updatedReplicas": 2,
            "readyReplicas": 2,
            "availableReplicas": 2,
            "conditions": conditions,
        },
    }


def _service(name: str, value: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata("", "Service", name),
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "10.96.0.10",
            "selector": {"app.kubernetes.io/name": name},
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": f"port-{value}"}],
        },
        "status": {"loadBalancer": {}},
    }


def _config_map(name: str, value: str) -> Object:
    data = {f"file-{n}.conf": "key = value\n" * 20 for n in range(4)} | {"value": value}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _metadata("", "ConfigMap", name), "data": data}
