"""What a cluster takes only half of: a quota that is used up, and rights that end, in the middle of a sync with waves.
It says which object and why, keeps what it has, and comes to its end once it is let."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agent.engine.assignment import Retry
from agent.engine.operation import OperationState, Phase
from agent.engine.resource import Object
from agent.kube.cluster import ClusterClient
from tests.controlplane.access import ApiError, ClusterAccess
from tests.kube.account import EVERYTHING, Account
from tests.kube.planes import connect
from tests.syncer.clock import TurnedClock
from tests.syncer.cluster import Cluster, People, Tap, until
from tests.syncer.harness import AUTOMATED, Hub, config_map
from tests.syncer.hooks import WELL, hook, key_of_widget, made, turned, until_waits, wave
from tests.syncer.hooks import slow as slow
from tests.syncer.objects import namespace, secret

pytestmark = pytest.mark.controlplane

PAUSE = 60.0
RETRIED = replace(AUTOMATED, retry=Retry(limit=5, duration_seconds=PAUSE, factor=1, max_seconds=PAUSE))
READING: Object = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}
MAPS: Object = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}


def hooks(make: Callable[[str], Object]) -> list[Object]:
    """Of a kind that has no health: they have ended as soon as they are there."""
    return [
        hook(make(name), phase) for name, phase in (("before", "PreSync"), ("sorry", "SyncFail"), ("over", "PostSync"))
    ]


@pytest.fixture
def account(workload_plane: ClusterAccess, namespace: str) -> Iterator[Account]:
    account = Account(workload_plane, namespace)
    yield account
    account.remove()


@pytest.fixture
async def cluster(workload_plane: ClusterAccess, account: Account) -> AsyncIterator[Cluster]:
    """A real one, whose agent has a service account of its own."""
    reach = connect(workload_plane)
    agents, peoples = ClusterClient(replace(reach, token=account.make())), ClusterClient(reach)
    people = People(peoples, account.namespace)
    yield Cluster(Tap(agents), people, account.namespace, simulated=False)
    await people.clean()
    await agents.close()
    await peoples.close()


@pytest.fixture
async def hub(cluster: Cluster, clock: TurnedClock, tmp_path: Path, account: Account) -> AsyncIterator[Hub]:
    await asyncio.to_thread(account.until_allowed, "patch", "configmaps")
    hub = Hub(cluster.client, tmp_path, namespace=cluster.namespace, clock=clock)
    await hub.start()
    yield hub
    await hub.stop()


async def runs(hub: Hub, clock: TurnedClock, count: int) -> OperationState:
    """Let the waves of an operation pass until so many have ended, and return the last. It is to be under way."""

    async def over() -> bool:
        clock.advance(2)
        return len(hub.finished) >= count

    await until(over, bool)
    assert len(hub.finished) == count
    return hub.finished[-1]


async def tried_again(hub: Hub, clock: TurnedClock, count: int) -> OperationState:
    """Let the pause pass after which it is tried again, and see how that ends."""
    await hub.idle()
    clock.advance(PAUSE)
    return await runs(hub, clock, count)


async def there(people: People, *names: str) -> dict[str, Any]:
    """Return the data of the ConfigMaps of these names that are there."""
    found = {obj["metadata"]["name"]: obj["data"].get("k") for obj in await people.list("", "ConfigMap")}
    return {name: found[name] for name in names if name in found}


def ran(cluster: Cluster) -> list[str]:
    """Return the hooks that were made, in order, and forget them."""
    found = [name for call in made(cluster) if (name := call.partition("/")[2]) in ("before", "sorry", "over")]
    cluster.client.calls.clear()
    return found


async def test_a_quota_that_is_used_up_in_the_second_wave(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock, account: Account
) -> None:
    """A dry run asks about each object by itself, and each by itself would fit."""
    others = hooks(secret)
    hub.assign([config_map("a", {"k": "1"}), wave(config_map("gone"), 3), *others], policy=RETRIED)
    await turned(hub, clock)
    await hub.synced()
    ran(cluster)
    hub.finished.clear()
    quota = await limited(account, len(await people.list("", "ConfigMap")) + 1)
    waves = [config_map("a", {"k": "2"}), *(wave(config_map(n), 2) for n in ("b", "c")), wave(config_map("d"), 3)]
    second = hub.assign([*waves, *others], policy=RETRIED)
    state = await runs(hub, clock, 1)
    refused = {r.key.name for r in state.results if r.status == "SyncFailed"}
    assert state.phase is Phase.FAILED and len(refused) == 1 and refused < {"b", "c"}
    (name,) = refused
    words = f"apply ConfigMap/{hub.namespace}/{name}: "
    assert state.message.startswith(words) and "exceeded quota: small" in state.message
    assert "(Rejected: correct the manifest, or what refuses it)" in state.message
    status = await hub.wait(lambda s: bool(s.conditions))
    assert [(c.type, c.message) for c in status.conditions] == [("SyncError", state.message)]
    kept = {"a": "2", "gone": "v", **dict.fromkeys({"b", "c"} - refused, "v")}
    assert await there(people, "a", "b", "c", "d", "gone") == kept
    assert ran(cluster) == ["before", "sorry"]
    # Now a dry run is refused already, and so nothing is run.
    state = await tried_again(hub, clock, 2)
    assert state.message.startswith(f"nothing was changed: {words}") and ran(cluster) == []
    assert await there(people, "a", "b", "c", "d", "gone") == kept
    account.plane.request("DELETE", quota)
    await until(partial(asyncio.to_thread, fits, account), bool)
    state = await tried_again(hub, clock, 3)
    assert (state.phase, state.message) == ("Succeeded", "synced")
    await hub.synced_to(second)
    assert await there(people, "a", "b", "c", "d", "gone") == {"a": "2", "b": "v", "c": "v", "d": "v"}
    # Each attempt runs its hooks anew.
    assert ran(cluster) == ["before", "over"] and not hub.statuses[hub.application()].conditions


async def limited(account: Account, count: int) -> str:
    """Allow so many ConfigMaps, wait until that is in force, and return where it says so."""
    path = f"/api/v1/namespaces/{account.namespace}/resourcequotas/small"
    hard = {"count/configmaps": str(count)}
    spec = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}, "spec": {"hard": hard}}
    account.plane.apply(path, spec)
    counted = partial(account.plane.wait_for, path, lambda q: "used" in q.get("status", {}), "it is counted")
    await asyncio.to_thread(counted)
    return path


def fits(account: Account) -> bool:
    """Say whether one more ConfigMap is let in."""
    try:
        path = f"/api/v1/namespaces/{account.namespace}/configmaps?dryRun=All"
        account.plane.request("POST", path, config_map("asked"))
    except ApiError:
        return False
    return True


async def test_rights_that_end_in_the_middle(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock, account: Account, slow: Any
) -> None:
    others = hooks(config_map)
    hub.assign([config_map("a", {"k": "1"}), wave(secret("gone", k="1"), 3), *others], policy=RETRIED)
    await turned(hub, clock)
    await hub.synced()
    ran(cluster)
    hub.finished.clear()
    late = [wave(secret(n, k="2"), 2) for n in ("s", "t")] + [wave(config_map("d"), 2)]
    second = hub.assign([config_map("a", {"k": "2"}), slow("gate"), *late, *others], policy=RETRIED)
    await until_waits(hub, clock, "gate")
    widgets = {"apiGroups": [f"{hub.namespace}.example.com"], "resources": ["*"], "verbs": ["*"]}
    account.may(READING, MAPS, widgets)
    await asyncio.to_thread(partial(account.until_allowed, "patch", "secrets", allowed=False))
    await people.edit(key_of_widget(hub, "gate"), WELL)
    state = await runs(hub, clock, 1)
    assert state.phase is Phase.FAILED
    assert sorted(r.key.name for r in state.results if r.status == "SyncFailed") == ["s", "t"]
    assert state.message.startswith(f"apply Secret/{hub.namespace}/s: ") and state.message.endswith(" (and 1 more)")
    assert 'cannot patch resource "secrets"' in state.message
    assert "(Forbidden: grant this to the agent's account)" in state.message
    assert ran(cluster) == ["before", "sorry"]
    assert await there(people, "a", "d") == {"a": "2"}, "what is of a later kind is not touched"
    assert await people.get(hub.key("Secret", "gone")) is not None
    # Now a dry run is refused already, and so nothing is run.
    state = await tried_again(hub, clock, 2)
    assert state.message.startswith(f"nothing was changed: apply Secret/{hub.namespace}/s: ") and ran(cluster) == []
    account.may(EVERYTHING)
    await asyncio.to_thread(account.until_allowed, "patch", "secrets")
    state = await tried_again(hub, clock, 3)
    assert state.phase is Phase.SUCCEEDED and ran(cluster) == ["before", "over"]
    await hub.synced_to(second)
    assert await people.get(hub.key("Secret", "gone")) is None


async def test_rights_to_delete_that_are_missing(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock, account: Account
) -> None:
    """No dry run asks about those."""
    sorry, over = hook(config_map("sorry"), "SyncFail"), hook(config_map("over"), "PostSync")
    hub.assign([config_map("a", {"k": "1"}), wave(secret("gone", k="1"), 1)], policy=RETRIED)
    await turned(hub, clock)
    await hub.synced()
    ran(cluster)
    hub.finished.clear()
    account.may(READING, MAPS, {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "patch"]})
    await asyncio.to_thread(partial(account.until_allowed, "delete", "secrets", allowed=False))
    objects = [config_map("a", {"k": "2"}), wave(secret("s", k="2"), 1), wave(config_map("d"), 2), sorry, over]
    second = hub.assign(objects, policy=RETRIED)
    state = await runs(hub, clock, 1)
    assert state.phase is Phase.FAILED
    assert [(r.key.name, r.key.kind) for r in state.results if r.status == "SyncFailed"] == [("gone", "Secret")]
    assert state.message.startswith(f"delete Secret/{hub.namespace}/gone: ")
    assert 'cannot delete resource "secrets"' in state.message
    assert "(Forbidden: grant this to the agent's account)" in state.message
    assert ran(cluster) == ["sorry"] and await there(people, "a", "d") == {"a": "2"}
    account.may(EVERYTHING)
    await asyncio.to_thread(account.until_allowed, "delete", "secrets")
    state = await tried_again(hub, clock, 2)
    assert state.phase is Phase.SUCCEEDED and ran(cluster) == ["over"]
    await hub.synced_to(second)
    assert await people.get(hub.key("Secret", "gone")) is None


async def test_rights_to_delete_that_are_missing_at_the_end_of_an_application(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock, account: Account
) -> None:
    """What ran before it does not run again, and nothing runs that is for afterwards."""
    hooks = [hook(config_map("before"), "PreDelete"), hook(config_map("over"), "PostDelete")]
    assignment = hub.assign([config_map("a"), secret("s", k="1"), *hooks], policy=RETRIED)
    await hub.synced()
    hub.finished.clear()
    account.may(READING, MAPS)
    await asyncio.to_thread(partial(account.until_allowed, "delete", "secrets", allowed=False))
    hub.delete(assignment)
    status = await hub.wait(lambda s: any("cannot delete" in c.message for c in s.conditions))
    assert [c.type for c in status.conditions] == ["DeletionError"]
    assert f"Secret/{hub.namespace}/s: " in status.conditions[0].message
    assert ran(cluster) == ["before"] and await people.get(hub.key("Secret", "s")) is not None
    account.may(EVERYTHING)
    await asyncio.to_thread(account.until_allowed, "delete", "secrets")

    async def buried() -> bool:
        clock.advance(5)
        return hub.statuses[hub.application()].deleted

    await until(buried, bool)
    assert ran(cluster) == ["over"]
    assert await there(people, "a", "before", "over") == {"over": "v"}
    assert [o.phase for o in hub.finished if o.kind == "delete"][-1] is Phase.SUCCEEDED


# --- rights that were never given


async def test_an_agent_that_may_only_read_changes_nothing_and_says_so(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock, account: Account
) -> None:
    first = hub.assign([config_map("a", {"k": "1"})], policy=RETRIED)
    await hub.synced_to(first)
    account.may(READING)
    await asyncio.to_thread(partial(account.until_allowed, "patch", "configmaps", allowed=False))
    cluster.client.calls.clear()
    hub.assign([config_map("a", {"k": "2"}), config_map("b")], policy=RETRIED)
    status = await hub.wait(lambda s: s.operation is not None and s.operation.phase == "Failed")
    message = status.operation.message if status.operation is not None else ""
    assert message.startswith("nothing was changed: ") and 'cannot patch resource "configmaps"' in message
    assert "(Forbidden: grant this to the agent's account)" in message
    assert status.operation is not None
    assert {r.key.name for r in status.operation.results if r.status == "SyncFailed"} == {"a", "b"}
    assert [(c.type, c.message) for c in status.conditions] == [("SyncError", message)]
    assert cluster.client.writes == [] and await there(people, "a", "b") == {"a": "1"}
    await hub.synced_to(hub.assign([config_map("a", {"k": "1"})], policy=RETRIED))
    await people.edit(hub.key("ConfigMap", "a"), {"data": {"k": "by hand"}})
    # Whether that drifts is for the API server to say, which does not answer who may not write.
    status = await hub.wait(lambda s: s.sync == "Unknown")
    assert [(r.key.name, r.sync) for r in status.resources] == [("a", "Unknown")]
    told = {c.type: c.message for c in status.conditions}["ComparisonError"]
    assert "cannot patch" in told and "(Forbidden: grant this to the agent's account)" in told
    assert cluster.client.writes == [] and await there(people, "a") == {"a": "by hand"}
    account.may(EVERYTHING)
    await asyncio.to_thread(account.until_allowed, "patch", "configmaps")
    clock.advance(5)
    await hub.healed()
    assert await there(people, "a") == {"a": "1"}


async def test_a_kind_that_may_be_written_in_one_namespace_only(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock, account: Account
) -> None:
    """What is in the other one is named, with its namespace; what is in this one goes on where it is alone."""
    team = f"{hub.namespace}-team"
    await people.create(people.leave(namespace(team)))
    account.may(READING)
    account.may_in(hub.namespace, MAPS)
    await asyncio.to_thread(partial(account.until_allowed, "patch", "configmaps", namespace=team, allowed=False))
    await asyncio.to_thread(account.until_allowed, "patch", "configmaps")
    both = [config_map("a"), config_map("b", namespace=team)]
    hub.assign(both, policy=RETRIED)
    status = await hub.wait(lambda s: s.operation is not None and s.operation.phase == "Failed")
    message = status.operation.message if status.operation is not None else ""
    assert f"ConfigMap/{team}/b: " in message and f'in the namespace "{team}"' in message
    assert status.operation is not None
    assert [r.key.name for r in status.operation.results if r.status == "SyncFailed"] == ["b"]
    assert cluster.client.writes == []
    own = hub.assign([config_map("c")], name="own", policy=RETRIED)
    await hub.synced_to(own, "own")
    account.may_in(team, MAPS)
    await asyncio.to_thread(partial(account.until_allowed, "patch", "configmaps", namespace=team))
    await tried_again(hub, clock, 3)
    await hub.synced()
    assert await there(people, "a", "c") == {"a": "v", "c": "v"}
    assert await people.get(hub.key("ConfigMap", "b")._replace(namespace=team)) is not None
