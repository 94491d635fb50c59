"""Leases run on real time: on PostgreSQL the server's clock decides, so nothing here can be told the time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, text

from hub.errors import StoreUnavailable
from hub.store.sql import SqlStore
from tests.store.waiting import eventually

LONG = 30.0
SHORT = 0.6


@pytest.fixture
async def replicas(database_url: str) -> AsyncIterator[tuple[SqlStore, SqlStore]]:
    """Two replicas with real clocks. (On SQLite they are two in name only, which the lease does not know.)"""
    stores = tuple(SqlStore(database_url, now=lambda: datetime.now(UTC)) for _ in range(2))
    for store in stores:
        await store.open()
    yield stores[0], stores[1]
    for store in stores:
        await store.close()


async def is_free(store: SqlStore, name: str = "work") -> bool:
    async with store.lease(name, "somebody", LONG) as got:
        return got


async def tamper(store: SqlStore, statement: str) -> None:
    def execute(connection: Connection) -> None:
        connection.execute(text(statement))

    await store._database.write(execute)


async def test_one_holds_it_until_done(replicas: tuple[SqlStore, SqlStore]) -> None:
    first, second = replicas
    async with first.lease("work", "one", LONG) as got:
        assert got
        async with second.lease("work", "two", LONG) as other, second.lease("else", "two", LONG) as elsewhere:
            assert (other, elsewhere) == (False, True)
        assert not await is_free(second)
    assert await is_free(second)


async def test_one_holder_is_excluded_from_what_it_holds(replicas: tuple[SqlStore, SqlStore]) -> None:
    first, _ = replicas
    async with first.lease("work", "one", LONG), first.lease("work", "one", LONG) as again:
        assert not again
    assert await is_free(first)


async def test_of_many_at_once_one_gets_it(replicas: tuple[SqlStore, SqlStore]) -> None:
    holding = 0
    most = 0
    times = 0

    async def work(store: SqlStore, holder: str) -> None:
        nonlocal holding, most, times
        async with store.lease("work", holder, LONG) as got:
            if got:
                holding, times = holding + 1, times + 1
                most = max(most, holding)
                await asyncio.sleep(0)
                holding -= 1

    await asyncio.gather(*(work(store, f"{n}") for store in replicas for n in range(8)))
    assert (most, times > 0) == (1, True)


async def test_it_is_renewed_for_as_long_as_it_is_held(replicas: tuple[SqlStore, SqlStore]) -> None:
    first, second = replicas
    started = time.monotonic()
    async with first.lease("work", "one", SHORT) as got:
        assert got
        while time.monotonic() < started + 2.5 * SHORT:
            assert not await is_free(second)
            await asyncio.sleep(0.05)


async def test_after_the_holder_dies_another_gets_it(replicas: tuple[SqlStore, SqlStore]) -> None:
    first, second = replicas
    lease = first.lease("work", "one", SHORT)
    assert await lease.__aenter__()
    # As a killed process: nothing is renewed and nothing is given back.
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    assert not await is_free(second)
    await eventually(lambda: is_free(second))
    await lease.__aexit__(None, None, None)


async def test_the_body_stops_when_the_lease_is_lost(replicas: tuple[SqlStore, SqlStore]) -> None:
    first, _ = replicas
    stopped = False
    with pytest.raises(StoreUnavailable, match="lost"):
        async with first.lease("work", "one", SHORT) as got:
            assert got
            await tamper(first, "UPDATE leases SET token = 'another', holder = 'another'")
            try:
                await asyncio.sleep(LONG)
            finally:
                stopped = True
    assert stopped
    task = asyncio.current_task()
    assert task is not None and task.cancelling() == 0


async def test_the_body_stops_in_time_when_the_database_is_gone(replicas: tuple[SqlStore, SqlStore]) -> None:
    first, second = replicas
    with pytest.raises(StoreUnavailable, match="lost"):
        async with first.lease("work", "one", SHORT) as got:
            assert got
            await first.close()
            await asyncio.sleep(LONG)
    # It stopped no later than others could get it.
    await eventually(lambda: is_free(second))


async def test_a_failed_renewal_is_tried_again(
    replicas: tuple[SqlStore, SqlStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = replicas
    write = first._database.write
    failures = 3

    async def failing(*arguments: object) -> object:
        nonlocal failures
        if failures:
            failures -= 1
            raise StoreUnavailable("restarting")
        return await write(*arguments)  # type: ignore[arg-type]  # passed on as they came

    started = time.monotonic()
    async with first.lease("work", "one", 2 * SHORT) as got:
        assert got
        monkeypatch.setattr(first._database, "write", failing)
        while time.monotonic() < started + 3 * SHORT:
            assert not await is_free(second)
            await asyncio.sleep(0.05)
    assert failures == 0


async def test_cancelling_the_body_is_not_taken_for_a_loss(replicas: tuple[SqlStore, SqlStore]) -> None:
    first, second = replicas
    entered = asyncio.Event()

    async def body() -> None:
        async with first.lease("work", "one", LONG):
            entered.set()
            await asyncio.sleep(LONG)

    task = asyncio.create_task(body())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await is_free(second)


async def test_what_the_body_raises_passes_through(replicas: tuple[SqlStore, SqlStore]) -> None:
    first, second = replicas
    with pytest.raises(KeyError):
        async with first.lease("work", "one", LONG):
            raise KeyError
    assert await is_free(second)


async def test_what_a_dead_holder_has_is_ended_at_once_and_nothing_of_others(
    replicas: tuple[SqlStore, SqlStore],
) -> None:
    first, second = replicas
    async with first.lease("work", "dead", LONG), first.lease("more", "dead", LONG), first.lease("else", "alive", LONG):
        assert await second.end_leases("dead") == 2
        assert (await is_free(second), await is_free(second, "more"), await is_free(second, "else")) == (
            True,
            True,
            False,
        )
        assert await second.end_leases("dead") == 0


async def test_a_holder_whose_lease_was_ended_and_taken_stops(replicas: tuple[SqlStore, SqlStore]) -> None:
    """As when it was not dead after all."""
    first, second = replicas
    with pytest.raises(StoreUnavailable, match="lost"):
        async with first.lease("work", "one", 2 * SHORT):
            await second.end_leases("one")
            async with second.lease("work", "two", LONG) as got:
                assert got
                await asyncio.sleep(LONG)
