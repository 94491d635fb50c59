"""What is predicted of an apply without an API server is what a real one would make of it.

Every object of the corpus is put there by a tool that the agent takes the place of. Then something is taken out of its
manifest or changed, and the real server's dry run is held against what is predicted from the live object alone: with
its managedFields, and, as `kubectl get` prints it, without.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator
from random import Random
from typing import Any

import orjson
import pytest

from agent.engine.diff import unified_diff
from agent.engine.drift import ABSENT, FieldDifference, compare
from agent.engine.ignore import NO_IGNORES
from agent.engine.normalize import LAST_APPLIED
from agent.engine.resource import FIELD_MANAGER, Object, key_of
from agent.engine.takeover import take_over
from agent.kube.client import ApplyOptions, DeleteOptions, KubeClient
from agent.kube.cluster import ClusterClient
from agent.kube.errors import Conflict, KubeError
from agent.kube.simulated.predict import Predictor
from tests.controlplane.access import ClusterAccess
from tests.kube import agreement
from tests.kube.corpus import ODD, PLAIN
from tests.kube.manifests import definition
from tests.kube.planes import connect

pytestmark = pytest.mark.controlplane

VARIATIONS = 15
BY_HAND = "kubectl-client-side-apply"
_DEFAULTED_ONCE = ("HorizontalPodAutoscaler", "NetworkPolicy", "ReplicationController")
"""Kinds with defaults that follow from other fields and stay when those change. By managedFields they are the tool's
that created the object, and go when the agent takes its place; the annotation of what was applied knows better."""


@pytest.fixture(scope="module")
def namespace(control_plane: ClusterAccess) -> str:
    name = f"predict-{secrets.token_hex(4)}"
    control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    return name


@pytest.fixture
async def real(control_plane: ClusterAccess) -> AsyncIterator[KubeClient]:
    client = ClusterClient(connect(control_plane))
    yield client
    await client.close()


def _id(obj: Object) -> str:
    return f"{obj['kind']}-{obj['metadata']['name']:.20}"


def varied(manifest: Object, chance: Random) -> Object:
    """Return a manifest with one thing less, or another."""
    result: Object = orjson.loads(orjson.dumps(manifest))
    places = list(_places({k: v for k, v in result.items() if k not in ("apiVersion", "kind", "metadata")}))
    if not places:
        return result
    parent, key = chance.choice(places)
    value = parent[key]
    if isinstance(value, bool) or chance.random() < 0.6:
        del parent[key]
    elif isinstance(value, int):
        parent[key] = value + 1
    elif isinstance(value, str):
        parent[key] = value + "1"
    else:
        del parent[key]
    return result


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)


def without_nulls(value: Any) -> Any:
    """A server gives null back for a list that has to be there and has nothing in it."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def unforeseeable(difference: FieldDifference) -> bool:
    """Say whether only the server can know: which port is free, and which empty fields it writes all the same."""
    if difference.path[-1] == "nodePort":
        return difference.live is ABSENT
    return difference.live is ABSENT and difference.assigned in ("", False, 0)


def without_managers(obj: Object) -> Object:
    return {**obj, "metadata": {k: v for k, v in obj["metadata"].items() if k != "managedFields"}}


@pytest.mark.parametrize("by", ["argocd-controller", BY_HAND])
@pytest.mark.parametrize("given", [*PLAIN, *ODD], ids=_id)
async def test_what_is_predicted_is_what_the_server_says(
    real: KubeClient, namespace: str, given: Object, by: str
) -> None:
    if by == BY_HAND and given["kind"] in _DEFAULTED_ONCE:
        return
    wanted = agreement.place(given, namespace)
    if given["kind"] == "CustomResourceDefinition":
        wanted = definition("PredictedBy" + by.title().replace("-", ""))
    else:
        wanted["metadata"]["name"] += f"-{by[:4]}"
    kind = await agreement.kind_of(real, wanted)
    where = wanted["metadata"].get("namespace", ""), wanted["metadata"]["name"]
    predictor = Predictor()
    try:
        if by == "argocd-controller":
            await real.apply(kind, wanted, ApplyOptions(field_manager=by))
        else:
            metadata = {**wanted["metadata"], "annotations": {**wanted["metadata"].get("annotations", {})}}
            metadata["annotations"][LAST_APPLIED] = orjson.dumps(wanted).decode()
            await real.create(kind, {**wanted, "metadata": metadata}, field_manager=by)
        live = await taken_over(real, kind, where)
        chance = Random(str(where[1][:-4]))
        for target in (wanted, *(varied(wanted, chance) for _ in range(VARIATIONS))):
            try:
                said = without_nulls(await real.apply(kind, target, ApplyOptions(dry_run=True)))
            except KubeError:
                continue
            seen = [live]
            if by != "argocd-controller" or target is wanted:
                seen.append(without_managers(live))
            for form in seen:
                prediction = predictor.predict(target, form)
                found = [d for d in compare(said, prediction.predicted, NO_IGNORES) if not unforeseeable(d)]
                text = unified_diff(said, prediction.predicted, key_of(prediction.predicted))
                assert found == [], f"{text}{target}"
                if target is wanted:
                    assert prediction.live is not None
                    assert compare(prediction.predicted, prediction.live, NO_IGNORES) == []
                    assert prediction.problems == ()
    finally:
        with contextlib.suppress(KubeError):
            await real.delete(kind, *where, DeleteOptions("background"))


async def taken_over(real: KubeClient, kind: Any, where: tuple[str, str]) -> Object:
    """Have the agent take the object over, and return it as it was before that."""
    while True:
        live = await real.get(kind, *where)
        assert live is not None
        mine = take_over(live)
        if mine is None:
            # Nothing in it is anybody's.
            return live
        try:
            await real.replace(kind, mine, field_manager=FIELD_MANAGER)
        except Conflict:
            continue
        return live
