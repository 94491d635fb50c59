"""Deletion in the cases the contract has no room for: several owners, chains, claims in use, definitions."""

from __future__ import annotations

from typing import Any

import pytest

from agent.engine.resource import Object
from agent.kube.client import DeleteOptions, Kind
from agent.kube.errors import Rejected
from agent.kube.simulated import SimulatedCluster
from tests.kube.contract_steps import reference
from tests.kube.manifests import (
    CONFIG_MAP,
    CRD,
    NAMESPACE,
    POD,
    config_map,
    container,
    custom_kind,
    definition,
    kind,
    manifest,
)

CLAIM = kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")
HELD = ["escadre.io/held"]


async def make(cluster: SimulatedCluster, name: str, *owners: Object, **metadata: Any) -> Object:
    if owners:
        metadata["ownerReferences"] = [reference(owner) for owner in owners]
    return await cluster.apply(CONFIG_MAP, config_map("default", name, **metadata))


async def remove(cluster: SimulatedCluster, name: str, propagation: str = "background") -> None:
    assert await cluster.delete(CONFIG_MAP, "default", name, DeleteOptions(propagation=propagation))


async def left(cluster: SimulatedCluster, of: Kind = CONFIG_MAP) -> list[str]:
    return [item["metadata"]["name"] for item in (await cluster.list(of, namespace="default")).items]


async def test_an_object_with_two_owners_stays_with_the_second(cluster: SimulatedCluster) -> None:
    one, two = await make(cluster, "one"), await make(cluster, "two")
    await make(cluster, "owned", one, two)
    await remove(cluster, "one")
    owned = await cluster.get(CONFIG_MAP, "default", "owned")
    assert owned is not None
    assert [owner["name"] for owner in owned["metadata"]["ownerReferences"]] == ["two"]
    await remove(cluster, "two")
    assert await left(cluster) == []


@pytest.mark.parametrize("propagation", ["background", "foreground"])
async def test_a_long_chain_goes_whole(cluster: SimulatedCluster, propagation: str) -> None:
    link = await make(cluster, "c0")
    for index in range(1, 1500):
        owner = {**reference(link), "blockOwnerDeletion": True}
        link = await cluster.apply(CONFIG_MAP, config_map("default", f"c{index}", ownerReferences=[owner]))
    await remove(cluster, "c0", propagation)
    assert await left(cluster) == []


async def test_owners_in_a_circle_go_together(cluster: SimulatedCluster) -> None:
    one = await make(cluster, "one")
    two = await make(cluster, "two", one)
    await make(cluster, "one", two)
    await remove(cluster, "one")
    assert await left(cluster) == []


async def test_what_is_made_for_an_owner_that_is_gone_goes_too(cluster: SimulatedCluster) -> None:
    owner = await make(cluster, "owner")
    await remove(cluster, "owner")
    await make(cluster, "late", owner)
    assert await left(cluster) == []


async def test_an_owner_of_the_same_name_is_not_the_same(cluster: SimulatedCluster) -> None:
    old = await make(cluster, "owner")
    await remove(cluster, "owner")
    await make(cluster, "owner")
    await make(cluster, "owned", old)
    assert await left(cluster) == ["owner"]


async def test_an_object_that_goes_away_gets_no_new_finalizers(cluster: SimulatedCluster) -> None:
    await make(cluster, "held", finalizers=HELD)
    await remove(cluster, "held")
    with pytest.raises(Rejected) as caught:
        await make(cluster, "held", finalizers=[*HELD, "escadre.io/more"])
    assert caught.value.fields == ("metadata.finalizers",)


async def test_deleting_twice_changes_nothing(cluster: SimulatedCluster) -> None:
    await make(cluster, "held", finalizers=HELD)
    await remove(cluster, "held")
    first = await cluster.get(CONFIG_MAP, "default", "held")
    await remove(cluster, "held")
    assert await cluster.get(CONFIG_MAP, "default", "held") == first


async def test_a_namespace_takes_everything_in_it(cluster: SimulatedCluster) -> None:
    await cluster.apply(NAMESPACE, manifest(NAMESPACE, "", "going"))
    await cluster.apply(CRD, definition("Thing"))
    thing = custom_kind("Thing")
    await cluster.apply(CONFIG_MAP, config_map("going"))
    await cluster.apply(thing, manifest(thing, "going", "one"))
    await cluster.apply(thing, manifest(thing, "default", "two"))
    await cluster.delete(NAMESPACE, "", "going")
    assert await cluster.get(NAMESPACE, "", "going") is None
    assert [item["metadata"]["name"] for item in (await cluster.list(thing)).items] == ["two"]


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
async def test_the_well_known_namespaces_stay(cluster: SimulatedCluster, name: str) -> None:
    with pytest.raises(Rejected, match="may not be deleted"):
        await cluster.delete(NAMESPACE, "", name)


async def test_a_definition_waits_for_an_instance_that_is_held(cluster: SimulatedCluster) -> None:
    await cluster.apply(CRD, definition("Thing"))
    thing = custom_kind("Thing")
    await cluster.apply(thing, manifest(thing, "default", "held", finalizers=HELD))
    name = definition("Thing")["metadata"]["name"]
    await cluster.delete(CRD, "", name)
    assert await cluster.get(CRD, "", name) is not None
    await cluster.apply(thing, manifest(thing, "default", "held"))
    assert await cluster.get(CRD, "", name) is None


async def test_a_claim_waits_for_the_pod_that_uses_it(cluster: SimulatedCluster) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = await cluster.apply(CLAIM, manifest(CLAIM, "default", "data", {"spec": spec}))
    assert claim["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": "data"}}
    pod = {"spec": {"containers": [container()], "volumes": [volume]}}
    await cluster.apply(POD, manifest(POD, "default", "user", pod))
    await cluster.delete(CLAIM, "default", "data")
    assert await left(cluster, CLAIM) == ["data"]
    await cluster.delete(POD, "default", "user")
    assert await left(cluster, CLAIM) == []
