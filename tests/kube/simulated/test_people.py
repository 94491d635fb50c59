"""What people do to a simulated cluster behind the agent's back."""

from __future__ import annotations

import pytest

from agent.engine.resource import GroupKind, Object, ResourceKey
from agent.kube.client import ApplyOptions, EventType
from agent.kube.errors import FieldConflict, KindUnknown, NotFound, Rejected
from agent.kube.simulated import SimulatedCluster
from tests.kube.manifests import CONFIG_MAP, DEPLOYMENT, config_map, deployment

KEY = ResourceKey("", "ConfigMap", "default", "settings")
WEB = ResourceKey("apps", "Deployment", "default", "web")


async def test_an_edit_belongs_to_who_made_it(cluster: SimulatedCluster) -> None:
    await cluster.apply(DEPLOYMENT, deployment("default", replicas=1))
    edited = await cluster.edit(WEB, {"spec": {"replicas": 5}})
    assert edited["spec"]["replicas"] == 5
    with pytest.raises(FieldConflict) as caught:
        await cluster.apply(DEPLOYMENT, deployment("default", replicas=1), ApplyOptions(force=False))
    assert caught.value.managers == ("kubectl-edit",)


async def test_an_edit_is_a_merge_patch(cluster: SimulatedCluster) -> None:
    await cluster.apply(CONFIG_MAP, config_map("default", labels={"l": "1"}))
    edited = await cluster.edit(KEY, {"data": {"a": None, "c": "3"}, "metadata": {"labels": None}}, "somebody")
    assert edited["data"] == {"b": "2", "c": "3"}
    assert "labels" not in edited["metadata"]
    managers = {entry["manager"]: entry["fieldsV1"] for entry in edited["metadata"]["managedFields"]}
    assert managers == {"escadre-agent": {"f:data": {"f:b": {}}}, "somebody": {"f:data": {"f:c": {}}}}


async def test_an_edit_leaves_to_the_server_what_is_the_servers(cluster: SimulatedCluster) -> None:
    before = await cluster.apply(CONFIG_MAP, config_map("default"))
    patch: Object = {
        "metadata": {"uid": "mine", "creationTimestamp": None, "managedFields": [], "resourceVersion": "1"}
    }
    assert await cluster.edit(KEY, patch) == before


async def test_an_edit_is_checked_as_any_change(cluster: SimulatedCluster) -> None:
    await cluster.apply(DEPLOYMENT, deployment("default"))
    patches: list[Object] = [
        {"spec": {"replicas": "many"}},
        {"spec": {"selector": {"matchLabels": {"app": "x"}}}},
        {"kind": "X"},
    ]
    for patch in patches:
        with pytest.raises(Rejected):
            await cluster.edit(WEB, patch)


async def test_what_is_not_there_cannot_be_edited(cluster: SimulatedCluster) -> None:
    with pytest.raises(NotFound):
        await cluster.edit(KEY, {"data": {}})
    assert not await cluster.remove(KEY)
    assert cluster.find(KEY) is None
    with pytest.raises(KindUnknown):
        cluster.select(GroupKind("nowhere", "Nothing"))


async def test_the_agent_sees_it(cluster: SimulatedCluster) -> None:
    await cluster.apply(CONFIG_MAP, config_map("default"))
    events = cluster.watch(CONFIG_MAP, resource_version=(await cluster.list(CONFIG_MAP)).resource_version)
    edited = await cluster.edit(KEY, {"data": {"a": "by hand"}})
    await cluster.remove(KEY)
    assert (await anext(events)).object == edited
    assert (await anext(events)).type is EventType.DELETED
