"""The client against a real API server: what its answers really are, above all its refusals.

What every implementation of KubeClient must do is in the contract suite; this is what only a real server has.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiohttp import web

from agent.engine.resource import Object
from agent.kube.client import ApplyOptions, DeleteOptions, EventType, Kind
from agent.kube.cluster import ClusterClient
from agent.kube.errors import (
    Conflict,
    FieldConflict,
    Forbidden,
    KindUnknown,
    KubeError,
    NamespaceTerminating,
    NotFound,
    Rejected,
    Throttled,
    Unreachable,
)
from agent.kube.kubeconfig import load_kubeconfig
from tests.controlplane.access import ClusterAccess
from tests.kube.serving import authority, serving

pytestmark = pytest.mark.controlplane

T = TypeVar("T")
E = TypeVar("E", bound=KubeError)

CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps", True)
SECRET = Kind("", "v1", "Secret", "secrets", True)
NAMESPACE = Kind("", "v1", "Namespace", "namespaces", False)
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments", True)
QUOTA = Kind("", "v1", "ResourceQuota", "resourcequotas", True)
CRD = Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", False)
ADMISSION = "admissionregistration.k8s.io"


@pytest.fixture
async def client(control_plane: ClusterAccess) -> AsyncIterator[ClusterClient]:
    made = ClusterClient(load_kubeconfig(control_plane.kubeconfig_path))
    yield made
    await made.close()


@contextlib.asynccontextmanager
async def client_as(control_plane: ClusterAccess, user: str) -> AsyncIterator[ClusterClient]:
    made = ClusterClient(load_kubeconfig(control_plane.kubeconfig_for(user)))
    try:
        yield made
    finally:
        await made.close()


def config_map(namespace: str, name: str = "c", **data: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": data,
    }


def deployment(namespace: str, **spec: Any) -> Object:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": namespace},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template, **spec},
    }


async def eventually(call: Callable[[], Awaitable[T]], passing: type[KubeError]) -> T:
    """Return, or raise, what a call comes to in the end, with errors of one type on the way."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await call()
            except passing:
                await asyncio.sleep(0.05)


async def refused(call: Callable[[], Awaitable[object]], error: type[E]) -> E:
    """Return the error that a call ends in; before what refuses it takes effect, the call may succeed a few times."""
    async with asyncio.timeout(30):
        while True:
            try:
                await call()
            except error as found:
                return found
            await asyncio.sleep(0.05)


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


async def test_a_quota_that_is_used_up_is_a_rejection_once_it_is_counted(
    client: ClusterClient, control_plane: ClusterAccess, namespace: str
) -> None:
    hard = {"count/secrets": "0"}
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q", "namespace": namespace},
        "spec": {"hard": hard},
    }
    await client.apply(QUOTA, quota)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": namespace}}
    dry = ApplyOptions(dry_run=True)

    def write_status(**found: dict[str, str]) -> None:  # the plane has no quota controller that would
        path = f"/api/v1/namespaces/{namespace}/resourcequotas/q/status"
        control_plane.apply(path, quota | {"status": found}, force=True)

    write_status(hard=hard)
    error = await refused(lambda: client.apply(SECRET, secret, dry), Throttled)
    assert "status unknown for quota" in str(error)
    write_status(hard=hard, used={"count/secrets": "0"})
    with pytest.raises(Rejected, match="exceeded quota"):
        await eventually(lambda: client.apply(SECRET, secret, dry), passing=Throttled)


async def test_a_namespace_on_its_way_out_takes_nothing_new(client: ClusterClient) -> None:
    name = f"test-{secrets.token_hex(4)}"
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    await client.apply(NAMESPACE, namespace)
    held = config_map(name)
    held["metadata"]["finalizers"] = ["example.org/held"]
    await client.apply(CONFIG_MAP, held)
    assert await client.delete(NAMESPACE, "", name)
    try:
        with pytest.raises(NamespaceTerminating):
            await client.apply(CONFIG_MAP, config_map(name, "late"))
    finally:
        held["metadata"]["finalizers"] = []
        await client.apply(CONFIG_MAP, held)


@pytest.fixture
def policy(control_plane: ClusterAccess, namespace: str) -> Iterator[str]:
    """A ValidatingAdmissionPolicy that denies in one namespace. Its name."""
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}
    paths = {
        "validatingadmissionpolicies": {
            "matchConstraints": {"resourceRules": [rule], "namespaceSelector": selector},
            "validations": [{"expression": "!has(object.data) || !('no' in object.data)", "message": "not that"}],
        },
        "validatingadmissionpolicybindings": {"policyName": namespace, "validationActions": ["Deny"]},
    }
    kinds = {
        "validatingadmissionpolicies": "ValidatingAdmissionPolicy",
        "validatingadmissionpolicybindings": "ValidatingAdmissionPolicyBinding",
    }
    try:
        for plural, spec in paths.items():
            manifest = {
                "apiVersion": f"{ADMISSION}/v1",
                "kind": kinds[plural],
                "metadata": {"name": namespace},
                "spec": spec,
            }
            control_plane.apply(f"/apis/{ADMISSION}/v1/{plural}/{namespace}", manifest)
        yield namespace
    finally:
        for plural in paths:
            control_plane.request("DELETE", f"/apis/{ADMISSION}/v1/{plural}/{namespace}")


async def test_a_policy_s_no_is_a_rejection(client: ClusterClient, policy: str) -> None:
    wrong = config_map(policy, no="1")
    error = await refused(lambda: client.apply(CONFIG_MAP, wrong, ApplyOptions(dry_run=True)), Rejected)
    assert "not that" in str(error)


@contextlib.contextmanager
def webhook(control_plane: ClusterAccess, namespace: str, url: str) -> Iterator[None]:
    path = f"/apis/{ADMISSION}/v1/validatingwebhookconfigurations/{namespace}"
    manifest = {
        "apiVersion": f"{ADMISSION}/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": namespace},
        "webhooks": [
            {
                "name": "says.no.example.org",
                "clientConfig": {"url": url, "caBundle": base64.b64encode(authority().cert_pem.bytes()).decode()},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "timeoutSeconds": 5,
            }
        ],
    }
    control_plane.apply(path, manifest)
    try:
        yield
    finally:
        control_plane.request("DELETE", path)


@pytest.mark.parametrize("code", [403, 400, 500])
async def test_a_webhook_s_no_is_a_rejection_whatever_code_it_chose(
    client: ClusterClient, control_plane: ClusterAccess, namespace: str, code: int
) -> None:
    async def answer(request: web.Request) -> web.Response:
        review = await request.json()
        response = {
            "uid": review["request"]["uid"],
            "allowed": False,
            "status": {"code": code, "message": "because"},
        }
        return web.json_response({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})

    async with serving(answer) as server:
        with webhook(control_plane, namespace, f"https://127.0.0.1:{server.port}/"):
            manifest = config_map(namespace)
            error = await refused(lambda: client.apply(CONFIG_MAP, manifest, ApplyOptions(dry_run=True)), Rejected)
    assert "because" in str(error)


async def test_a_webhook_that_is_down_is_worth_another_try(
    client: ClusterClient, control_plane: ClusterAccess, namespace: str
) -> None:
    with webhook(control_plane, namespace, "https://127.0.0.1:1/"):
        manifest = config_map(namespace)
        error = await refused(lambda: client.apply(CONFIG_MAP, manifest, ApplyOptions(dry_run=True)), Unreachable)
    assert "failed calling webhook" in str(error)


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
    options = {"namespace": namespace, "selector": "watched=yes", "resource_version": listed.resource_version}
    events = [e async for e in client.watch(CONFIG_MAP, **options, timeout_seconds=2)]
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
