"""A disk that takes nothing for a while: once it does again, everything that happened meanwhile is seen and told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from agent.engine.reconcile import Live
from agent.errors import StorageError
from agent.syncer import live as live_module
from agent.syncer.live import LiveState
from tests.syncer.clock import TurnedClock
from tests.syncer.cluster import People, until
from tests.syncer.harness import AUTOMATED, Hub, config_map

REPORTING = replace(AUTOMATED, self_heal=False)


@contextmanager
def full_disk(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Have the agent's disk refuse drift reports; yields what was refused."""
    refused: list[str] = []

    def save_drift(id: str, *_: Any, **__: Any) -> None:
        refused.append(id)
        raise StorageError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(hub.storage, "save_drift", save_drift)
        yield refused


async def _becomes(refused: list[str]) -> None:
    async def number() -> int:
        return len(refused)

    await until(number, bool)


async def test_an_object_put_back_while_the_disk_was_full(
    hub: Hub, people: People, clock: TurnedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.assign([config_map("a"), config_map("b")], policy=REPORTING)
    await hub.synced()
    await people.edit(hub.key("ConfigMap", "a"), {"data": {"k": "hacked"}})
    await hub.until(lambda: len(hub.drifts) == 1, "the drift")
    with full_disk(hub, monkeypatch) as refused:
        await people.edit(hub.key("ConfigMap", "a"), {"data": {"k": "v"}})
        await _becomes(refused)
        await hub.idle()
    clock.advance(10)
    await hub.healed()
    await people.edit(hub.key("ConfigMap", "b"), {"data": {"k": "hacked"}})
    status = await hub.wait(lambda s: s.sync == "OutOfSync")
    assert [r.key.name for r in status.resources] == ["b"], "the kind is watched on"


async def test_an_object_changed_while_the_disk_was_full(
    hub: Hub, people: People, clock: TurnedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.assign([config_map("a")], policy=REPORTING)
    await hub.synced()
    with full_disk(hub, monkeypatch) as refused:
        await people.edit(hub.key("ConfigMap", "a"), {"data": {"k": "hacked"}})
        await _becomes(refused)
        await hub.idle()
    clock.advance(10)
    await hub.wait(lambda s: s.sync == "OutOfSync" and bool(s.resources and s.resources[0].drift))
    await hub.until(lambda: [d.kind for d in hub.drifts] == ["modified"], "the report")


async def test_a_fault_in_taking_something_in_does_not_end_the_watch(
    hub: Hub, people: People, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(live_module, "ANEW_SECONDS", 0.05)
    hub.assign([config_map("a"), config_map("b")], policy=REPORTING)
    await hub.synced()
    faults: list[str] = []
    store = LiveState._store

    def faulty(self: LiveState, obj: dict[str, Any]) -> Any:
        if not faults and obj["metadata"]["name"] == "a":
            faults.append("a")
            raise RuntimeError("a fault of the agent's own")
        return store(self, obj)

    monkeypatch.setattr(LiveState, "_store", faulty)
    await people.edit(hub.key("ConfigMap", "a"), {"data": {"k": "hacked"}})
    await hub.wait(lambda s: [r.key.name for r in s.resources if r.drift] == ["a"])
    await people.edit(hub.key("ConfigMap", "b"), {"data": {"k": "hacked"}})
    await hub.wait(lambda s: [r.key.name for r in s.resources if r.drift] == ["a", "b"])
    assert faults == ["a"] and "internal error; listed anew" in caplog.text
    live: list[Live] = hub.syncer.live.of_application(hub.tracking())
    assert all(record.resource_version for record in live)
