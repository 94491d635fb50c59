"""The contract of create, replace and delete. See `tests.kube.contract`."""

from __future__ import annotations

import pytest

from agent.engine.resource import Object, key_of
from agent.kube.client import DeleteOptions, KubeClient
from agent.kube.errors import Conflict, KindUnknown, NotFound, Rejected
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


class PatchContract:
    async def test_patch_changes_what_it_names(self, kube: KubeClient, namespace: str) -> None:
        await kube.apply(CONFIG_MAP, config_map(namespace, data={"a": "1", "b": "2"}))
        key = key_of(config_map(namespace))
        patched = await kube.patch(CONFIG_MAP, key, {"data": {"a": "9", "b": None, "c": "3"}}, field_manager="doer")
        assert patched["data"] == {"a": "9", "c": "3"}
        assert await kube.get(CONFIG_MAP, namespace, "settings") == patched
        assert owners(patched) >= {("doer", "Update")}

    async def test_patch_with_the_same_leaves_the_ownership(self, kube: KubeClient, namespace: str) -> None:
        applied = await kube.apply(CONFIG_MAP, config_map(namespace, data={"a": "1"}))
        key = key_of(applied)
        patched = await kube.patch(CONFIG_MAP, key, {"data": {"a": "1"}}, field_manager="doer")
        assert patched == applied

    async def test_patch_of_another_version_or_uid_changes_nothing(self, kube: KubeClient, namespace: str) -> None:
        first = await kube.apply(CONFIG_MAP, config_map(namespace))
        key = key_of(first)
        guard = {"uid": first["metadata"]["uid"], "resourceVersion": version_of(first)}
        await kube.patch(CONFIG_MAP, key, {"metadata": guard, "data": {"a": "2"}}, field_manager="doer")
        with pytest.raises(Conflict):
            await kube.patch(CONFIG_MAP, key, {"metadata": guard, "data": {"a": "3"}}, field_manager="doer")
        with pytest.raises(Rejected):
            other = {"metadata": {"uid": "00000000-0000-0000-0000-000000000000"}, "data": {"a": "3"}}
            await kube.patch(CONFIG_MAP, key, other, field_manager="doer")
        found = await kube.get(CONFIG_MAP, namespace, "settings")
        assert found is not None and found["data"]["a"] == "2"

    async def test_patch_needs_something_to_patch(self, kube: KubeClient, namespace: str) -> None:
        with pytest.raises(NotFound):
            await kube.patch(CONFIG_MAP, key_of(config_map(namespace)), {"data": {}}, field_manager="doer")

    async def test_patch_with_an_unknown_field_is_rejected(self, kube: KubeClient, namespace: str) -> None:
        applied = await kube.apply(DEPLOYMENT, deployment(namespace, replicas=0))
        with pytest.raises(Rejected):
            await kube.patch(DEPLOYMENT, key_of(applied), {"spec": {"replicaz": 3}}, field_manager="doer")

    async def test_the_status_is_patched_apart(self, kube: KubeClient, namespace: str) -> None:
        applied = await kube.apply(DEPLOYMENT, deployment(namespace, replicas=0))
        key = key_of(applied)
        both: Object = {"spec": {"paused": True}, "status": {"collisionCount": 7}}
        patched = await kube.patch(DEPLOYMENT, key, both, field_manager="doer")
        assert patched["spec"]["paused"] is True and patched["status"].get("collisionCount") != 7
        both = {**both, "spec": {"paused": False}}
        patched = await kube.patch(DEPLOYMENT, key, both, field_manager="doer", subresource="status")
        assert patched["spec"]["paused"] is True and patched["status"]["collisionCount"] == 7

    async def test_a_kind_without_such_a_status(self, kube: KubeClient, namespace: str) -> None:
        applied = await kube.apply(CONFIG_MAP, config_map(namespace))
        with pytest.raises(KindUnknown):
            patch = {"status": {"a": 1}}
            await kube.patch(CONFIG_MAP, key_of(applied), patch, field_manager="doer", subresource="status")


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
