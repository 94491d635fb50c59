"""The contract of create, replace and delete. See `tests.kube.contract`."""

from __future__ import annotations

import pytest

from agent.kube.client import DeleteOptions, KubeClient
from agent.kube.errors import Conflict, NotFound
from tests.kube.contract_steps import (
    PERSON,
    owners,
    reference,
    until,
    until_gone,
    version_of,
)
from tests.kube.manifests import (
    CONFIG_MAP,
    DEPLOYMENT,
    config_map,
    deployment,
)


class CreateAndReplaceContract:
    async def test_create_belongs_to_its_manager(self, kube: KubeClient, namespace: str) -> None:
        created = await kube.create(CONFIG_MAP, config_map(namespace), field_manager="maker")
        assert owners(created) == {("maker", "Update")}
        assert await kube.get(CONFIG_MAP, namespace, "settings") == created

    async def test_create_of_what_is_there_is_a_conflict(self, kube: KubeClient, namespace: str) -> None:
        await kube.create(CONFIG_MAP, config_map(namespace), field_manager="maker")
        with pytest.raises(Conflict):
            await kube.create(CONFIG_MAP, config_map(namespace), field_manager="maker")

    async def test_dry_run_creates_nothing(self, kube: KubeClient, namespace: str) -> None:
        created = await kube.create(CONFIG_MAP, config_map(namespace), field_manager="maker", dry_run=True)
        assert created["metadata"]["uid"]
        assert await kube.get(CONFIG_MAP, namespace, "settings") is None

    async def test_replace_puts_the_whole_object(self, kube: KubeClient, namespace: str) -> None:
        first = await kube.create(CONFIG_MAP, config_map(namespace, labels={"l": "1"}), field_manager="maker")
        replaced = await kube.replace(CONFIG_MAP, config_map(namespace, data={"c": "3"}), field_manager="other")
        assert replaced["data"] == {"c": "3"}
        assert "labels" not in replaced["metadata"]
        assert replaced["metadata"]["uid"] == first["metadata"]["uid"]
        assert version_of(replaced) != version_of(first)

    async def test_replace_of_an_older_version_is_a_conflict(self, kube: KubeClient, namespace: str) -> None:
        first = await kube.create(CONFIG_MAP, config_map(namespace), field_manager="maker")
        second = await kube.replace(CONFIG_MAP, {**first, "data": {"a": "2"}}, field_manager="maker")
        with pytest.raises(Conflict):
            await kube.replace(CONFIG_MAP, {**first, "data": {"a": "3"}}, field_manager="maker")
        await kube.replace(CONFIG_MAP, {**second, "data": {"a": "3"}}, field_manager="maker")

    async def test_replace_of_the_same_changes_nothing(self, kube: KubeClient, namespace: str) -> None:
        first = await kube.create(CONFIG_MAP, config_map(namespace), field_manager="maker")
        assert version_of(await kube.replace(CONFIG_MAP, first, field_manager="maker")) == version_of(first)

    async def test_replace_needs_something_to_replace(self, kube: KubeClient, namespace: str) -> None:
        with pytest.raises(NotFound):
            await kube.replace(CONFIG_MAP, config_map(namespace), field_manager="maker")

    async def test_dry_run_replaces_nothing(self, kube: KubeClient, namespace: str) -> None:
        first = await kube.create(CONFIG_MAP, config_map(namespace), field_manager="maker")
        would = await kube.replace(CONFIG_MAP, config_map(namespace, data={}), field_manager="x", dry_run=True)
        assert "data" not in would
        assert await kube.get(CONFIG_MAP, namespace, "settings") == first

    async def test_replace_leaves_the_status_alone(self, kube: KubeClient, namespace: str) -> None:
        await kube.apply(DEPLOYMENT, deployment(namespace, replicas=0))
        stale = {**deployment(namespace, replicas=0), "status": {"replicas": 99}}
        replaced = await kube.replace(DEPLOYMENT, stale, field_manager=PERSON)
        assert replaced["status"].get("replicas") != 99


class DeleteContract:
    async def test_deletes(self, kube: KubeClient, namespace: str) -> None:
        applied = await kube.apply(CONFIG_MAP, config_map(namespace))
        assert await kube.delete(CONFIG_MAP, namespace, "settings")
        await until_gone(kube, applied)

    async def test_says_when_there_was_nothing(self, kube: KubeClient, namespace: str) -> None:
        assert not await kube.delete(CONFIG_MAP, namespace, "nothing")

    async def test_deletes_only_the_one_meant(self, kube: KubeClient, namespace: str) -> None:
        applied = await kube.apply(CONFIG_MAP, config_map(namespace))
        with pytest.raises(Conflict):
            await kube.delete(
                CONFIG_MAP, namespace, "settings", DeleteOptions(uid="00000000-0000-4000-8000-000000000000")
            )
        assert await kube.get(CONFIG_MAP, namespace, "settings") is not None
        assert await kube.delete(CONFIG_MAP, namespace, "settings", DeleteOptions(uid=applied["metadata"]["uid"]))

    async def test_deletes_only_what_it_was_read_as(self, kube: KubeClient, namespace: str) -> None:
        before = await kube.apply(CONFIG_MAP, config_map(namespace))
        after = await kube.apply(CONFIG_MAP, {**config_map(namespace), "data": {"k": "changed"}})
        uid, old, new = before["metadata"]["uid"], version_of(before), version_of(after)
        assert old != new
        with pytest.raises(Conflict):
            await kube.delete(CONFIG_MAP, namespace, "settings", DeleteOptions(uid=uid, resource_version=old))
        assert await kube.get(CONFIG_MAP, namespace, "settings") is not None
        assert await kube.delete(CONFIG_MAP, namespace, "settings", DeleteOptions(uid=uid, resource_version=new))
        await until_gone(kube, after)

    async def test_dry_run_deletes_nothing(self, kube: KubeClient, namespace: str) -> None:
        applied = await kube.apply(CONFIG_MAP, config_map(namespace))
        assert await kube.delete(CONFIG_MAP, namespace, "settings", DeleteOptions(dry_run=True))
        assert await kube.get(CONFIG_MAP, namespace, "settings") == applied

    async def test_a_finalizer_holds_the_object(self, kube: KubeClient, namespace: str) -> None:
        held = config_map(namespace, finalizers=["escadre.io/held"])
        await kube.apply(CONFIG_MAP, held)
        assert await kube.delete(CONFIG_MAP, namespace, "settings", DeleteOptions(propagation="background"))
        going = await kube.get(CONFIG_MAP, namespace, "settings")
        assert going is not None and going["metadata"]["deletionTimestamp"]
        await kube.apply(CONFIG_MAP, config_map(namespace))
        await until_gone(kube, held)

    @pytest.mark.parametrize("propagation", ["background", "foreground"])
    async def test_what_it_owned_goes_too(self, kube: KubeClient, namespace: str, propagation: str) -> None:
        owner = await kube.apply(CONFIG_MAP, config_map(namespace, "owner"))
        owned = await kube.apply(CONFIG_MAP, config_map(namespace, "owned", ownerReferences=[reference(owner)]))
        await kube.delete(CONFIG_MAP, namespace, "owner", DeleteOptions(propagation=propagation))
        await until_gone(kube, owned)
        await until_gone(kube, owner)

    async def test_orphans_stay(self, kube: KubeClient, namespace: str) -> None:
        owner = await kube.apply(CONFIG_MAP, config_map(namespace, "owner"))
        await kube.apply(CONFIG_MAP, config_map(namespace, "owned", ownerReferences=[reference(owner)]))
        await kube.delete(CONFIG_MAP, namespace, "owner", DeleteOptions(propagation="orphan"))
        await until_gone(kube, owner)
        orphan = await kube.get(CONFIG_MAP, namespace, "owned")
        assert orphan is not None and "ownerReferences" not in orphan["metadata"]

    async def test_foreground_waits_for_what_is_owned(self, kube: KubeClient, namespace: str) -> None:
        owner = await kube.apply(CONFIG_MAP, config_map(namespace, "owner"))
        blocking = {**reference(owner), "blockOwnerDeletion": True}
        held = config_map(namespace, "owned", ownerReferences=[blocking], finalizers=["escadre.io/held"])
        await kube.apply(CONFIG_MAP, held)
        await kube.delete(CONFIG_MAP, namespace, "owner", DeleteOptions(propagation="foreground"))
        await until(
            lambda: kube.get(CONFIG_MAP, namespace, "owned"),
            lambda obj: obj is not None and "deletionTimestamp" in obj["metadata"],
        )
        waiting = await kube.get(CONFIG_MAP, namespace, "owner")
        assert waiting is not None and waiting["metadata"]["finalizers"] == ["foregroundDeletion"]
        await kube.apply(CONFIG_MAP, config_map(namespace, "owned", ownerReferences=[blocking]))
        await until_gone(kube, owner)
