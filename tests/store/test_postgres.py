"""What is PostgreSQL's own: many replicas on one database, and a server that is killed under them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
from sqlalchemy import Connection, text

from hub.domain.cluster import Cluster
from hub.errors import StoreUnavailable, Unsupported
from hub.store.factory import open_store
from hub.store.sql import SqlStore
from hub.store.sql.database import serialize, take_sequences
from tests.postgres.server import PostgresServer
from tests.store.builders import add_clusters, application, content
from tests.store.waiting import eventually

pytestmark = pytest.mark.postgres


@pytest.fixture
async def replicas(postgres_url: str) -> AsyncIterator[tuple[SqlStore, SqlStore]]:
    stores = SqlStore(postgres_url), SqlStore(postgres_url)
    for store in stores:
        await store.open()
    yield stores
    for store in stores:
        await store.close()


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


def scalar(connection: Connection, statement: str) -> object:
    return connection.execute(text(statement)).scalar()


async def test_replicas_that_start_together_migrate_once(postgres_url: str) -> None:
    stores = [SqlStore(postgres_url) for _ in range(5)]
    await asyncio.gather(*(store.open() for store in stores))
    assert [len(await store.list_projects()) for store in stores] == [1] * 5
    for store in stores:
        await store.close()


async def test_a_sequence_is_visible_only_after_every_lower_one(replicas: tuple[SqlStore, SqlStore]) -> None:
    """One replica has taken a sequence and dawdles; what another assigns meanwhile must not show before it."""
    first, second = replicas
    await add_clusters(first, "u1")
    taken, finish = threading.Event(), threading.Event()

    def dawdle(connection: Connection) -> int:
        serialize(connection)
        sequence = take_sequences(connection, 1)
        taken.set()
        finish.wait(20)
        return sequence

    async def somebody_waits() -> bool:
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        return await first._database.read(scalar, waiting) == 1

    dawdling = asyncio.create_task(first._database.write(dawdle))
    await asyncio.to_thread(taken.wait, 20)
    assigning = asyncio.create_task(second.assign([("u1", content())]))
    await eventually(somebody_waits)
    assert await second.assignments_since(0) == []
    finish.set()
    lower = await dawdling
    [made] = await assigning
    assert made.sequence > lower


async def test_a_read_is_of_one_moment(replicas: tuple[SqlStore, SqlStore]) -> None:
    first, second = replicas
    started, finish = threading.Event(), threading.Event()

    def read_twice(connection: Connection) -> list[object]:
        before = scalar(connection, "SELECT count(*) FROM settings")
        started.set()
        finish.wait(20)
        return [before, scalar(connection, "SELECT count(*) FROM settings")]

    reading = asyncio.create_task(first._database.read(read_twice))
    await asyncio.to_thread(started.wait, 20)
    await second.put_setting("a", "b")
    finish.set()
    assert await reading == [0, 0]


async def test_readers_cannot_write(replicas: tuple[SqlStore, SqlStore]) -> None:
    with pytest.raises(StoreUnavailable, match="written"):
        await replicas[0]._database.read(scalar, "DELETE FROM settings")


async def test_of_two_that_wait_crosswise_both_get_through(replicas: tuple[SqlStore, SqlStore]) -> None:
    first, second = replicas
    await first.put_setting("a", "0")
    await first.put_setting("b", "0")
    both = threading.Barrier(2)
    attempts = 0

    def update(connection: Connection, mine: str, theirs: str) -> None:
        nonlocal attempts
        attempts += 1
        connection.execute(text("SET LOCAL deadlock_timeout = '20ms'"))
        change = text("UPDATE settings SET value = value || '1' WHERE key = :key")
        connection.execute(change, {"key": mine})
        if attempts <= 2:
            both.wait(20)
        connection.execute(change, {"key": theirs})

    await asyncio.gather(first._database.write(update, "a", "b"), second._database.write(update, "b", "a"))
    assert attempts == 3
    assert [await first.get_setting(key) for key in ("a", "b")] == ["011", "011"]


async def test_replicas_write_the_same_rows_without_harm(replicas: tuple[SqlStore, SqlStore]) -> None:
    uids = [f"u{number:02d}" for number in range(20)]
    await add_clusters(replicas[0], *uids)

    async def work(store: SqlStore, name: str) -> None:
        for turn in range(8):
            await store.assign([(uid, content(namespace=f"{name}-{turn}")) for uid in uids])
            await store.acknowledge([(uid, "argocd/shop", turn, "") for uid in reversed(uids)])
            await store.unassign([(uids[turn], "argocd/shop")])

    await asyncio.gather(*(work(store, f"{n}-{lane}") for n, store in enumerate(replicas) for lane in range(2)))
    made = await replicas[0].assignments_since(0)
    assert len({a.sequence for a in made}) == len(made) >= 12


async def test_one_replica_learns_of_anothers_changes(postgres_url: str) -> None:
    (first, first_bus), (second, second_bus) = [await open_store(postgres_url) for _ in range(2)]
    try:
        async with second_bus.subscribe("applications", "assignments") as subscription:
            await first.add_cluster(Cluster("u1", "paris"))
            put = await first.put_application(application())
            await first_bus.publish("applications", "argocd/shop")
            assert await subscription.next(20) == [("applications", "argocd/shop")]
            changed, _, sequence = await second.applications_since(0)
            assert changed == [put]
            made = await first.assign([("u1", content())])
            await first_bus.publish("assignments", "u1")
            assert await subscription.next(20) == [("assignments", "u1")]
            assert await second.assignments_since(sequence) == made
    finally:
        for closing in (first_bus, second_bus, first, second):
            await closing.close()


async def test_a_server_that_is_killed_at_work(own_server: PostgresServer) -> None:
    """What was acknowledged is there; what was not is reported; nothing has to be opened again."""
    with own_server.database() as url:
        store = SqlStore(url)
        await store.open()
        written: list[str] = []
        failed: list[StoreUnavailable] = []

        async def write(lane: int) -> None:
            number = 0
            while not failed:
                number += 1
                try:
                    await store.put_setting(f"{lane}-{number}", "x")
                except StoreUnavailable as error:
                    failed.append(error)
                else:
                    written.append(f"{lane}-{number}")

        async def enough() -> bool:
            return len(written) > 100

        writing = asyncio.gather(*(write(lane) for lane in range(6)))
        await eventually(enough)
        await asyncio.to_thread(own_server.kill)
        await writing
        assert failed
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            await store.ping()
        await asyncio.to_thread(own_server.start)
        assert [key for key in written if await store.get_setting(key) != "x"] == []
        assert await store.put_setting("after", "x") == "x"
        await store.close()


async def test_a_restart_goes_by_unnoticed_between_calls(own_server: PostgresServer) -> None:
    with own_server.database() as url:
        store = SqlStore(url)
        await store.open()
        await asyncio.gather(*(store.put_setting(f"{n}", "x") for n in range(20)), *(store.ping() for _ in range(20)))
        await asyncio.to_thread(own_server.stop)
        await asyncio.to_thread(own_server.start)
        outcomes = await asyncio.gather(*(store.get_setting(f"{n}") for n in range(20)))
        assert outcomes == ["x"] * 20
        assert await store.put_setting("after", "x") == "x"
        await store.close()


async def test_a_session_that_is_ended_is_replaced(replicas: tuple[SqlStore, SqlStore]) -> None:
    first, second = replicas
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = "
    started, finish = threading.Event(), threading.Event()

    def work(connection: Connection) -> None:
        started.set()
        finish.wait(20)
        connection.execute(text("INSERT INTO settings (key, value) VALUES ('a', 'b')"))

    working = asyncio.create_task(first._database.write(work))
    await asyncio.to_thread(started.wait, 20)
    await second._database.write(scalar, others + "current_database()")
    finish.set()
    with pytest.raises(StoreUnavailable):
        await working
    assert await first.get_setting("a") is None
    assert await first.put_setting("a", "c") == "c"


async def test_a_server_that_does_not_answer(own_server: PostgresServer) -> None:
    url = own_server.url("postgres").replace("escadre@", "escadre:secret@")
    own_server.kill()
    with pytest.raises(StoreUnavailable) as caught:
        await open_store(url)
    assert "secret" not in str(caught.value)


async def test_a_database_that_is_not_there(postgres_server: PostgresServer) -> None:
    with pytest.raises(StoreUnavailable, match="check the database URL"):
        await SqlStore(postgres_server.url("nowhere")).open()


async def test_a_hanging_replica_cannot_hold_up_others_for_ever(replicas: tuple[SqlStore, SqlStore]) -> None:
    for run in (replicas[0]._database.read, replicas[0]._database.write):
        assert await run(scalar, "SHOW lock_timeout") == "30s"
        assert await run(scalar, "SHOW statement_timeout") == "2min"
        assert await run(scalar, "SHOW idle_in_transaction_session_timeout") == "1min"


async def test_waiting_for_a_lock_ends(replicas: tuple[SqlStore, SqlStore]) -> None:
    first, second = replicas
    taken, finish = threading.Event(), threading.Event()

    def hold(connection: Connection) -> None:
        serialize(connection)
        taken.set()
        finish.wait(20)

    def impatient(connection: Connection) -> None:
        connection.execute(text("SET LOCAL lock_timeout = '20ms'"))
        serialize(connection)

    holding = asyncio.create_task(first._database.write(hold))
    await asyncio.to_thread(taken.wait, 20)
    with pytest.raises(StoreUnavailable, match="busy"):
        await second._database.write(impatient)
    finish.set()
    await holding


async def test_backups_are_postgresqls_own_business(replicas: tuple[SqlStore, SqlStore]) -> None:
    with pytest.raises(Unsupported, match="pg_dump"):
        await replicas[0].backup("copy.db")


async def test_after_closing(replicas: tuple[SqlStore, SqlStore]) -> None:
    first, second = replicas
    await first.close()
    await first.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await first.ping()
    await second.ping()
