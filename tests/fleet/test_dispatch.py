"""From the store to the mailboxes: everything assigned arrives, once, with the blobs that go along."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.errors import StoreUnavailable
from hub.fleet import dispatch
from hub.fleet.dispatch import INLINE_BYTES, Dispatcher
from hub.fleet.registry import Registry
from hub.fleet.session import Session
from hub.store.bus import InProcessBus
from hub.store.sql import SqlStore
from tests.faults.waiting import until
from tests.fleet.parts import SHOP, assign, blobs, items, running, sent, session, watched
from tests.store.builders import add_clusters, manifest_set


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    store = SqlStore(f"sqlite:///{tmp_path}/escadre.db")
    await store.open()
    await add_clusters(store, "u1", "u2", "u3")
    yield store
    await store.close()


class Stage:
    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.watched = watched(store)
        self.bus = InProcessBus()
        self.registry = Registry()
        self.dispatcher = Dispatcher(self.watched, self.bus, self.registry)

    def connect(self, cluster: str) -> Session:
        connected = session(cluster)
        self.registry.add(connected)
        return connected

    async def render(self, *resources: bytes) -> dict[str, object]:
        ref, contents = manifest_set(*resources)
        await self.store.put_blobs(contents)
        return {"manifest_set": ref}

    async def assign(self, *clusters: str, **values: object) -> None:
        await assign(self.store, *clusters, **values)
        await self.bus.publish("assignments")


@pytest.fixture
def stage(store: SqlStore) -> Stage:
    return Stage(store)


async def test_what_is_assigned_goes_to_its_cluster_and_to_no_other(stage: Stage) -> None:
    one, two = stage.connect("u1"), stage.connect("u2")
    await stage.dispatcher.start()
    async with running(stage.dispatcher.run()):
        await stage.assign("u1", "u3")
        assert items(await sent(one)) == {SHOP: 1}
        await stage.assign("u2", application="argocd/other")
        assert items(await sent(two)) == {"argocd/other": 1}
    assert stage.dispatcher.assignments_sent == 2


async def test_what_was_assigned_before_the_start_is_left_to_agreement(stage: Stage) -> None:
    await stage.assign("u1")
    await stage.dispatcher.start()
    one = stage.connect("u1")
    async with running(stage.dispatcher.run()):
        await stage.assign("u1", application="argocd/other")
        assert items(await sent(one)) == {"argocd/other": 1}


async def test_a_lost_message_costs_a_poll_interval(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "POLL_SECONDS", 0.05)
    one = stage.connect("u1")
    await stage.dispatcher.start()
    async with running(stage.dispatcher.run()):
        await until(lambda: stage.watched.calls["assignments_since"] > 1, "the dispatcher to poll")
        await assign(stage.store, "u1")
        assert items(await sent(one)) == {SHOP: 1}


async def test_held_assignments_are_not_sent(stage: Stage) -> None:
    await stage.assign("u1")
    one = stage.connect("u1")
    await stage.dispatcher.start()
    async with running(stage.dispatcher.run()):
        await stage.store.hold_back("u1", SHOP, 7)
        await stage.assign("u1", application="argocd/other")
        assert items(await sent(one)) == {"argocd/other": 1}
    await stage.dispatcher.send("u1", await stage.store.assignments_of_cluster("u1"))
    assert items(await sent(one)) == {"argocd/other": 1}


async def test_an_agent_that_connects_meanwhile_gets_what_comes_then(stage: Stage) -> None:
    await stage.dispatcher.start()
    async with running(stage.dispatcher.run()):
        await stage.assign("u1")
        await until(lambda: stage.watched.calls["assignments_since"] > 1, "the first to be passed over")
        one = stage.connect("u1")
        await stage.assign("u1", set_digest="b" * 64)
        assert items(await sent(one)) == {SHOP: 2}


async def test_blobs_of_a_new_set_are_read_and_encoded_once_for_all(stage: Stage) -> None:
    sessions = [stage.connect(uid) for uid in ("u1", "u2", "u3")]
    await stage.dispatcher.start()
    async with running(stage.dispatcher.run()):
        await stage.assign("u1", "u2", "u3", **await stage.render(b"one", b"two"))
        first = [blobs(await sent(each)) for each in sessions]
        assert all(set(found.values()) >= {b"one", b"two"} and len(found) == 3 for found in first)
        reads = stage.watched.calls["get_blobs"]
        await stage.assign("u1", "u2", "u3", **await stage.render(b"one", b"three"))
        second = [blobs(await sent(each)) for each in sessions]
    assert all(b"three" in found.values() and b"one" not in found.values() for found in second)
    assert stage.watched.calls["get_blobs"] == reads + 2, "the sets, then what the new one has beyond the old"
    assert stage.dispatcher.blobs_sent == 3 * 3 + 3 * 2


async def test_large_blobs_are_left_for_each_agent_to_fetch(stage: Stage) -> None:
    one = stage.connect("u1")
    await stage.dispatcher.start()
    async with running(stage.dispatcher.run()):
        values = await stage.render(b"x" * INLINE_BYTES)
        await stage.assign("u1", **values)
        messages = await sent(one)
    assert items(messages) == {SHOP: 1}
    assert list(blobs(messages)) == [values["manifest_set"].digest]  # type: ignore[attr-defined]


async def test_a_set_whose_blob_is_gone_is_assigned_all_the_same(stage: Stage) -> None:
    one = stage.connect("u1")
    await stage.dispatcher.start()
    async with running(stage.dispatcher.run()):
        await stage.assign("u1")
        messages = await sent(one)
    assert items(messages) == {SHOP: 1} and not blobs(messages)


async def test_a_store_that_fails_in_the_middle_loses_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "POLL_SECONDS", 0.05)
    one, two = stage.connect("u1"), stage.connect("u2")
    await stage.dispatcher.start()
    stage.watched.failures = {"assignments_since": [StoreUnavailable("away")], "get_blobs": [StoreUnavailable("away")]}
    async with running(stage.dispatcher.run()):
        await stage.assign("u1", "u2", **await stage.render(b"one"))
        assert items(await sent(one)) == {SHOP: 1}
        assert items(await sent(two)) == {SHOP: 1}
    assert not stage.watched.failures["get_blobs"]
