"""The client against a real API server: what its answers really are, above all its refusals.

What every implementation of KubeClient must do is in the contract suite; this is what only a real server has.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent.kube.client import ApplyOptions, DeleteOptions, EventType, Kind
from agent.kube.cluster import ClusterClient
from agent.kube.errors import Conflict, FieldConflict, Forbidden, KindUnknown, NotFound, Rejected, Unreachable
from agent.kube.kubeconfig import load_kubeconfig
from tests.controlplane.access import ClusterAccess
from tests.kube.realcluster import (
    API_SERVICE,
    CONFIG_MAP,
    CRD,
    DEPLOYMENT,
    SECRET,
    client_as,
    config_map,
    deployment,
    eventually,
    refused,
)

pytestmark = pytest.mark.controlplane


@pytest.fixture
async def client(control_plane: ClusterAccess) -> AsyncIterator[ClusterClient]:
    async with client_as(control_plane) as made:
        yield made


async def test_discovers_what_the_server_serves(client: ClusterClient) -> None:
    found = await client.discover()
    assert found.version.startswith("v1.")
    kind = found.find("apps", "v1", "Deployment")
    assert kind is not None
    assert (kind.plural, kind.namespaced) == ("deployments", True)
    assert {"get", "list", "watch", "patch"} <= kind.verbs
    assert found.find("", "v1", "Namespace") is not None
    assert "autoscaling/v2/HorizontalPodAutoscaler" in found.api_versions()
    assert not any("/" in k.plural for k in found.kinds.values())


@contextlib.asynccontextmanager
async def definition(client: ClusterClient) -> AsyncIterator[Kind]:
    """A kind of its own, removed at the end."""
    group = f"g{secrets.token_hex(4)}.example.org"
    manifest = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"things.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
                        }
                    },
                }
            ],
        },
    }
    await client.apply(CRD, manifest)
    try:

        async def find() -> Kind:
            found = (await client.discover(refresh=True)).find(group, "v1", "Thing")
            if found is None:
                raise KindUnknown("not yet")
            return found

        yield await eventually(find, passing=KindUnknown)
    finally:
        await client.delete(CRD, "", f"things.{group}")


async def test_a_kind_that_a_definition_adds_is_served_after_it_and_no_longer_than_it(
    client: ClusterClient, namespace: str
) -> None:
    async with definition(client) as kind:
        thing = {
            "apiVersion": kind.api_version,
            "kind": "Thing",
            "metadata": {"name": "t", "namespace": namespace},
            "spec": {"size": 1},
        }
        assert (await client.apply(kind, thing))["spec"] == {"size": 1}
        with pytest.raises(Rejected) as caught:
            await client.apply(kind, thing | {"spec": {"sise": 1}})
        assert caught.value.fields == ("spec.sise",)
    await refused(lambda: client.list(kind), KindUnknown)
    await refused(lambda: client.apply(kind, thing), KindUnknown)
    await refused(lambda: client.get(kind, namespace, "t"), KindUnknown)
    assert (await client.discover(refresh=True)).find(kind.group, "v1", "Thing") is None


async def test_an_aggregated_api_that_is_down_breaks_no_discovery(
    client: ClusterClient, caplog: pytest.LogCaptureFixture
) -> None:
    group = f"g{secrets.token_hex(4)}.example.org"
    service = {
        "apiVersion": API_SERVICE.api_version,
        "kind": "APIService",
        "metadata": {"name": f"v1.{group}"},
        "spec": {
            "group": group,
            "version": "v1",
            "groupPriorityMinimum": 100,
            "versionPriority": 10,
            "insecureSkipTLSVerify": True,
            "service": {"name": "nowhere", "namespace": "default"},
        },
    }
    await client.apply(API_SERVICE, service)
    try:
        with caplog.at_level(logging.WARNING, "agent.kube.cluster"):
            async with asyncio.timeout(30):
                while not caplog.messages:
                    assert (await client.discover(refresh=True)).find("apps", "v1", "Deployment") is not None
                    await asyncio.sleep(0.05)
        assert f"{group}/v1" in caplog.messages[0]
        await refused(lambda: client.list(Kind(group, "v1", "Thing", "things", True)), Unreachable)
    finally:
        await client.delete(API_SERVICE, "", f"v1.{group}")


async def test_a_missing_namespace_is_named(client: ClusterClient) -> None:
    with pytest.raises(NotFound, match="namespace nowhere-to-be does not exist"):
        await client.apply(CONFIG_MAP, config_map("nowhere-to-be"))
    assert await client.get(CONFIG_MAP, "nowhere-to-be", "c") is None


async def test_another_manager_s_fields_are_a_conflict_unless_taken(client: ClusterClient, namespace: str) -> None:
    await client.apply(CONFIG_MAP, config_map(namespace, a="1"), ApplyOptions(field_manager='some"body'))
    mine = config_map(namespace, a="2")
    with pytest.raises(FieldConflict) as caught:
        await client.apply(CONFIG_MAP, mine, ApplyOptions(force=False))
    assert caught.value.managers == ('some"body',)
    assert (await client.apply(CONFIG_MAP, mine))["data"] == {"a": "2"}


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"replicas": "many"}, "spec.replicas"),
        ({"replicass": 1}, "spec.replicass"),
        ({"replicas": -1}, "spec.replicas"),
        ({"template": {"metadata": {"labels": {"a": "c"}}}}, "spec.template.metadata.labels"),
    ],
)
async def test_an_unfit_manifest_is_rejected_and_the_field_named(
    client: ClusterClient, namespace: str, spec: dict[str, Any], field: str
) -> None:
    for options in (ApplyOptions(), ApplyOptions(dry_run=True)):
        with pytest.raises(Rejected) as caught:
            await client.apply(DEPLOYMENT, deployment(namespace, **spec), options)
        assert field in caught.value.fields


async def test_create_and_replace_refuse_an_unknown_field(client: ClusterClient, namespace: str) -> None:
    wrong = deployment(namespace, replicass=1)
    with pytest.raises(Rejected) as caught:
        await client.create(DEPLOYMENT, wrong, field_manager="m")
    assert caught.value.fields == ("spec.replicass",)
    await client.create(DEPLOYMENT, deployment(namespace), field_manager="m")
    with pytest.raises(Rejected):
        await client.replace(DEPLOYMENT, wrong, field_manager="m")


async def test_a_secret_s_value_does_not_come_back_in_an_error(client: ClusterClient, namespace: str) -> None:
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": namespace},
        "data": {"p": 918273645},
    }
    with pytest.raises(Rejected) as caught:
        await client.apply(SECRET, manifest)
    assert "918273645" not in str(caught.value)
    assert caught.value.fields == ("data.p",)


async def test_an_object_too_large_for_etcd_is_rejected(client: ClusterClient, namespace: str) -> None:
    with pytest.raises(Rejected):
        await client.apply(CONFIG_MAP, config_map(namespace, a="x" * 4_000_000))
    with pytest.raises(Rejected):
        await client.apply(CONFIG_MAP, config_map(namespace, a="x" * 2_000_000))


async def test_races_and_preconditions_are_conflicts(client: ClusterClient, namespace: str) -> None:
    made = await client.create(CONFIG_MAP, config_map(namespace), field_manager="m")
    with pytest.raises(Conflict, match="already exists"):
        await client.create(CONFIG_MAP, config_map(namespace), field_manager="m")
    changed = await client.replace(CONFIG_MAP, made | {"data": {"a": "1"}}, field_manager="m")
    assert changed["data"] == {"a": "1"}
    with pytest.raises(Conflict):
        await client.replace(CONFIG_MAP, made | {"data": {"a": "2"}}, field_manager="m")
    with pytest.raises(Conflict):
        await client.delete(CONFIG_MAP, namespace, "c", DeleteOptions(uid="another"))
    assert await client.delete(CONFIG_MAP, namespace, "c", DeleteOptions(uid=made["metadata"]["uid"], dry_run=True))
    assert await client.delete(CONFIG_MAP, namespace, "c", DeleteOptions("background", uid=made["metadata"]["uid"]))
    assert not await client.delete(CONFIG_MAP, namespace, "c")


async def test_without_rights_everything_is_forbidden(control_plane: ClusterAccess, namespace: str) -> None:
    async with client_as(control_plane, "nobody") as nobody:
        for call in (
            nobody.get(CONFIG_MAP, namespace, "c"),
            nobody.list(CONFIG_MAP),
            nobody.apply(CONFIG_MAP, config_map(namespace)),
            nobody.delete(CONFIG_MAP, namespace, "c"),
            anext(nobody.watch(CONFIG_MAP, resource_version="0")),
        ):
            with pytest.raises(Forbidden, match='User "nobody" cannot'):
                await call


async def test_a_token_nobody_gave_is_forbidden(control_plane: ClusterAccess, tmp_path: Path) -> None:
    path = control_plane.write_kubeconfig(tmp_path / "config", "made-up-token")
    stranger = ClusterClient(load_kubeconfig(path))
    try:
        with pytest.raises(Forbidden, match="credentials") as caught:
            await stranger.list(CONFIG_MAP)
        assert "made-up-token" not in str(caught.value)
    finally:
        await stranger.close()


async def test_lists_page_by_page(client: ClusterClient, namespace: str) -> None:
    await asyncio.gather(*(client.apply(CONFIG_MAP, config_map(namespace, f"c{i}")) for i in range(7)))
    listed = await client.list(CONFIG_MAP, namespace=namespace, limit=2)
    names = [obj["metadata"]["name"] for obj in listed.items]
    assert sorted(n for n in names if n != "kube-root-ca.crt") == [f"c{i}" for i in range(7)]
    assert all(obj["kind"] == "ConfigMap" and obj["apiVersion"] == "v1" for obj in listed.items)
    assert listed.resource_version.isdigit()


async def test_watches_from_a_list_with_a_selector(client: ClusterClient, namespace: str) -> None:
    listed = await client.list(CONFIG_MAP, namespace=namespace, selector="watched=yes")
    assert listed.items == []
    wanted = config_map(namespace, "wanted")
    wanted["metadata"]["labels"] = {"watched": "yes"}
    await client.apply(CONFIG_MAP, config_map(namespace, "other"))
    await client.apply(CONFIG_MAP, wanted)
    await client.apply(CONFIG_MAP, wanted | {"data": {"a": "1"}})
    del wanted["metadata"]["labels"]
    await client.apply(CONFIG_MAP, wanted)  # which takes it out of the selection
    seen = []
    stream = client.watch(
        CONFIG_MAP,
        namespace=namespace,
        selector="watched=yes",
        resource_version=listed.resource_version,
        timeout_seconds=20,
    )
    async for event in stream:
        seen.append((event.type, event.object["metadata"]["name"]))
        if event.type is EventType.DELETED:
            break
    assert seen == [(t, "wanted") for t in (EventType.ADDED, EventType.MODIFIED, EventType.DELETED)]
    assert isinstance(stream, AsyncGenerator)
    await stream.aclose()


async def test_a_watch_ends_in_good_order_after_its_time(client: ClusterClient, namespace: str) -> None:
    listed = await client.list(CONFIG_MAP, namespace=namespace, selector="watched=yes")
    loop = asyncio.get_running_loop()
    started = loop.time()
    version = listed.resource_version
    stream = client.watch(
        CONFIG_MAP, namespace=namespace, selector="watched=yes", resource_version=version, timeout_seconds=2
    )
    events = [e async for e in stream]
    assert 1.5 < loop.time() - started < 15
    assert {e.type for e in events} <= {EventType.BOOKMARK}


async def test_a_watch_from_a_version_the_server_has_not_reached_says_nothing(
    client: ClusterClient, namespace: str
) -> None:
    """So it goes after a restore from a backup, and it is why a reflector does not trust a silent watch."""
    listed = await client.list(CONFIG_MAP, namespace=namespace)
    ahead = str(int(listed.resource_version) + 10_000_000)

    async def watch() -> list[Any]:
        return [
            e async for e in client.watch(CONFIG_MAP, namespace=namespace, resource_version=ahead, timeout_seconds=4)
        ]

    watching = asyncio.create_task(watch())
    await client.apply(CONFIG_MAP, config_map(namespace))
    assert await watching == []
