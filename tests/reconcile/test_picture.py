"""The controller's picture of the store: clusters and applications as both were at one moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hub.domain.application import Application, ApplicationId, Destination
from hub.domain.assignment import AssignmentContent
from hub.domain.operation import OperationKind, OperationRequest
from hub.domain.repository import Place
from hub.domain.selector import LabelSelector
from hub.domain.status import RefreshState
from hub.domain.targeting import ClusterIndex, targets
from hub.formats.overrides import apply_overrides
from hub.reconcile.assign import Outcome
from hub.reconcile.controller import Controller
from hub.store.bus import InProcessBus
from hub.store.sql import SqlStore
from tests.faults.waiting import answered
from tests.store.builders import add_clusters, application

Meanwhile = Callable[[], Awaitable[None]]


class Store:
    """A store in which somebody does something in the middle of a controller's reading."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self.before: dict[str, Meanwhile] = {}
        """Method → what happens once, right before it is called next."""

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._store, name)
        if not asyncio.iscoroutinefunction(value):
            return value

        async def call(*arguments: Any, **named: Any) -> Any:
            meanwhile = self.before.pop(name, None)
            if meanwhile is not None:
                await meanwhile()
            return await value(*arguments, **named)

        return call


class Looker:
    """Stands in for the assigner: notes which clusters each look finds."""

    def __init__(self) -> None:
        self.seen: list[list[str]] = []

    async def look(
        self, application: Application, clusters: ClusterIndex, before: RefreshState | None, **_: Any
    ) -> Outcome:
        found = targets(application, clusters, apply_overrides).targets
        self.seen.append([target.cluster.name for target in found])
        contents: list[tuple[str, AssignmentContent]] = []
        return Outcome(contents, RefreshState(str(application.id), spec_generation=application.generation))


class Watcher:
    """Of repositories that are never polled, and answer at once."""

    def __init__(self) -> None:
        self.rounds = 0

    def follow(self, applications: Any) -> None:
        """None is followed."""

    def named(self, name: str) -> list[Any]:
        return []

    def places(self, application: Any) -> set[Any]:
        return {Place(source.repo_url) for source in application.spec.sources}

    async def renew(self, applications: Any) -> list[Any]:
        return []

    def due(self) -> list[str]:
        self.rounds += 1
        return []

    def seconds_to_next(self) -> float:
        return 3600.0

    async def poll(self, *_: Any, **__: Any) -> list[str]:
        return []

    def troubles(self, urls: Any) -> list[str]:
        return []


class Desk:
    def __init__(self, store: SqlStore) -> None:
        self.direct = store
        self.store = Store(store)
        self.bus = InProcessBus()
        self.looker, self.watcher = Looker(), Watcher()
        self.controller = Controller(self.store, self.bus, self.watcher, self.looker)  # type: ignore[arg-type]

    def begin(self) -> None:
        self.running = asyncio.create_task(self.controller.run())

    async def end(self) -> None:
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)

    async def label(self, tier: str) -> None:
        await self.direct.update_cluster("u1", labels={"tier": tier})

    async def select(self, *tiers: str) -> None:
        destinations = tuple(Destination(namespace="shop", selector=LabelSelector({"tier": tier})) for tier in tiers)
        wanted = application("shop")
        await self.direct.put_application(replace(wanted, spec=replace(wanted.spec, destinations=destinations)))

    async def looks(self, number: int) -> Sequence[list[str]]:
        """Wait until there were so many."""
        async with asyncio.timeout(10):
            while len(self.looker.seen) < number:
                await asyncio.sleep(0.005)
        return self.looker.seen

    async def told(self) -> None:
        """Wake the controller, and wait until it has gone round."""
        before = self.rounds
        await self.bus.publish("clusters", "u1")
        async with asyncio.timeout(10):
            while self.rounds < before + 2:
                await self.bus.publish("clusters", "u1")
                await asyncio.sleep(0.005)

    @property
    def rounds(self) -> int:
        return self.watcher.rounds


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    store = SqlStore(f"sqlite:///{tmp_path}/escadre.db")
    await store.open()
    await add_clusters(store, "u1")
    desk = Desk(store)
    await desk.label("silver")
    await desk.select("silver")
    desk.begin()
    await desk.looks(1)
    await desk.told()
    yield desk
    await desk.end()
    await store.close()


async def test_a_cluster_relabelled_between_the_two_readings_is_selected_throughout(desk: Desk) -> None:
    async def move() -> None:
        """At no time is the cluster selected by none."""
        await desk.select("silver", "gold")
        await desk.label("gold")
        await desk.select("gold")

    desk.store.before["applications_since"] = move
    await desk.told()
    await desk.looks(2)
    assert all(desk.looker.seen), desk.looker.seen


async def test_a_look_in_the_middle_of_the_reading_sees_both_as_they_were(desk: Desk) -> None:
    await desk.select("silver", "gold")
    await desk.label("gold")

    async def look_now() -> None:
        """As one that has just ended makes room for the next."""
        desk.controller._pump()
        # A look that has begun sees what it sees at the loop's next turn.
        await asyncio.sleep(0)

    desk.store.before["applications_since"] = look_now
    await desk.told()
    await desk.looks(2)
    assert all(desk.looker.seen), desk.looker.seen


async def test_clusters_that_change_all_the_time_are_read_once_they_rest(desk: Desk) -> None:
    read, busy = desk.direct.clusters_version, 40

    async def restless() -> int:
        nonlocal busy
        busy -= 1
        return await read() if busy < 0 else 1000 + busy

    desk.store.clusters_version = restless  # type: ignore[attr-defined]
    await desk.label("gold")
    await desk.select("gold")
    async with asyncio.timeout(10):
        while desk.looker.seen[-1:] != [["cluster-u1"]] or len(desk.looker.seen) < 2:
            await desk.told()
    assert busy < 0 and all(desk.looker.seen), desk.looker.seen


async def test_a_fault_in_a_poll_leaves_nobody_waiting(desk: Desk) -> None:
    """Whoever asks for a sync of an application that was waited for is heard all the same."""

    async def broken(*_: Any, **__: Any) -> list[str]:
        raise RuntimeError("a fault of the hub's own")

    desk.watcher.poll = broken  # type: ignore[method-assign]
    await desk.select("silver", "gold")
    await desk.bus.publish("applications", "argocd/shop")
    await desk.looks(2)
    async with asyncio.timeout(10):
        while desk.controller._is_waiting("argocd/shop"):
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("wanted", [{"kind": OperationKind.ROLLBACK}, {"kind": OperationKind.SYNC, "terminate": True}])
async def test_going_back_and_ending_wait_for_no_repository(desk: Desk, wanted: dict[str, Any]) -> None:
    """A Git server that does not answer is when they are needed most."""
    asked, answers = asyncio.Event(), asyncio.Event()

    async def silent(*_: Any, **__: Any) -> list[str]:
        asked.set()
        await answers.wait()
        return []

    desk.watcher.poll = silent  # type: ignore[method-assign]
    await desk.select("silver", "gold")
    await desk.bus.publish("applications", "argocd/shop")
    await asyncio.wait_for(asked.wait(), 10)
    before = len(desk.looker.seen)
    request = OperationRequest("r", initiated_by="ada", requested_at=datetime.now(UTC), **wanted)
    await desk.direct.record_operation_request("argocd/shop", request)
    await desk.bus.publish("applications", "argocd/shop")
    await desk.looks(before + 1)
    assert not answers.is_set()


async def test_another_application_of_the_name_is_one_of_its_own(desk: Desk) -> None:
    """Deleted and made again between two readings: what was found of the one before went with it."""

    async def make_again() -> None:
        await desk.direct.remove_application(ApplicationId.parse("argocd/shop"))
        await desk.select("silver")

    desk.store.before["applications_since"] = make_again
    await desk.told()
    await desk.looks(2)

    async def remembered() -> bool:
        return "argocd/shop" in await desk.direct.get_refresh_states()

    await answered(remembered, "what was found to be stored")


async def test_a_look_that_was_ended_before_it_began_is_made_by_the_next_run(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = desk.controller._stop

    async def in_the_same_moment() -> None:
        desk.controller._ready["argocd/shop"] = False
        desk.controller._pump()
        await stop()

    monkeypatch.setattr(desk.controller, "_stop", in_the_same_moment)
    await desk.end()
    monkeypatch.undo()
    seen = len(desk.looker.seen)
    desk.begin()
    await desk.looks(seen + 1)
