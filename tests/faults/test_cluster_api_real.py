"""What only a real API server does to a syncing agent: it is killed, it hangs, RBAC forbids, a policy or quota refuses.

The road is whole: Git, the hub, mutual TLS, the agent with a service account's token. Nobody asks for a sync.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from functools import partial

import pytest

from agent.kube.cluster import ClusterClient
from hub.domain.application import ApplicationId
from hub.domain.cluster import Liveness
from hub.domain.operation import OperationPhase
from tests.controlplane.access import ApiError, ClusterAccess, Object
from tests.controlplane.cluster import ControlPlane
from tests.faults.pair import CLUSTER, ClusterPair
from tests.faults.waiting import answered
from tests.fleet.kit import Fleet, Repository
from tests.kube.account import EVERYTHING, Account
from tests.kube.planes import CUT_HANDSHAKES, connect
from tests.syncer.cluster import Call, People, Tap
from tests.syncer.harness import config_map
from tests.syncer.objects import secret

pytestmark = [pytest.mark.controlplane, pytest.mark.slow, *CUT_HANDSHAKES]

REQUEST_SECONDS = 2.0
"""How long the agent waits for an answer here."""
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
NAMES = ("a", "b", "c")


def maps(value: str, *names: str) -> list[Object]:
    return [config_map(name, {"k": value}) for name in names or NAMES]


@pytest.fixture
def account(control_plane: ClusterAccess, namespace: str) -> Iterator[Account]:
    account = Account(control_plane, namespace)
    yield account
    account.remove()


@contextlib.asynccontextmanager
async def on(
    plane: ClusterAccess, fleet: Fleet, repository: Repository, namespace: str, token: str
) -> AsyncIterator[ClusterPair]:
    """Two applications in a namespace of a plane, whose agent has this token."""
    reach = connect(plane)
    agents, peoples = ClusterClient(replace(reach, token=token), timeout=REQUEST_SECONDS), ClusterClient(reach)
    yield ClusterPair(fleet, repository, Tap(agents), People(peoples, namespace))
    # The agent first, and what it talks to after it.
    await fleet.stop_agent(CLUSTER)
    await agents.close()
    await peoples.close()


@pytest.fixture
async def pair(
    control_plane: ClusterAccess, fleet: Fleet, repository: Repository, account: Account
) -> AsyncIterator[ClusterPair]:
    async with on(control_plane, fleet, repository, account.namespace, account.make()) as pair:
        yield pair


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A plane of this module's own, that can be stopped."""
    with ControlPlane.start(tmp_path_factory.mktemp("fragile")) as plane:
        yield plane


@pytest.fixture
async def fragile_pair(fragile: ControlPlane, fleet: Fleet, repository: Repository) -> AsyncIterator[ClusterPair]:
    namespace = f"test-{secrets.token_hex(4)}"
    fragile.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    async with on(fragile, fleet, repository, namespace, fragile.admin_token) as pair:
        yield pair
    gc.collect()


async def values(pair: ClusterPair, *names: str) -> list[str | None]:
    found = [await pair.data(name) for name in names]
    return [data["k"] if data else None for data in found]


async def test_an_api_server_killed_in_the_middle_of_a_sync(fragile: ControlPlane, fragile_pair: ClusterPair) -> None:
    pair = fragile_pair
    names = [f"c{n}" for n in range(100)]
    await pair.open(*maps("1", *names))
    written = 0

    async def kill_after_most(call: Call) -> None:
        nonlocal written
        written += call.writes
        if call.writes and written == 80:
            await asyncio.to_thread(fragile.kill_apiserver)

    pair.tap.gate = kill_after_most
    revision = await pair.commit(*maps("2", *names))
    waiting = await pair.failed(OperationPhase.RUNNING, "the cluster's API does not answer; it goes on when that does")
    assert waiting.done < waiting.total == 100
    await asyncio.to_thread(fragile.restart_apiserver)
    await pair.converged(revision)
    ended = (await pair.status()).operation
    assert ended is not None and (ended.id, ended.attempt, ended.phase) == (waiting.id, 1, OperationPhase.SUCCEEDED)
    assert await values(pair, *names) == ["2"] * 100
    await pair.other_goes_on("2")


async def test_an_api_server_that_hangs(
    fragile: ControlPlane, fragile_pair: ClusterPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.syncer.patience.REQUEST_ATTEMPTS", 1)
    pair = fragile_pair
    await pair.open(*maps("1"))
    pid = fragile.pids["kube-apiserver"]
    os.kill(pid, signal.SIGSTOP)
    try:
        revision = await pair.commit(*maps("2"))
        operation = await pair.failed(OperationPhase.ERROR, "(Unreachable: see to the cluster's API server")
        assert "nothing was changed" in operation.message and "ConfigMap/" in operation.message
    finally:
        os.kill(pid, signal.SIGCONT)
    await pair.converged(revision)
    assert await values(pair, *NAMES) == ["2"] * 3


async def test_a_kind_that_rbac_forbids(pair: ClusterPair, account: Account) -> None:
    await pair.open(*maps("1"), secret("s", k="1"))
    account.may({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]})
    await asyncio.to_thread(partial(account.until_allowed, "patch", "secrets", allowed=False))
    revision = await pair.commit(*maps("2"), secret("s", k="2"))
    operation = await pair.failed(OperationPhase.FAILED, 'cannot patch resource "secrets"')
    assert f"Secret/{account.namespace}/s" in operation.message
    assert "(Forbidden: grant this to the agent's account)" in operation.message
    assert [r.key.name for r in operation.results if r.status == "SyncFailed"] == ["s"]
    assert await pair.said("SyncError") == operation.message
    assert await values(pair, *NAMES) == ["1"] * 3
    await pair.other_goes_on("2")
    account.may(EVERYTHING)
    await pair.converged(revision)
    assert await values(pair, *NAMES) == ["2"] * 3


async def test_one_object_of_many_that_a_policy_refuses(
    pair: ClusterPair, control_plane: ClusterAccess, namespace: str
) -> None:
    await pair.open(*maps("1"), *maps("1", "gone"))
    with policy(control_plane, namespace, "object.metadata.name != 'b' || object.data.k == '1'", "b stays as it is"):
        await asyncio.to_thread(_until_denied, control_plane, namespace)
        revision = await pair.commit(*maps("2"))
        operation = await pair.failed(OperationPhase.FAILED, "b stays as it is")
        assert operation.message.startswith("nothing was changed: ") and f"ConfigMap/{namespace}/b" in operation.message
        assert "(Rejected: correct the manifest, or what refuses it)" in operation.message
        assert [r.key.name for r in operation.results if r.status == "SyncFailed"] == ["b"]
        assert await values(pair, *NAMES, "gone") == ["1"] * 4
        await pair.other_goes_on("2")
        await pair.assert_nothing_was_deleted()
    await pair.arrived(pair.web, revision, timeout=30)
    await answered(pair.silent, "the condition to go")
    assert await values(pair, *NAMES) == ["2"] * 3
    assert pair.tap.named("delete") == ["ConfigMap/gone"]


async def test_a_quota_that_is_used_up_by_half_of_a_sync(
    pair: ClusterPair, control_plane: ClusterAccess, namespace: str
) -> None:
    """A dry run asks about each object by itself, and each by itself would fit."""
    (gone,) = maps("1", "gone")
    gone["metadata"]["annotations"] = {"argocd.argoproj.io/sync-options": "PruneLast=true"}
    await pair.open(*maps("1"), gone)
    there = len(await pair.people.list("", "ConfigMap"))
    quota = f"/api/v1/namespaces/{namespace}/resourcequotas/small"
    hard = {"count/configmaps": str(there + 1)}
    spec = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}, "spec": {"hard": hard}}
    control_plane.apply(quota, spec)
    # The plane has no controller that counts what is there.
    counted = {"status": {"hard": hard, "used": {"count/configmaps": str(there)}}}
    control_plane.apply(f"{quota}/status", spec | counted, force=True)
    await asyncio.to_thread(_until_counted, control_plane, namespace)
    revision = await pair.commit(*maps("2"), *maps("2", "new1", "new2"))
    operation = await pair.failed(OperationPhase.FAILED, "exceeded quota: small")
    assert {r.key.name for r in operation.results if r.status == "SyncFailed"} & {"new1", "new2"}
    assert await values(pair, "gone") == ["1"], "nothing is pruned in exchange for what does not fit"
    await pair.other_goes_on("2")
    await pair.assert_nothing_was_deleted()
    control_plane.request("DELETE", quota)
    await pair.arrived(pair.web, revision, timeout=30)
    await answered(pair.silent, "the condition to go")
    assert await values(pair, *NAMES, "new1", "new2") == ["2"] * 5
    assert pair.tap.named("delete") == ["ConfigMap/gone"]


@pytest.mark.parametrize("cascade", [True, False], ids=["cascading", "leaving"])
async def test_an_application_deleted_while_its_agent_is_away(pair: ClusterPair, cascade: bool) -> None:
    """It stays, marked, until the agent is back; then its objects go, and nobody else's."""
    await pair.open(*maps("1"), secret("s", k="1"))
    fleet, id = pair.fleet, ApplicationId.parse(f"argocd/{pair.web}")
    await fleet.stop_agent(CLUSTER)

    async def is_away() -> bool:
        (cluster,) = await fleet.hub.store.list_clusters()
        return cluster.connection.liveness is Liveness.UNREACHABLE

    async def is_gone() -> bool:
        return await fleet.hub.store.get_application(id) is None

    await answered(is_away, "the hub to notice")
    await fleet.delete(pair.web, cascade=cascade)

    async def is_marked() -> bool:
        (assignment,) = await fleet.hub.store.assignments_of_application(str(id))
        return assignment.content.deletion is not None

    await answered(is_marked, "the deletion to be assigned")
    assert not await is_gone() and await values(pair, *NAMES) == ["1"] * 3
    fleet.start_agent(CLUSTER)
    await answered(is_gone, "the application to be gone")
    assert await values(pair, *NAMES) == [None if cascade else "1"] * 3
    assert (await pair.people.get(pair.key("Secret", "s")) is None) is cascade
    deleted = {"ConfigMap/a", "ConfigMap/b", "ConfigMap/c", "Secret/s"} if cascade else set()
    assert set(pair.tap.named("delete")) == deleted
    assert await fleet.hub.store.assignments_of_application(str(id)) == []
    assert await fleet.hub.store.statuses_of_application(str(id)) == []
    await pair.other_goes_on("2")


@contextlib.contextmanager
def policy(plane: ClusterAccess, namespace: str, expression: str, message: str) -> Iterator[None]:
    """Have a rule for the ConfigMaps of a namespace."""
    version = "admissionregistration.k8s.io/v1"
    name = f"rule-{namespace}"
    rule = {
        "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]
    }  # fmt: skip
    place = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    spec: Object = {
        "matchConstraints": {"resourceRules": [rule], "namespaceSelector": place},
        "validations": [{"expression": expression, "message": message}],
    }
    binding: Object = {"policyName": name, "validationActions": ["Deny"]}
    kinds = {"ValidatingAdmissionPolicy": ("validatingadmissionpolicies", spec)}
    kinds["ValidatingAdmissionPolicyBinding"] = ("validatingadmissionpolicybindings", binding)
    for kind, (plural, content) in kinds.items():
        obj = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": content}
        plane.apply(f"{ADMISSION}/{plural}/{name}", obj)
    try:
        yield
    finally:
        for plural, _ in kinds.values():
            plane.request("DELETE", f"{ADMISSION}/{plural}/{name}")


def _until_denied(plane: ClusterAccess, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps/b?dryRun=All"
    patch = {"data": {"k": "2"}}
    _until_raised(lambda: plane.request("PATCH", path, patch, content_type="application/merge-patch+json"))


def _until_counted(plane: ClusterAccess, namespace: str) -> None:
    """Wait until the API server's admission knows how much of the quota is used: until then it throttles."""
    obj = config_map("asked")
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        with contextlib.suppress(ApiError):
            plane.request("POST", f"/api/v1/namespaces/{namespace}/configmaps?dryRun=All", obj)
            return
        time.sleep(0.05)
    raise AssertionError("the quota is not in force after 15 s")


def _until_raised(request: Callable[[], object]) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        try:
            request()
        except ApiError:
            return
        time.sleep(0.05)
    raise AssertionError("what is to be refused is not, after 15 s")
