"""What every `KubeClient` must do, whatever cluster is behind it.

Each class asks for two fixtures: `kube`, a client that may do anything, and `namespace`, a namespace of the test's
own. The modules `test_contract_*` run them over the simulated cluster and over a real API server. Only what the
protocol promises is used, so nothing here may name an implementation.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import pytest

from agent.engine.resource import GroupKind, Object
from agent.kube.client import ApplyOptions, DeleteOptions, EventType, KubeClient, WatchEvent
from agent.kube.errors import (
    Conflict,
    FieldConflict,
    KindUnknown,
    NamespaceTerminating,
    NotFound,
    Rejected,
)
from tests.kube.manifests import (
    CONFIG_MAP,
    CRD,
    DEPLOYMENT,
    NAMESPACE,
    SECRET,
    SERVICE,
    config_map,
    container,
    custom_kind,
    definition,
    deployment,
    kind,
    manifest,
    service,
)

T = TypeVar("T")
LIMIT = 30.0
"""Seconds anything is waited for."""

DRY_RUN = ApplyOptions(dry_run=True)
POLITE = ApplyOptions(force=False)
PERSON = "kubectl-edit"


async def until(read: Callable[[], Awaitable[T]], holds: Callable[[T], bool]) -> T:
    """Read until something holds, and return what was read."""
    deadline = time.monotonic() + LIMIT
    while True:
        value = await read()
        if holds(value):
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {LIMIT:g} s in vain; last seen: {value}")
        await asyncio.sleep(0.02)


async def until_gone(kube: KubeClient, of: Object) -> None:
    metadata = of["metadata"]
    group, _, version = of["apiVersion"].rpartition("/")
    found = (await kube.discover()).find(group, version, of["kind"])
    assert found is not None
    await until(lambda: kube.get(found, metadata.get("namespace", ""), metadata["name"]), lambda obj: obj is None)


def version_of(obj: Object) -> str:
    return str(obj["metadata"]["resourceVersion"])


def manager(name: str, force: bool = False) -> ApplyOptions:
    return ApplyOptions(field_manager=name, force=force)


def owners(obj: Object) -> set[tuple[str, str]]:
    return {(entry["manager"], entry["operation"]) for entry in obj["metadata"].get("managedFields", ())}


class DiscoveryContract:
    async def test_finds_kinds_by_exact_version(self, kube: KubeClient) -> None:
        served = await kube.discover()
        found = served.find("apps", "v1", "Deployment")
        assert found is not None
        assert (found.plural, found.namespaced) == ("deployments", True)
        assert {"get", "list", "watch", "patch", "delete"} <= found.verbs
        assert served.find("apps", "v1beta1", "Deployment") is None
        namespace = served.find("", "v1", "Namespace")
        assert namespace is not None and not namespace.namespaced

    async def test_tells_the_version_and_what_charts_ask_for(self, kube: KubeClient) -> None:
        served = await kube.discover()
        assert served.version.startswith("v1.")
        versions = served.api_versions()
        assert {"v1", "apps/v1", "apps/v1/Deployment", "batch/v1/CronJob"} <= set(versions)
        assert versions == sorted(versions)

    async def test_prefers_the_servers_preferred_version(self, kube: KubeClient) -> None:
        served = await kube.discover()
        assert served.preferred[GroupKind("autoscaling", "HorizontalPodAutoscaler")].version == "v2"
        assert served.find("autoscaling", "v1", "HorizontalPodAutoscaler") is not None

    async def test_is_kept_until_it_is_refreshed(self, kube: KubeClient) -> None:
        assert await kube.discover() is await kube.discover()

    async def test_a_kind_nobody_defined_is_unknown(self, kube: KubeClient, namespace: str) -> None:
        missing = kind("nothing.escadre.io", "v1", "Nothing", "nothings")
        with pytest.raises(KindUnknown):
            await kube.apply(missing, manifest(missing, namespace, "x"))
        with pytest.raises(KindUnknown):
            await kube.list(missing, namespace=namespace)


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
        with pytest.raises(NotFound, match="no-such-namespace"):
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


class TypedApplyContract:
    """What server-side apply does with the types of the built-in kinds."""

    async def test_fills_in_defaults(self, kube: KubeClient, namespace: str) -> None:
        applied = await kube.apply(DEPLOYMENT, deployment(namespace))
        spec, pod = applied["spec"], applied["spec"]["template"]["spec"]
        assert spec["replicas"] == 1
        assert spec["strategy"]["rollingUpdate"] == {"maxSurge": "25%", "maxUnavailable": "25%"}
        assert (pod["restartPolicy"], pod["dnsPolicy"]) == ("Always", "ClusterFirst")
        assert pod["containers"][0]["imagePullPolicy"] == "IfNotPresent"

    async def test_defaults_belong_to_nobody(self, kube: KubeClient, namespace: str) -> None:
        applied = await kube.apply(DEPLOYMENT, deployment(namespace))
        (entry,) = (e for e in applied["metadata"]["managedFields"] if e["operation"] == "Apply")
        assert set(entry["fieldsV1"]["f:spec"]) == {"f:selector", "f:template"}

    async def test_a_field_dropped_falls_back_to_its_default(self, kube: KubeClient, namespace: str) -> None:
        await kube.apply(DEPLOYMENT, deployment(namespace, replicas=0, minReadySeconds=5))
        applied = await kube.apply(DEPLOYMENT, deployment(namespace))
        assert applied["spec"]["replicas"] == 1
        assert "minReadySeconds" not in applied["spec"]

    async def test_spells_quantities_one_way(self, kube: KubeClient, namespace: str) -> None:
        limits = {"cpu": "1000m", "memory": "1024Mi"}
        wanted = container(resources={"limits": limits, "requests": {"cpu": "0.5"}})
        applied = await kube.apply(DEPLOYMENT, deployment(namespace, wanted, replicas=0))
        resources = applied["spec"]["template"]["spec"]["containers"][0]["resources"]
        assert resources == {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}
        again = await kube.apply(DEPLOYMENT, deployment(namespace, wanted, replicas=0))
        assert again["metadata"]["generation"] == 1

    async def test_containers_merge_by_name(self, kube: KubeClient, namespace: str) -> None:
        await kube.apply(DEPLOYMENT, deployment(namespace, container("web"), container("old"), replicas=0))
        sidecar = deployment(namespace, container("sidecar", "example.org/sidecar:1"))
        await kube.apply(DEPLOYMENT, sidecar, manager("injector"))
        applied = await kube.apply(DEPLOYMENT, deployment(namespace, container("web", "example.org/web:2"), replicas=0))
        containers = {c["name"]: c["image"] for c in applied["spec"]["template"]["spec"]["containers"]}
        assert containers == {"web": "example.org/web:2", "sidecar": "example.org/sidecar:1"}

    async def test_the_order_of_a_list_is_the_appliers(self, kube: KubeClient, namespace: str) -> None:
        variables = [{"name": name, "value": "x"} for name in "ABC"]
        await kube.apply(DEPLOYMENT, deployment(namespace, container(env=variables), replicas=0))
        applied = await kube.apply(DEPLOYMENT, deployment(namespace, container(env=variables[::-1]), replicas=0))
        env = applied["spec"]["template"]["spec"]["containers"][0]["env"]
        assert [variable["name"] for variable in env] == ["C", "B", "A"]

    async def test_a_name_twice_in_a_list_is_rejected(self, kube: KubeClient, namespace: str) -> None:
        doubled = container(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}])
        with pytest.raises(Rejected, match="duplicate"):
            await kube.apply(DEPLOYMENT, deployment(namespace, doubled))

    async def test_other_lists_are_replaced_whole(self, kube: KubeClient, namespace: str) -> None:
        await kube.apply(DEPLOYMENT, deployment(namespace, container(args=["--one"]), replicas=0))
        with pytest.raises(FieldConflict):
            await kube.apply(DEPLOYMENT, deployment(namespace, container(args=["--two"])), manager("other"))

    async def test_the_generation_counts_changes_of_the_spec(self, kube: KubeClient, namespace: str) -> None:
        await kube.apply(DEPLOYMENT, deployment(namespace, replicas=0))
        labelled = deployment(namespace, replicas=0)
        labelled["metadata"]["labels"] = {"l": "1"}
        assert (await kube.apply(DEPLOYMENT, labelled))["metadata"]["generation"] == 1
        changed = deployment(namespace, container(image="example.org/web:2"), replicas=0)
        assert (await kube.apply(DEPLOYMENT, changed))["metadata"]["generation"] == 2

    async def test_an_applied_status_is_ignored(self, kube: KubeClient, namespace: str) -> None:
        with_status = {**deployment(namespace, replicas=0), "status": {"replicas": 99}}
        applied = await kube.apply(DEPLOYMENT, with_status)
        assert applied["status"].get("replicas") != 99
        assert all(
            "f:status" not in e["fieldsV1"] for e in applied["metadata"]["managedFields"] if not e.get("subresource")
        )

    async def test_text_in_a_secret_becomes_data(self, kube: KubeClient, namespace: str) -> None:
        applied = await kube.apply(SECRET, manifest(SECRET, namespace, "s", {"stringData": {"key": "value"}}))
        assert applied["data"] == {"key": "dmFsdWU="}
        assert applied["type"] == "Opaque"
        assert "stringData" not in applied

    async def test_a_service_gets_an_address_and_keeps_it(self, kube: KubeClient, namespace: str) -> None:
        first = await kube.apply(SERVICE, service(namespace))
        assert first["spec"]["clusterIP"] and first["spec"]["type"] == "ClusterIP"
        assert first["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
        changed = await kube.apply(SERVICE, service(namespace, ports=[{"port": 81}]))
        assert changed["spec"]["clusterIP"] == first["spec"]["clusterIP"]
        assert [port["port"] for port in changed["spec"]["ports"]] == [81]

    async def test_a_fixed_field_is_rejected_by_name(self, kube: KubeClient, namespace: str) -> None:
        await kube.apply(DEPLOYMENT, deployment(namespace, replicas=0))
        moved = deployment(namespace, replicas=0)
        moved["spec"]["selector"] = {"matchLabels": {"app": "other"}}
        moved["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
        with pytest.raises(Rejected) as caught:
            await kube.apply(DEPLOYMENT, moved)
        assert "spec.selector" in caught.value.fields
        await kube.apply(SERVICE, service(namespace))
        with pytest.raises(Rejected) as caught:
            await kube.apply(SERVICE, service(namespace, clusterIP="None"))
        assert any(field.startswith("spec.clusterIP") for field in caught.value.fields)

    @pytest.mark.parametrize(
        ("spec", "field"),
        [
            ({"selector": None}, "spec.selector"),
            ({"selector": {"matchLabels": {"app": "other"}}}, "spec.template.metadata.labels"),
            ({"template": {"metadata": {"labels": {"app": "web"}}}}, "spec.template.spec.containers"),
            ({"replicas": -1}, "spec.replicas"),
            ({"replicas": "three"}, "spec.replicas"),
        ],
    )
    async def test_what_does_not_make_sense_is_rejected(
        self, kube: KubeClient, namespace: str, spec: Object, field: str
    ) -> None:
        with pytest.raises(Rejected) as caught:
            await kube.apply(DEPLOYMENT, deployment(namespace, **spec))
        assert field in caught.value.fields

    async def test_a_service_without_ports_is_rejected(self, kube: KubeClient, namespace: str) -> None:
        with pytest.raises(Rejected) as caught:
            await kube.apply(SERVICE, service(namespace, ports=[]))
        assert "spec.ports" in caught.value.fields


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


def reference(owner: Object) -> Object:
    metadata = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
    }


class ListContract:
    async def test_lists_one_namespace_or_all(self, kube: KubeClient, namespace: str) -> None:
        mark = secrets.token_hex(4)
        await kube.apply(CONFIG_MAP, config_map(namespace, "one", labels={"mark": mark}))
        await kube.apply(CONFIG_MAP, config_map("default", f"two-{mark}", labels={"mark": mark}))
        here = await kube.list(CONFIG_MAP, namespace=namespace, selector=f"mark={mark}")
        assert [item["metadata"]["name"] for item in here.items] == ["one"]
        everywhere = await kube.list(CONFIG_MAP, selector=f"mark={mark}")
        assert {item["metadata"]["name"] for item in everywhere.items} == {"one", f"two-{mark}"}
        await kube.delete(CONFIG_MAP, "default", f"two-{mark}")

    async def test_items_say_what_they_are(self, kube: KubeClient, namespace: str) -> None:
        applied = await kube.apply(CONFIG_MAP, config_map(namespace))
        listed = await kube.list(CONFIG_MAP, namespace=namespace)
        assert applied in listed.items
        assert int(listed.resource_version) >= int(version_of(applied))

    async def test_pages_are_put_together(self, kube: KubeClient, namespace: str) -> None:
        for index in range(7):
            await kube.apply(CONFIG_MAP, config_map(namespace, f"n{index}", labels={"paged": "yes"}))
        listed = await kube.list(CONFIG_MAP, namespace=namespace, selector="paged", limit=3)
        assert [item["metadata"]["name"] for item in listed.items] == [f"n{index}" for index in range(7)]

    async def test_none_is_an_empty_list(self, kube: KubeClient, namespace: str) -> None:
        listed = await kube.list(CONFIG_MAP, namespace=namespace, selector="nobody=has-this")
        assert listed.items == [] and listed.resource_version

    @pytest.mark.parametrize(
        ("selector", "names"),
        [
            ("tier=web", {"a"}),
            ("tier==web,env!=dev", {"a"}),
            ("tier!=web,chosen", {"b", "c"}),
            ("tier in (web, db)", {"a", "b"}),
            ("tier notin (web),chosen", {"b", "c"}),
            ("env", {"a", "b"}),
            ("!env,chosen", {"c"}),
        ],
    )
    async def test_selects_by_labels(self, kube: KubeClient, namespace: str, selector: str, names: set[str]) -> None:
        for name, labels in (("a", {"tier": "web", "env": "prod"}), ("b", {"tier": "db", "env": "dev"}), ("c", {})):
            await kube.apply(CONFIG_MAP, config_map(namespace, name, labels={"chosen": "yes", **labels}))
        listed = await kube.list(CONFIG_MAP, namespace=namespace, selector=selector)
        assert {item["metadata"]["name"] for item in listed.items} == names

    async def test_what_is_no_selector_is_rejected(self, kube: KubeClient, namespace: str) -> None:
        with pytest.raises(Rejected):
            await kube.list(CONFIG_MAP, namespace=namespace, selector="a in (")


@contextlib.asynccontextmanager
async def watching(
    kube: KubeClient, namespace: str, selector: str = "", since: str = ""
) -> AsyncIterator[Callable[[], Awaitable[WatchEvent]]]:
    """Watch ConfigMaps, and yield a function that waits for the next event that is no bookmark."""
    version = since or (await kube.list(CONFIG_MAP, namespace=namespace, selector=selector)).resource_version
    events = kube.watch(CONFIG_MAP, namespace=namespace, selector=selector, resource_version=version)

    async def following() -> WatchEvent:
        async with asyncio.timeout(LIMIT):
            while True:
                event = await anext(events)
                if event.type is not EventType.BOOKMARK:
                    return event

    try:
        yield following
    finally:
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()


class WatchContract:
    async def test_tells_of_every_change(self, kube: KubeClient, namespace: str) -> None:
        async with watching(kube, namespace, "watched") as following:
            labels = {"watched": "yes"}
            first = await kube.apply(CONFIG_MAP, config_map(namespace, labels=labels))
            second = await kube.apply(CONFIG_MAP, config_map(namespace, data={"a": "2"}, labels=labels))
            await kube.delete(CONFIG_MAP, namespace, "settings", DeleteOptions(propagation="background"))
            assert await following() == WatchEvent(EventType.ADDED, first)
            assert await following() == WatchEvent(EventType.MODIFIED, second)
            deleted = await following()
            assert deleted.type is EventType.DELETED
            assert deleted.object["data"] == {"a": "2"}
            assert int(version_of(deleted.object)) > int(version_of(second))

    async def test_goes_on_from_where_it_stopped(self, kube: KubeClient, namespace: str) -> None:
        labels = {"watched": "yes"}
        first = await kube.apply(CONFIG_MAP, config_map(namespace, labels=labels))
        second = await kube.apply(CONFIG_MAP, config_map(namespace, data={"a": "2"}, labels=labels))
        async with watching(kube, namespace, "watched", since=version_of(first)) as following:
            assert await following() == WatchEvent(EventType.MODIFIED, second)

    async def test_what_leaves_the_selector_is_deleted(self, kube: KubeClient, namespace: str) -> None:
        async with watching(kube, namespace, "watched=yes") as following:
            await kube.apply(CONFIG_MAP, config_map(namespace, labels={"watched": "yes"}))
            left = await kube.apply(CONFIG_MAP, config_map(namespace, labels={"watched": "no"}))
            back = await kube.apply(CONFIG_MAP, config_map(namespace, labels={"watched": "yes"}))
            assert (await following()).type is EventType.ADDED
            gone = await following()
            assert gone.type is EventType.DELETED
            assert version_of(gone.object) == version_of(left)
            assert gone.object["metadata"]["labels"] == {"watched": "yes"}
            assert await following() == WatchEvent(EventType.ADDED, back)

    async def test_what_changes_nothing_is_not_told(self, kube: KubeClient, namespace: str) -> None:
        labels = {"watched": "yes"}
        await kube.apply(CONFIG_MAP, config_map(namespace, labels=labels))
        async with watching(kube, namespace, "watched") as following:
            await kube.apply(CONFIG_MAP, config_map(namespace, labels=labels))
            await kube.apply(CONFIG_MAP, config_map(namespace, data={"a": "dry"}, labels=labels), DRY_RUN)
            changed = await kube.apply(CONFIG_MAP, config_map(namespace, data={"a": "wet"}, labels=labels))
            assert await following() == WatchEvent(EventType.MODIFIED, changed)

    async def test_tells_of_one_namespace_only(self, kube: KubeClient, namespace: str) -> None:
        mark = secrets.token_hex(4)
        async with watching(kube, namespace, f"mark={mark}") as following:
            await kube.apply(CONFIG_MAP, config_map("default", f"x-{mark}", labels={"mark": mark}))
            here = await kube.apply(CONFIG_MAP, config_map(namespace, labels={"mark": mark}))
            assert await following() == WatchEvent(EventType.ADDED, here)
        await kube.delete(CONFIG_MAP, "default", f"x-{mark}")

    async def test_ends_after_its_time(self, kube: KubeClient, namespace: str) -> None:
        version = (await kube.list(CONFIG_MAP, namespace=namespace)).resource_version
        events = kube.watch(CONFIG_MAP, namespace=namespace, resource_version=version, timeout_seconds=1)
        async with asyncio.timeout(LIMIT):
            types = [event.type async for event in events if event.object["metadata"].get("namespace") == namespace]
        assert types == []


class NamespaceContract:
    async def test_a_new_one_is_active(self, kube: KubeClient) -> None:
        name = f"ns-{secrets.token_hex(4)}"
        applied = await kube.apply(NAMESPACE, manifest(NAMESPACE, "", name))
        assert applied["status"]["phase"] == "Active"
        assert applied["metadata"]["labels"] == {"kubernetes.io/metadata.name": name}
        await kube.delete(NAMESPACE, "", name)

    async def test_nothing_new_while_it_goes_away(self, kube: KubeClient) -> None:
        name = f"ns-{secrets.token_hex(4)}"
        made = await kube.apply(NAMESPACE, manifest(NAMESPACE, "", name))
        held = config_map(name, "held", finalizers=["escadre.io/held"])
        await kube.apply(CONFIG_MAP, held)
        await kube.delete(NAMESPACE, "", name)
        going = await kube.get(NAMESPACE, "", name)
        assert going is not None and going["status"]["phase"] == "Terminating"
        with pytest.raises(NamespaceTerminating):
            await kube.apply(CONFIG_MAP, config_map(name, "late"))
        await until(
            lambda: kube.get(CONFIG_MAP, name, "held"),
            lambda obj: obj is not None and "deletionTimestamp" in obj["metadata"],
        )
        await kube.apply(CONFIG_MAP, config_map(name, "held"))
        await until_gone(kube, made)

    async def test_the_well_known_ones_are_there(self, kube: KubeClient) -> None:
        names = {item["metadata"]["name"] for item in (await kube.list(NAMESPACE)).items}
        assert {"default", "kube-system", "kube-public"} <= names


class CustomKindContract:
    async def _define(self, kube: KubeClient) -> str:
        name = f"Thing{secrets.token_hex(4)}"
        await kube.apply(CRD, definition(name))
        await until(lambda: kube.discover(refresh=True), lambda served: bool(served.find(*_version(name))))
        return name

    async def test_a_definition_brings_its_kind(self, kube: KubeClient, namespace: str) -> None:
        name = f"Thing{secrets.token_hex(4)}"
        thing = custom_kind(name)
        with pytest.raises(KindUnknown):
            await kube.apply(thing, manifest(thing, namespace, "one"))
        await kube.apply(CRD, definition(name))
        served = await until(lambda: kube.discover(refresh=True), lambda served: bool(served.find(*_version(name))))
        found = served.find(*_version(name))
        assert found is not None and found.namespaced and found.plural == thing.plural
        defined = await until(lambda: kube.get(CRD, "", definition(name)["metadata"]["name"]), _established)
        assert defined is not None and defined["status"]["storedVersions"] == ["v1"]
        await kube.delete(CRD, "", definition(name)["metadata"]["name"])

    async def test_instances_get_the_schemas_defaults_and_rules(self, kube: KubeClient, namespace: str) -> None:
        name = await self._define(kube)
        thing = custom_kind(name)
        items = [{"name": "a", "value": 1}, {"name": "b", "value": 2}]
        one = manifest(thing, namespace, "one", {"spec": {"items": items, "words": ["x"]}})
        first = await _apply_when_ready(kube, one)
        assert first["spec"] == {"items": items, "words": ["x"], "size": 3}
        assert first["metadata"]["generation"] == 1
        theirs = manifest(thing, namespace, "one", {"spec": {"items": [{"name": "c"}], "free": {"any": {"thing": 1}}}})
        await kube.apply(thing, theirs, manager("other"))
        mine = manifest(thing, namespace, "one", {"spec": {"items": items[:1], "words": ["x"]}})
        second = await kube.apply(thing, mine)
        assert second["spec"]["items"] == [{"name": "a", "value": 1}, {"name": "c"}]
        assert second["spec"]["free"] == {"any": {"thing": 1}}
        assert second["metadata"]["generation"] == 3
        words = manifest(thing, namespace, "one", {"spec": {"words": ["y"]}})
        with pytest.raises(FieldConflict):
            await kube.apply(thing, words, manager("other"))
        await kube.delete(CRD, "", definition(name)["metadata"]["name"])

    @pytest.mark.parametrize(
        ("spec", "field"),
        [({"sise": 1}, "spec.sise"), ({"size": "big"}, "spec.size"), ({"size": 0}, "spec.size")],
    )
    async def test_what_the_schema_does_not_allow_is_rejected(
        self, kube: KubeClient, namespace: str, spec: Object, field: str
    ) -> None:
        name = await self._define(kube)
        thing = custom_kind(name)
        await _apply_when_ready(kube, manifest(thing, namespace, "good"))
        with pytest.raises(Rejected) as caught:
            await kube.apply(thing, manifest(thing, namespace, "bad", {"spec": spec}))
        assert field in caught.value.fields
        await kube.delete(CRD, "", definition(name)["metadata"]["name"])

    async def test_instances_go_with_their_definition(self, kube: KubeClient, namespace: str) -> None:
        name = await self._define(kube)
        thing = custom_kind(name)
        await _apply_when_ready(kube, manifest(thing, namespace, "one"))
        defined = definition(name)
        await kube.delete(CRD, "", defined["metadata"]["name"], DeleteOptions(propagation="background"))
        await until_gone(kube, defined)
        await until(lambda: kube.discover(refresh=True), lambda served: not served.find(*_version(name)))


def _version(name: str) -> tuple[str, str, str]:
    found = custom_kind(name)
    return found.group, found.version, found.kind


def _established(obj: Object | None) -> bool:
    conditions = (obj or {}).get("status", {}).get("conditions", ())
    return any(condition["type"] == "Established" and condition["status"] == "True" for condition in conditions)


async def _apply_when_ready(kube: KubeClient, wanted: Object) -> Object:
    """Apply an instance of a kind that is just being defined: a server announces it a moment before it serves it."""
    thing = custom_kind(wanted["kind"])
    last: list[Object] = []

    async def attempt() -> bool:
        try:
            last.append(await kube.apply(thing, wanted))
        except KindUnknown:
            return False
        return True

    await until(attempt, bool)
    return last[-1]
