"""Objects in other versions than they are stored in.

Only HorizontalPodAutoscalers look different from version to version; custom kinds convert as `strategy: None` does,
by changing the apiVersion.
"""

from __future__ import annotations

import orjson

from agent.engine.resource import Object
from agent.kube.client import Kind
from agent.kube.simulated.defaults.values import objects, present
from agent.kube.simulated.storage import Record

_CPU_TARGET = "targetCPUUtilizationPercentage"


def load(record: Record, kind: Kind) -> Object:
    """Return a stored object in a version of its kind, a copy of the caller's own."""
    tree: Object = orjson.loads(record.data)
    if tree["apiVersion"] != kind.api_version:
        convert(tree, kind)
    return tree


def metadata_of(tree: Object) -> Object:
    """Return nothing but an object's metadata, and what it is."""
    return {name: tree[name] for name in ("apiVersion", "kind", "metadata")}


def convert(tree: Object, kind: Kind) -> None:
    """Turn an object into another version of its kind."""
    tree["apiVersion"] = kind.api_version
    spec = present(tree, "spec")
    if kind.group == "autoscaling" and kind.kind == "HorizontalPodAutoscaler" and spec is not None:
        if kind.version == "v1":
            _autoscaler_to_v1(spec)
        else:
            _autoscaler_from_v1(spec)


def _autoscaler_to_v1(spec: Object) -> None:
    for metric in objects(spec, "metrics"):
        target = present(metric, "resource", "target") or {}
        if (present(metric, "resource") or {}).get("name") == "cpu" and "averageUtilization" in target:
            spec[_CPU_TARGET] = target["averageUtilization"]
    spec.pop("metrics", None)
    spec.pop("behavior", None)


def _autoscaler_from_v1(spec: Object) -> None:
    percentage = spec.pop(_CPU_TARGET, None)
    if percentage is not None and "metrics" not in spec:
        target = {"type": "Utilization", "averageUtilization": percentage}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
