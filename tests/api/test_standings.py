from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from hub.api import standings as module
from hub.api.standings import Standings, Table, code_of
from hub.domain.application import ApplicationId
from hub.domain.cluster import Liveness
from hub.domain.status import HealthStatus, Rollup, SyncStatus, roll_up
from hub.store.sql import SqlStore
from tests.api.kit import World, make_world
from tests.pki.support import Clock
from tests.search import examples

APPLICATIONS = ("a", "b", "c")
CLUSTERS = ("x", "y", "z")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("application"), st.sampled_from(APPLICATIONS)),
        st.tuples(st.just("remove-application"), st.sampled_from(APPLICATIONS)),
        st.tuples(st.just("cluster"), st.sampled_from(CLUSTERS)),
        st.tuples(st.just("remove-cluster"), st.sampled_from(CLUSTERS)),
        st.tuples(st.just("connect"), st.sampled_from(CLUSTERS)),
        st.tuples(st.just("disconnect"), st.sampled_from(CLUSTERS)),
        st.tuples(st.just("assign"), st.sampled_from(APPLICATIONS), st.sampled_from(CLUSTERS)),
        st.tuples(st.just("unassign"), st.sampled_from(APPLICATIONS), st.sampled_from(CLUSTERS)),
        st.tuples(
            st.just("status"),
            st.sampled_from(APPLICATIONS),
            st.sampled_from(CLUSTERS),
            st.sampled_from(SyncStatus),
            st.sampled_from(HealthStatus),
        ),
        st.just(("look",)),
    ),
    max_size=40,
)


class Fleet:
    """A store that steps are taken on, and what is true of it, found the slow way."""

    def __init__(self, directory: Path, migrated: Path) -> None:
        self.runner = asyncio.Runner()
        self._directory = directory
        self._migrated = migrated
        self._number = 0

    def run(self, steps: list[Any]) -> None:
        self.runner.run(self._run(steps))

    async def _run(self, steps: list[Any]) -> None:
        self._number += 1
        path = self._directory / f"{self._number}.db"
        shutil.copy(self._migrated, path)
        store = SqlStore(f"sqlite:///{path}")
        await store.open()
        try:
            world = await make_world(store, Clock())
            standings = Standings(store)
            for step in [*steps, ("look",)]:
                await self._take(world, standings, *step)
        finally:
            await store.close()

    async def _take(self, world: World, standings: Standings, step: str, *names: Any) -> None:
        store = world.store
        match step, *names:
            case "application", name:
                await world.application(name)
            case "remove-application", name:
                await store.remove_application(ApplicationId("argocd", name))
            case "cluster", name:
                if await store.find_cluster(name) is None:
                    await world.cluster(name, connected=False)
            case "remove-cluster", name:
                await store.remove_cluster(f"uid-{name}", world.clock())
            case "connect", name:
                await world.connect(f"uid-{name}")
            case "disconnect", name:
                await store.disconnect(f"uid-{name}", "s1", world.clock())
            case "assign", name, cluster:
                if application := await store.get_application(ApplicationId("argocd", name)):
                    await world.assign(application, f"uid-{cluster}")
            case "unassign", name, cluster:
                await store.unassign([(f"uid-{cluster}", f"argocd/{name}")])
            case "status", name, cluster, sync, health:
                if application := await store.get_application(ApplicationId("argocd", name)):
                    await world.report(application, f"uid-{cluster}", sync=sync, health=health)
            case _:
                await look(store, standings)


async def look(store: SqlStore, standings: Standings) -> None:
    sequence = await store.assignment_sequence()
    applications = {str(a.id): a.uid for a in await store.list_applications()}
    clusters = await store.list_clusters()
    await standings.update(sequence, applications, clusters)
    index = await store.assignment_index([c.uid for c in clusters])
    assert standings.table.assigned() == {c.uid: len(index.get(c.uid, {})) for c in clusters}
    for id in applications:
        assert standings.table.rollup(id) == await truth(store, id), id


async def truth(store: SqlStore, id: str) -> Rollup:
    clusters = {c.uid: c for c in await store.list_clusters()}
    statuses = {s.cluster: (s.sync, s.health) for s in await store.statuses_of_application(id)}
    unknown = SyncStatus.UNKNOWN, HealthStatus.UNKNOWN
    return roll_up(
        [
            (*statuses.get(a.cluster, unknown), clusters[a.cluster].connection.liveness is Liveness.CONNECTED)
            for a in await store.assignments_of_application(id)
        ]
    )


@pytest.fixture(scope="module")
def fleet(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path_factory.mktemp("standings"), migrated)
    yield fleet
    fleet.runner.close()


@examples(25, *HealthCheck)
@given(STEPS)
def test_following_comes_to_what_reading_all_would(fleet: Fleet, steps: list[Any]) -> None:
    fleet.run(steps)


async def test_a_large_fleet_is_compared_in_turns(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COMPARED", 1)
    shop = await world.application()
    for name in CLUSTERS:
        await world.cluster(name)
    await world.assign(shop, *(f"uid-{name}" for name in CLUSTERS))
    standings = Standings(world.store)
    await look(world.store, standings)
    await world.store.unassign([(f"uid-{name}", "argocd/shop") for name in CLUSTERS])
    clusters = await world.store.list_clusters()
    for left in (2, 1, 0):
        sequence = await world.store.assignment_sequence()
        await standings.update(sequence, {"argocd/shop": shop.uid}, clusters)
        assert len(standings.table) == left


async def test_many_changes_are_read_as_a_whole(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEW_CHANGES", 0)
    monkeypatch.setattr(module, "_IN_THREAD", 0)
    shop = await world.shop()
    standings = Standings(world.store)
    await look(world.store, standings)
    table = standings.table
    await world.report(shop, "uid-paris", sync=SyncStatus.OUT_OF_SYNC)
    await look(world.store, standings)
    assert standings.table is not table


async def test_more_than_one_page_of_changes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAGE", 2)
    shop = await world.application()
    names = [f"c{n}" for n in range(7)]
    for name in names:
        await world.cluster(name)
    await world.assign(shop, *(f"uid-{name}" for name in names))
    standings = Standings(world.store)
    await look(world.store, standings)
    for name in names:
        await world.report(shop, f"uid-{name}", health=HealthStatus.DEGRADED)
    await look(world.store, standings)


def test_what_is_not_known_is_passed_over() -> None:
    table = Table()
    table.follow_applications({"a": "1"})
    table.follow_clusters({"x": True})
    table.put([("b", "x", 1), ("a", "y", 1)])
    table.compare({"y": ["a"], "x": ["a", "b"]})
    assert table.assigned() == {"x": 1}
    assert code_of("Future", "Healthy") == code_of("Unknown", "Unknown")
