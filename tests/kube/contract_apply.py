"""The contract of server-side apply. See `tests.kube.contract`."""

from __future__ import annotations

import pytest

from agent.engine.resource import Object
from agent.kube.client import KubeClient
from agent.kube.errors import Conflict, FieldConflict, NamespaceMissing, Rejected
from tests.kube.contract_steps import (
    DRY_RUN,
    PERSON,
    POLITE,
    manager,
    owners,
    version_of,
)
from tests.kube.manifests import (
    CONFIG_MAP,
    DEPLOYMENT,
    config_map,
    deployment,
    manifest,
)


class ApplyContract:
    async def test_creates_what_is_not_there(self, kube: KubeClient, namespace: str) -> None:
        applied = await kube.apply(CONFIG_MAP, config_map(namespace))
        assert applied["data"] == {"a": "1", "b": "2"}
        assert applied["apiVersion"] == "v1" and applied["kind"] == "ConfigMap"
        assert applied["metadata"]["uid"] and applied["metadata"]["creationTimestamp"] and version_of(applied)
        assert await kube.get(CONFIG_MAP, namespace, "settings") == applied

    async def test_says_who_manages_which_fields_since_when(self, kube: KubeClient, namespace: str) -> None:
        applied = await kube.apply(CONFIG_MAP, config_map(namespace, labels={"l": "x"}))
        (entry,) = applied["metadata"]["managedFields"]
        assert entry.pop("time") == applied["metadata"]["creationTimestamp"]
        assert entry == {
            "manager": "escadre-agent",
            "operation": "Apply",
            "apiVersion": "v1",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {"f:a": {}, "f:b": {}}, "f:metadata": {"f:labels": {"f:l": {}}}},
        }

    async def test_the_same_again_changes_nothing(self, kube: KubeClient, namespace: str) -> None:
        first = await kube.apply(DEPLOYMENT, deployment(namespace, replicas=0))
        settled = await kube.get(DEPLOYMENT, namespace, "web")
        again = await kube.apply(DEPLOYMENT, deployment(namespace, replicas=0))
        assert settled is not None
        assert again["spec"] == first["spec"]
        assert again["metadata"]["generation"] == first["metadata"]["generation"] == 1
        first_map = await kube.apply(CONFIG_MAP, config_map(namespace))
        assert await kube.apply(CONFIG_MAP, config_map(namespace)) == first_map

    async def test_what_is_applied_no_more_is_removed(self, kube: KubeClient, namespace: str) -> None:
        await kube.apply(CONFIG_MAP, config_map(namespace, labels={"keep": "1", "drop": "1"}))
        applied = await kube.apply(CONFIG_MAP, config_map(namespace, data={"a": "1"}, labels={"keep": "1"}))
        assert applied["data"] == {"a": "1"}
        assert applied["metadata"]["labels"] == {"keep": "1"}

    async def test_what_others_manage_stays(self, kube: KubeClient, namespace: str) -> None:
        await kube.apply(CONFIG_MAP, config_map(namespace))
        other = config_map(namespace, data={"c": "3"}, annotations={"note": "theirs"})
        await kube.apply(CONFIG_MAP, other, manager("other"))
        applied = await kube.apply(CONFIG_MAP, config_map(namespace, data={"a": "1"}))
        assert applied["data"] == {"a": "1", "c": "3"}
        assert applied["metadata"]["annotations"] == {"note": "theirs"}

    async def test_what_two_manage_stays_until_both_drop_it(self, kube: KubeClient, namespace: str) -> None:
        await kube.apply(CONFIG_MAP, config_map(namespace, data={"a": "1", "b": "2"}))
        await kube.apply(CONFIG_MAP, config_map(namespace, data={"b": "2"}), manager("other"))
        applied = await kube.apply(CONFIG_MAP, config_map(namespace, data={"a": "1"}))
        assert applied["data"] == {"a": "1", "b": "2"}
        applied = await kube.apply(CONFIG_MAP, config_map(namespace, data={}), manager("other"))
        assert applied["data"] == {"a": "1"}

    async def test_conflicts_name_the_managers(self, kube: KubeClient, namespace: str) -> None:
        await kube.apply(CONFIG_MAP, config_map(namespace), manager("first"))
        with pytest.raises(FieldConflict) as caught:
            await kube.apply(CONFIG_MAP, config_map(namespace, data={"a": "other"}), manager("second"))
        assert caught.value.managers == ("first",)
        assert ".data.a" in str(caught.value)
        unchanged = await kube.get(CONFIG_MAP, namespace, "settings")
        assert unchanged is not None and unchanged["data"] == {"a": "1", "b": "2"}

    async def test_force_takes_fields_over(self, kube: KubeClient, namespace: str) -> None:
        await kube.apply(CONFIG_MAP, config_map(namespace), manager("first"))
        applied = await kube.apply(CONFIG_MAP, config_map(namespace, data={"a": "3"}), manager("second", force=True))
        assert applied["data"] == {"a": "3", "b": "2"}
        fields = {entry["manager"]: entry["fieldsV1"] for entry in applied["metadata"]["managedFields"]}
        assert fields == {"first": {"f:data": {"f:b": {}}}, "second": {"f:data": {"f:a": {}}}}

    async def test_the_default_takes_over_what_a_person_edited(self, kube: KubeClient, namespace: str) -> None:
        applied = await kube.apply(CONFIG_MAP, config_map(namespace))
        applied["data"]["a"] = "by hand"
        edited = await kube.replace(CONFIG_MAP, applied, field_manager=PERSON)
        assert (PERSON, "Update") in owners(edited)
        with pytest.raises(FieldConflict) as caught:
            await kube.apply(CONFIG_MAP, config_map(namespace), POLITE)
        assert caught.value.managers == (PERSON,)
        healed = await kube.apply(CONFIG_MAP, config_map(namespace))
        assert healed["data"] == {"a": "1", "b": "2"}
        assert owners(healed) == {("escadre-agent", "Apply")}

    async def test_dry_run_stores_nothing(self, kube: KubeClient, namespace: str) -> None:
        would = await kube.apply(CONFIG_MAP, config_map(namespace), DRY_RUN)
        assert would["data"] == {"a": "1", "b": "2"}
        assert await kube.get(CONFIG_MAP, namespace, "settings") is None
        stored = await kube.apply(CONFIG_MAP, config_map(namespace))
        would = await kube.apply(CONFIG_MAP, config_map(namespace, data={"a": "other"}), DRY_RUN)
        assert would["data"] == {"a": "other"}
        assert await kube.get(CONFIG_MAP, namespace, "settings") == stored

    async def test_dry_run_of_what_is_there_is_what_is_there(self, kube: KubeClient, namespace: str) -> None:
        stored = await kube.apply(CONFIG_MAP, config_map(namespace))
        assert await kube.apply(CONFIG_MAP, config_map(namespace), DRY_RUN) == stored

    async def test_the_result_belongs_to_the_caller(self, kube: KubeClient, namespace: str) -> None:
        given = config_map(namespace, labels={"l": "1"})
        applied = await kube.apply(CONFIG_MAP, given)
        given["data"]["a"] = applied["data"]["a"] = applied["metadata"]["labels"]["l"] = "mine"
        stored = await kube.get(CONFIG_MAP, namespace, "settings")
        assert stored is not None
        assert stored["data"]["a"] == "1" and stored["metadata"]["labels"] == {"l": "1"}

    async def test_a_missing_namespace_is_not_found(self, kube: KubeClient) -> None:
        with pytest.raises(NamespaceMissing, match="no-such-namespace"):
            await kube.apply(CONFIG_MAP, config_map("no-such-namespace"))

    async def test_another_uid_is_refused(self, kube: KubeClient, namespace: str) -> None:
        meant = config_map(namespace, uid="00000000-0000-4000-8000-000000000000")
        with pytest.raises(Conflict):
            await kube.apply(CONFIG_MAP, meant)
        await kube.apply(CONFIG_MAP, config_map(namespace))
        with pytest.raises(Rejected) as caught:
            await kube.apply(CONFIG_MAP, meant)
        assert caught.value.fields == ("metadata.uid",)

    async def test_an_old_resource_version_is_a_conflict(self, kube: KubeClient, namespace: str) -> None:
        old = await kube.apply(CONFIG_MAP, config_map(namespace))
        await kube.apply(CONFIG_MAP, config_map(namespace, data={"a": "new"}))
        with pytest.raises(Conflict):
            await kube.apply(CONFIG_MAP, config_map(namespace, resourceVersion=version_of(old)))

    @pytest.mark.parametrize(
        ("metadata", "field"),
        [
            ({"name": "Not_A_Name"}, "metadata.name"),
            ({"labels": {"key": "not a value"}}, "metadata.labels"),
            ({"labels": {"key": 1}}, "metadata.labels.key"),
            ({"annotations": {"not a key": "x"}}, "metadata.annotations"),
        ],
    )
    async def test_bad_metadata_is_rejected(
        self, kube: KubeClient, namespace: str, metadata: Object, field: str
    ) -> None:
        bad = config_map(namespace)
        bad["metadata"] |= metadata
        with pytest.raises(Rejected) as caught:
            await kube.apply(CONFIG_MAP, bad)
        assert field in caught.value.fields

    async def test_a_value_of_another_type_is_rejected(self, kube: KubeClient, namespace: str) -> None:
        bad = manifest(CONFIG_MAP, namespace, "bad", {"data": {"port": 80}})
        with pytest.raises(Rejected) as caught:
            await kube.apply(CONFIG_MAP, bad)
        assert caught.value.fields == ("data.port",)

    async def test_a_field_the_type_does_not_have_is_rejected(self, kube: KubeClient, namespace: str) -> None:
        with pytest.raises(Rejected) as caught:
            await kube.apply(DEPLOYMENT, deployment(namespace, replcas=3))
        assert caught.value.fields == ("spec.replcas",)

    async def test_what_is_too_large_is_rejected(self, kube: KubeClient, namespace: str) -> None:
        with pytest.raises(Rejected):
            await kube.apply(CONFIG_MAP, config_map(namespace, data={"a": "x" * 1_048_577}))
        with pytest.raises(Rejected):
            await kube.apply(CONFIG_MAP, config_map(namespace, data={"a": "x" * 4_000_000}))

    async def test_a_frozen_object_stays_as_it_is(self, kube: KubeClient, namespace: str) -> None:
        frozen = {**config_map(namespace), "immutable": True}
        await kube.apply(CONFIG_MAP, frozen)
        with pytest.raises(Rejected) as caught:
            await kube.apply(CONFIG_MAP, {**frozen, "data": {"a": "new"}})
        assert "data" in caught.value.fields
        relabelled = config_map(namespace, labels={"still": "allowed"})
        await kube.apply(CONFIG_MAP, {**relabelled, "immutable": True})
