"""The simulated cluster answers as a real API server does.

The contract says what a cluster must do; this finds what nobody thought of: the same manifests, and the same random
writes by several managers, must have the same outcome on both, down to who manages which field.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from random import Random

import pytest

from agent.engine.resource import Object
from agent.kube.client import ApplyOptions, DeleteOptions, Kind, KubeClient
from agent.kube.cluster import ClusterClient
from agent.kube.errors import KubeError
from agent.kube.simulated import SimulatedCluster
from tests.controlplane.access import ApiError, ClusterAccess
from tests.kube import agreement, type_table
from tests.kube.agreement import differences
from tests.kube.contract_steps import until
from tests.kube.corpus import ODD, PLAIN, REFUSED
from tests.kube.manifests import CRD, NAMESPACE, custom_kind, definition, manifest
from tests.kube.planes import connect

pytestmark = pytest.mark.controlplane

NEVER = 1e9
"""Seconds: pods of the simulated cluster never become ready, as on the real one, which has no nodes."""


@pytest.fixture(scope="module")
def shared(control_plane: ClusterAccess) -> str:
    """One namespace for all: the controller that deletes them takes a second for each."""
    name = f"agreement-{secrets.token_hex(4)}"
    control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    return name


@pytest.fixture
async def real(control_plane: ClusterAccess) -> AsyncIterator[KubeClient]:
    client = ClusterClient(connect(control_plane))
    yield client
    await client.close()


@pytest.fixture
async def simulated(shared: str) -> AsyncIterator[KubeClient]:
    cluster = SimulatedCluster(rollout_seconds=NEVER)
    await cluster.apply(NAMESPACE, manifest(NAMESPACE, "", shared))
    yield cluster
    await cluster.close()


def _id(obj: Object) -> str:
    return f"{obj['kind']}-{obj['metadata']['name']:.20}"


@pytest.mark.parametrize("verb", ["apply", "create"])
@pytest.mark.parametrize("given", [*PLAIN, *ODD], ids=_id)
async def test_objects_come_out_the_same(
    real: KubeClient, simulated: KubeClient, shared: str, given: Object, verb: str
) -> None:
    wanted = agreement.place(given, shared)
    if given["kind"] == "CustomResourceDefinition":
        wanted = definition(f"By{verb.title()}")
    else:
        wanted["metadata"]["name"] += f"-{verb}"

    async def request(kube: KubeClient) -> Object:
        kind = await agreement.kind_of(kube, wanted)
        if verb == "apply":
            return await kube.apply(kind, wanted)
        return await kube.create(kind, wanted, field_manager="somebody")

    answers = [await agreement.answer(partial(request, kube)) for kube in (real, simulated)]
    metadata = wanted["metadata"]
    with contextlib.suppress(KubeError):
        kind = await agreement.kind_of(real, wanted)
        await real.delete(kind, metadata.get("namespace", ""), metadata["name"], DeleteOptions("background"))
    if given["kind"] == "ReplicationController" and verb == "create":
        # Its template is a pointer where all others are not, and that shows in nothing else.
        del answers[0]["metadata"]["managers"], answers[1]["metadata"]["managers"]
    assert list(differences(*answers)) == []


@pytest.mark.parametrize("given", REFUSED, ids=_id)
async def test_the_same_is_refused(real: KubeClient, simulated: KubeClient, shared: str, given: Object) -> None:
    wanted = agreement.place(given, shared)
    refusals = []
    for kube in (real, simulated):
        with pytest.raises(KubeError) as caught:
            await kube.apply(await agreement.kind_of(kube, wanted), wanted, ApplyOptions(dry_run=True))
        refusals.append(caught.value)
    real_refusal, simulated_refusal = refusals
    assert type(real_refusal) is type(simulated_refusal)
    named = set(getattr(real_refusal, "fields", ()))
    if named:
        assert set(getattr(simulated_refusal, "fields", ())) & named


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    "make",
    [agreement.random_config_map, agreement.random_service, agreement.random_deployment],
    ids=lambda f: f.__name__,
)
async def test_random_writes_have_the_same_outcome(
    real: KubeClient, simulated: KubeClient, shared: str, make: Callable[[Random], Object], seed: int
) -> None:
    await _run(real, simulated, shared, make, seed)


@pytest.fixture(scope="module")
def custom(control_plane: ClusterAccess) -> Iterator[str]:
    """The name of a kind that only this module defines."""
    name = f"Agreed{secrets.token_hex(4)}"
    yield name
    with contextlib.suppress(ApiError):
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        control_plane.request("DELETE", f"{path}/{definition(name)['metadata']['name']}")


@pytest.mark.parametrize("seed", range(12))
async def test_random_writes_to_a_custom_kind(
    real: KubeClient, simulated: KubeClient, shared: str, custom: str, seed: int
) -> None:
    kind = custom_kind(custom)
    for kube in (real, simulated):
        await kube.apply(CRD, definition(custom))
        await until(
            partial(kube.discover, refresh=True),
            lambda served: bool(served.find(kind.group, kind.version, kind.kind)),
        )
        await until(partial(_is_served, kube, kind, shared), bool)
    await _run(real, simulated, shared, partial(agreement.random_custom, kind), seed)


async def _is_served(kube: KubeClient, kind: Kind, namespace: str) -> bool:
    try:
        await kube.list(kind, namespace=namespace)
    except KubeError:
        return False
    return True


async def _run(
    real: KubeClient, simulated: KubeClient, shared: str, make: Callable[[Random], Object], seed: int
) -> None:
    taken = []
    for step in agreement.sequence(make, seed, 8, shared):
        taken.append(step)
        found = list(differences(await step.take(real), await step.take(simulated)))
        assert found == [], f"after {taken}"


def test_the_table_of_types_is_the_servers(control_plane: ClusterAccess) -> None:
    """`python -m tests.kube.type_table` brings it up to date."""
    assert type_table.render(type_table.build(control_plane)) == type_table.committed().read_text()
