"""Does the same to a simulated and to a real cluster, and says where they differ."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from agent.engine.resource import Object
from agent.kube.client import ApplyOptions, Kind, KubeClient
from agent.kube.errors import FieldConflict, KubeError
from tests.kube.corpus import CONTAINER, NS, SELECTOR

_OWN = frozenset(
    {
        "batch.kubernetes.io/controller-uid",
        "clusterIP",
        "clusterIPs",
        "controller-uid",
        "creationTimestamp",
        "deployment.kubernetes.io/revision",
        "nodePort",
        "resourceVersion",
        "status",
        "time",
        "uid",
    }
)
"""What is each cluster's own: times, identities, addresses, and the status, which comes in its own time."""

Answer = Any


def place(manifest: Object, namespace: str) -> Object:
    """Put a manifest of the corpus into a namespace."""
    placed: Object = orjson.loads(orjson.dumps(manifest).replace(NS.encode(), namespace.encode()))
    return placed


async def kind_of(kube: KubeClient, manifest: Object) -> Kind:
    group, _, version = manifest["apiVersion"].rpartition("/")
    found = (await kube.discover()).find(group, version, manifest["kind"])
    assert found is not None
    return found


async def answer(request: Callable[[], Any]) -> Answer:
    """What a cluster answers, without what is its own; a refusal as its type and what it names."""
    try:
        return comparable(await request())
    except FieldConflict as error:
        return "FieldConflict", sorted(error.managers)
    except KubeError as error:
        return type(error).__name__


def comparable(obj: Object) -> Object:
    """An object without what is each cluster's own, and without what controllers said of it."""
    result: Object = _without_own(obj)
    metadata = result["metadata"]
    if metadata.get("annotations") == {}:
        del metadata["annotations"]
    entries = metadata.pop("managedFields", ())
    metadata["managers"] = {
        f"{entry['manager']} {entry['operation']}": entry["fieldsV1"]
        for entry in entries
        if not entry["manager"].startswith("kube-")
    }
    return result


def _without_own(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_own(item) for key, item in value.items() if key not in _OWN}
    return [_without_own(item) for item in value] if isinstance(value, list) else value


def differences(real: Any, simulated: Any, path: str = "") -> Iterator[str]:
    """Say where two answers differ."""
    if isinstance(real, dict) and isinstance(simulated, dict):
        for key in sorted(real.keys() | simulated.keys()):
            if key not in real:
                yield f"{path}.{key}: only the simulated has {simulated[key]!r:.200}"
            elif key not in simulated:
                yield f"{path}.{key}: only the real has {real[key]!r:.200}"
            else:
                yield from differences(real[key], simulated[key], f"{path}.{key}")
    elif isinstance(real, list) and isinstance(simulated, list) and len(real) == len(simulated):
        for index, (one, other) in enumerate(zip(real, simulated, strict=True)):
            yield from differences(one, other, f"{path}[{index}]")
    elif real != simulated:
        yield f"{path}: real {real!r:.300}, simulated {simulated!r:.300}"


@dataclass(frozen=True, slots=True)
class Step:
    """One write of a random sequence."""

    verb: str
    manager: str
    force: bool
    manifest: Object

    async def take(self, kube: KubeClient) -> Answer:
        """Do it, and return the cluster's answer."""
        kind = await kind_of(kube, self.manifest)
        manifest = copy.deepcopy(self.manifest)
        if self.verb == "replace":
            return await answer(lambda: self._replace(kube, kind, manifest))
        options = ApplyOptions(field_manager=self.manager, force=self.force, dry_run=self.verb == "dry run")
        return await answer(lambda: kube.apply(kind, manifest, options))

    async def _replace(self, kube: KubeClient, kind: Kind, manifest: Object) -> Object:
        metadata = manifest["metadata"]
        live = await kube.get(kind, metadata["namespace"], metadata["name"])
        if live is not None:
            metadata["resourceVersion"] = live["metadata"]["resourceVersion"]
        return await kube.replace(kind, manifest, field_manager=self.manager)


def sequence(make: Callable[[random.Random], Object], seed: int, steps: int, namespace: str) -> Iterator[Step]:
    """Random writes by three managers to one object, the same for the same seed."""
    chance = random.Random(seed)
    for number in range(steps):
        manifest = make(chance)
        manifest["metadata"] |= {"name": f"random-{seed}", "namespace": namespace}
        verb = chance.choice(["apply"] * 6 + ["replace", "dry run"]) if number else "apply"
        yield Step(verb, chance.choice("abc"), chance.random() < 0.5, manifest)


def _sometimes(chance: random.Random, odds: float, **fields: Callable[[], Any]) -> Object:
    return {name: value() for name, value in fields.items() if chance.random() < odds}


def _texts(chance: random.Random, keys: str) -> dict[str, str]:
    return {key: chance.choice(["1", "2", ""]) for key in keys if chance.random() < 0.5}


def random_config_map(chance: random.Random) -> Object:
    finalizers = ["a.b/c", "d.e/f", "g.h/i"]
    metadata = _sometimes(
        chance,
        0.5,
        labels=lambda: _texts(chance, "abc"),
        annotations=lambda: _texts(chance, "abc"),
        finalizers=lambda: [finalizer for finalizer in finalizers if chance.random() < 0.5],
    )
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        **_sometimes(chance, 0.9, data=lambda: _texts(chance, "abcd")),
    }


def random_service(chance: random.Random) -> Object:
    ports = [
        {"port": port, "name": f"n{port}", **_sometimes(chance, 0.5, targetPort=lambda: chance.choice([1, "x"]))}
        for port in chance.sample([80, 81, 82], chance.randint(1, 3))
    ]
    spec = _sometimes(
        chance,
        0.5,
        selector=lambda: {key: chance.choice("12") for key in "ab" if chance.random() < 0.6},
        type=lambda: chance.choice(["ClusterIP", "NodePort", "LoadBalancer"]),
        sessionAffinity=lambda: chance.choice(["ClientIP", "None"]),
    )
    return {"apiVersion": "v1", "kind": "Service", "metadata": {}, "spec": {"ports": ports, **spec}}


def random_deployment(chance: random.Random) -> Object:
    containers = [_random_container(chance, name) for name in chance.sample("cde", chance.randint(1, 2))]
    pod = _sometimes(
        chance,
        0.3,
        volumes=lambda: [
            {"name": name, **chance.choice([{"emptyDir": {}}, {"configMap": {"name": "q"}}, {}])}
            for name in chance.sample("vw", chance.randint(0, 2))
        ],
        tolerations=lambda: [{"operator": "Exists"}],
        nodeSelector=lambda: chance.choice([{"a": "b"}, {"a": "c", "d": "e"}, {}]),
        securityContext=lambda: chance.choice([{}, {"fsGroup": 1}, None]),
        serviceAccountName=lambda: chance.choice(["s", "t", ""]),
    )
    labels = {"app": "x", **_sometimes(chance, 0.3, z=lambda: chance.choice("12"))}
    strategies: list[Object] = [{"type": "Recreate"}, {"type": "RollingUpdate"}, {"rollingUpdate": {"maxSurge": 1}}, {}]
    spec = _sometimes(
        chance, 0.4, replicas=lambda: chance.choice([0, 1, 2]), strategy=lambda: chance.choice(strategies)
    )
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers, **pod}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {},
        "spec": {"selector": SELECTOR, "template": template, **spec},
    }


def _random_container(chance: random.Random, name: str) -> Object:
    def variables() -> list[Object]:
        names = chance.sample("ABC", chance.randint(0, 3))
        return [{"name": key, **_sometimes(chance, 0.8, value=lambda: chance.choice("12"))} for key in names]

    def ports() -> list[Object]:
        numbers = chance.sample([80, 81, 82], chance.randint(0, 2))
        return [{"containerPort": number, **_sometimes(chance, 0.3, protocol=lambda: "UDP")} for number in numbers]

    more = _sometimes(
        chance,
        0.4,
        env=variables,
        ports=ports,
        resources=lambda: chance.choice([{}, {"requests": {"cpu": chance.choice(["1", "1000m", "0.5"])}}]),
        livenessProbe=lambda: {"httpGet": {"port": chance.choice([1, 2])}},
        args=lambda: chance.choice([["a"], ["a", "b"], []]),
        securityContext=lambda: chance.choice([{}, {"runAsUser": 1}, {"capabilities": {"drop": ["ALL"]}}]),
    )
    return {**CONTAINER, "name": name, "image": chance.choice(["i:1", "i:2", "j"]), **more}


def random_custom(kind: Kind, chance: random.Random) -> Object:
    """An instance of a kind defined as `tests.kube.manifests.definition` does."""
    free: list[Object] = [{"a": {"b": 1}}, {"a": {"c": 2}}, {"l": [1]}, {"l": [2], "a": {"b": 1}}, {}, {"a": 1}]

    def items() -> list[Object]:
        names = chance.sample("xyz", chance.randint(0, 3))
        return [{"name": name, **_sometimes(chance, 0.6, value=lambda: chance.choice([1, 2]))} for name in names]

    spec = _sometimes(
        chance,
        0.5,
        size=lambda: chance.choice([1, 2]),
        labels=lambda: _texts(chance, "ab"),
        items=items,
        words=lambda: chance.choice([["a"], ["b"], []]),
        free=lambda: chance.choice(free),
    )
    rest = _sometimes(chance, 0.8, spec=lambda: spec)
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {}, **rest}
