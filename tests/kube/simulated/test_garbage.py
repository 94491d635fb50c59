"""Whatever is sent to it, the simulated cluster answers with an object or a KubeError."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.engine.resource import Object
from agent.kube.client import Kind
from agent.kube.errors import KubeError, Rejected
from agent.kube.simulated import SimulatedCluster
from agent.kube.simulated.kinds import BUILTIN_VERSIONS
from tests.kube.manifests import CONFIG_MAP, CRD, DEPLOYMENT, config_map, definition, deployment, manifest
from tests.kube.simulated.test_apply_properties import Server

junk = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 70_000), st.text(max_size=6), st.floats(allow_nan=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=6,
)

POD: Object = {
    "metadata": {"labels": {"app": "x"}},
    "spec": {
        "restartPolicy": "Never",
        "containers": [
            {
                "name": "c",
                "image": "i",
                "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}],
                "ports": [{"containerPort": 80}],
                "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}},
                "livenessProbe": {"httpGet": {"port": 80}},
                "lifecycle": {"preStop": {"httpGet": {"port": 80}}},
                "volumeMounts": [{"name": "v", "mountPath": "/v"}],
            }
        ],
        "volumes": [
            {"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
            {"name": "w", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}},
        ],
    },
}
WORKLOAD: Object = {
    "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": POD, "strategy": {}, "updateStrategy": {}}
}
METRIC: Object = {"type": "Resource", "resource": {"name": "cpu", "target": {"averageValue": "1"}}}
BACKEND: Object = {"service": {"name": "x", "port": {"number": 80}}}
RULE: Object = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
CONTENT: dict[str, Object] = {
    "ConfigMap": {"data": {"a": "1"}, "binaryData": {}, "immutable": True},
    "CronJob": {"spec": {"schedule": "@daily", "jobTemplate": {"metadata": {}, "spec": {"template": POD}}}},
    "CSIDriver": {"spec": {}},
    "CustomResourceDefinition": definition("Junk"),
    "DaemonSet": WORKLOAD,
    "Deployment": WORKLOAD,
    "EndpointSlice": {"endpoints": [{"addresses": ["1.1.1.1"]}], "ports": [{"port": 80}]},
    "Endpoints": {"subsets": [{"ports": [{"port": 80}]}]},
    "HorizontalPodAutoscaler": {
        "spec": {
            "maxReplicas": 2,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"},
            "metrics": [METRIC],
            "behavior": {},
        }
    },
    "Ingress": {"spec": {"rules": [{"http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": BACKEND}]}}]}},
    "IngressClass": {"spec": {"parameters": {}}},
    "Job": {"spec": {"template": POD}},
    "LimitRange": {"spec": {"limits": [{"type": "Container", "max": {"cpu": "1"}}]}},
    "NetworkPolicy": {"spec": {"podSelector": {}, "egress": [{"ports": [{"port": 80}]}]}},
    "PersistentVolume": {"spec": {"capacity": {"storage": "1"}, "accessModes": ["x"], "hostPath": {}, "claimRef": {}}},
    "PersistentVolumeClaim": {"spec": {"accessModes": ["x"], "resources": {"requests": {"storage": "1"}}}},
    "Pod": POD,
    "PodDisruptionBudget": {"spec": {"minAvailable": 1, "selector": {}}},
    "PodTemplate": {"template": POD},
    "ReplicaSet": WORKLOAD,
    "ReplicationController": WORKLOAD,
    "Role": {"rules": [RULE]},
    "RoleBinding": {"roleRef": {"kind": "Role", "name": "x"}, "subjects": [{"kind": "User", "name": "x"}]},
    "Secret": {"data": {"a": "eA=="}, "stringData": {"b": "x"}},
    "Service": {"spec": {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app": "x"}}},
    "StatefulSet": {"spec": {**WORKLOAD["spec"], "volumeClaimTemplates": [{"metadata": {"name": "v"}, "spec": {}}]}},
    "StorageClass": {"provisioner": "x", "parameters": {"a": "b"}},
    "ValidatingAdmissionPolicy": {"spec": {"matchConstraints": {"resourceRules": [RULE]}}},
    "ValidatingWebhookConfiguration": {
        "webhooks": [{"name": "a.b.c", "clientConfig": {"service": {}}, "rules": [RULE]}]
    },
}
KINDS = [resource.kind for resource in BUILTIN_VERSIONS.values() if resource.kind.kind in CONTENT]


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    result = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        result += _places(item, (*path, key))
    return result


@st.composite
def spoiled(draw: st.DrawFn) -> tuple[Kind, Object]:
    """An object of some kind, with junk in a few places."""
    kind = draw(st.sampled_from(KINDS))
    name = "junks.contract.escadre.io" if kind == CRD else "x"
    obj = manifest(kind, "default", name, copy.deepcopy(CONTENT[kind.kind]))
    if kind == CRD:
        obj["metadata"] = {"name": name}
    for _ in range(draw(st.integers(1, 3))):
        places = [place for place in _places(obj) if place[0] not in ("apiVersion", "kind")]
        *path, last = draw(st.sampled_from(places))
        target: Any = obj
        for key in path:
            target = target[key]
        target[last] = draw(junk)
    return kind, obj


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(spoiled(), st.sampled_from(["apply", "create", "replace", "patch"]))
def test_spoiled_objects(example: tuple[Kind, Object], verb: str) -> None:
    kind, obj = example
    server = Server()
    state = server.state()
    name = "junks.contract.escadre.io" if kind == CRD else "x"
    good = manifest(kind, "default", name, copy.deepcopy(CONTENT[kind.kind]))
    good["metadata"] = {"name": name, **({"namespace": "default"} if kind.namespaced else {})}
    try:
        match verb:
            case "apply":
                server.apply(kind, obj)
                server.apply(kind, obj)
            case "create":
                server.writer.create(kind, obj, "m")
            case "replace":
                server.apply(kind, good)
                server.writer.replace(kind, obj, "m")
            case _:
                table = server.storage.table(server.registry.resource(kind))
                server.apply(kind, good)
                record = table.find("default" if kind.namespaced else "", name)
                assert record is not None
                server.writer.patch(
                    table, record, {k: v for k, v in obj.items() if k not in ("kind", "apiVersion")}, "m"
                )
    except KubeError as error:
        assert str(error)
        if verb in ("apply", "create"):
            assert server.state()[1] == state[1]


@pytest.mark.parametrize(
    "obj",
    [
        {},
        {"metadata": None},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "default"}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": 5, "namespace": "default"}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "namespace": "default"}},
        {**config_map("default"), "metadata": {"name": "x", "namespace": "default", "labels": ["a"]}},
        {**config_map("default"), "data": {1: "not JSON"}},
        {**config_map("default"), "data": {"a": {1, 2}}},
    ],
)
def test_what_is_no_object_of_the_kind_is_rejected(obj: Object) -> None:
    with pytest.raises(Rejected):
        Server().apply(CONFIG_MAP, obj)


def test_what_is_too_deep_is_rejected() -> None:
    deep: Object = {}
    for _ in range(5000):
        deep = {"a": deep}
    with pytest.raises(Rejected):
        Server().apply(CONFIG_MAP, {**config_map("default"), "data": deep})


def test_a_schema_too_deep_is_rejected() -> None:
    schema: Object = {"type": "object"}
    for _ in range(80):
        schema = {"type": "object", "properties": {"a": schema}}
    with pytest.raises(Rejected, match="deeper"):
        Server().apply(CRD, definition("Deep", schema={"openAPIV3Schema": schema}))


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(spoiled())
def test_controllers_meet_spoiled_objects(example: tuple[Kind, Object]) -> None:
    kind, obj = example

    async def run() -> None:
        cluster = SimulatedCluster()
        # What an autoscaler may be pointed at, and what a budget may count.
        await cluster.apply(DEPLOYMENT, deployment("default", name="x"))
        for verb in ("apply", "create"):
            with contextlib.suppress(KubeError):
                if verb == "apply":
                    await cluster.apply(kind, obj)
                    await cluster.delete(kind, "default", obj["metadata"]["name"])
                else:
                    await cluster.create(kind, obj, field_manager="m")
        await cluster.close()

    asyncio.run(run())
