"""What is SQLite's own: joint commits, a full disk, a locked or damaged file, copies, and being killed."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, text

from hub.domain.cluster import Cluster
from hub.errors import Conflict, StoreUnavailable
from hub.store.sql import SqlStore, sqlite
from hub.store.sql.sqlite import SqliteDatabase
from tests.store.builders import application, content


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "escadre.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqlStore]:
    store = SqlStore(f"sqlite:///{path}")
    await store.open()
    yield store
    await store.close()


def writer(store: SqlStore) -> SqliteDatabase:
    assert isinstance(store._database, SqliteDatabase)
    return store._database


def scalar(connection: Connection, statement: str) -> object:
    return connection.execute(text(statement)).scalar()


async def test_the_file_is_for_its_owner_only(store: SqlStore, path: Path) -> None:
    await store.put_setting("a", "b")
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


async def test_every_commit_is_flushed_to_the_disk(store: SqlStore) -> None:
    for run in (store._database.read, store._database.write):
        assert await run(scalar, "PRAGMA synchronous") == 2
        assert await run(scalar, "PRAGMA journal_mode") == "wal"


async def test_readers_cannot_write(store: SqlStore) -> None:
    with pytest.raises(StoreUnavailable, match="written"):
        await store._database.read(scalar, "DELETE FROM settings")


async def test_it_is_all_there_after_a_restart(store: SqlStore, path: Path) -> None:
    await store.add_cluster(Cluster("u1", "paris"))
    await store.put_application(application())
    await store.assign([("u1", content())])
    before = (await store.list_applications(), await store.list_clusters(), await store.assignments_since(0))
    sequence = await store.assignment_sequence()
    await store.close()
    again = SqlStore(f"sqlite:///{path}")
    await again.open()
    assert (await again.list_applications(), await again.list_clusters(), await again.assignments_since(0)) == before
    assert await again.assignment_sequence() == sequence
    await again.close()


async def test_a_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = SqlStore("sqlite:///here.db")
    await store.open()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    await asyncio.gather(*(store.ping() for _ in range(10)))
    await store.close()
    assert not list((tmp_path / "elsewhere").iterdir())


# Joint commits


async def test_writes_that_wait_are_committed_together(store: SqlStore) -> None:
    commits = 0

    def count(_: Connection) -> None:
        nonlocal commits
        commits += 1

    event.listen(writer(store)._writer, "commit", count)
    await asyncio.gather(*(store.put_setting(f"{n}", "x") for n in range(200)))
    assert commits < 50
    assert all([await store.get_setting(f"{n}") == "x" for n in range(200)])


async def test_one_that_fails_undoes_only_itself(store: SqlStore) -> None:
    def half(connection: Connection) -> None:
        connection.execute(text("INSERT INTO settings (key, value) VALUES ('half', 'done')"))
        raise KeyError("half-way")

    writes = [store.put_setting("before", "x"), store._database.write(half), store.put_setting("after", "x")]
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert [outcomes[0], outcomes[2]] == ["x", "x"]
    assert isinstance(outcomes[1], KeyError)
    assert [await store.get_setting(key) for key in ("before", "half", "after")] == ["x", None, "x"]


async def test_a_lost_transaction_loses_nobody_elses_write(store: SqlStore) -> None:
    """SQLite rolls everything back by itself on some errors; the others of the batch are then written alone."""

    def lose(connection: Connection) -> str:
        connection.exec_driver_sql("ROLLBACK")
        raise KeyError("lost")

    writes = [store.put_setting(f"{n}", "x") for n in range(3)]
    writes[1:1] = [store._database.write(lose)]
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert [outcome for outcome in outcomes if outcome == "x"] == ["x"] * 3
    assert isinstance(outcomes[1], KeyError)
    assert [await store.get_setting(f"{n}") for n in range(3)] == ["x"] * 3


async def test_a_write_given_up_while_waiting_is_not_done(store: SqlStore) -> None:
    release, started = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold(_: Connection) -> None:
        loop.call_soon_threadsafe(started.set)
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result(10)

    holding = asyncio.create_task(store._database.write(hold))
    await started.wait()
    given_up = asyncio.create_task(store.put_setting("given-up", "x"))
    waiting = asyncio.create_task(store.put_setting("waiting", "x"))
    await asyncio.sleep(0)
    given_up.cancel()
    release.set()
    await holding
    assert await waiting == "x"
    assert await store.get_setting("given-up") is None


async def test_closing_finishes_what_was_asked_for(store: SqlStore, path: Path) -> None:
    writes = asyncio.gather(*(store.put_setting(f"{n}", "x") for n in range(50)))
    await asyncio.sleep(0)
    await store.close()
    assert await writes == ["x"] * 50
    for call in (store.put_setting("late", "x"), store.get_setting("late"), store.backup("late")):
        with pytest.raises(StoreUnavailable, match="closed"):
            await call
    await store.close()


@pytest.mark.parametrize("count", [3, 400])
async def test_bulk_methods_run_a_fixed_number_of_statements(store: SqlStore, count: int) -> None:
    statements: list[str] = []
    uids = [f"u{n}" for n in range(count)]
    await asyncio.gather(*(store.add_cluster(Cluster(uid, uid)) for uid in uids))

    def note(*arguments: object) -> None:
        statements.append(str(arguments[2]))

    for engine in (writer(store)._writer, writer(store)._reader):
        event.listen(engine, "before_cursor_execute", note)
    await store.assign([(uid, content()) for uid in uids])
    await store.acknowledge([(uid, "argocd/shop", 1, "") for uid in uids])
    await store.assignment_index(uids)
    assert len([s for s in statements if not s.startswith("BEGIN")]) == 7
    assert "content" not in statements[-1]


# A full disk


async def limit_pages(store: SqlStore, more: int) -> None:
    """Let the file grow by so many pages only: what SQLite then answers is what it answers on a full disk."""

    def limit(connection: Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages + more}")

    await store._database.write(limit)


async def test_a_full_disk_is_told_and_survived(store: SqlStore, path: Path) -> None:
    await store.put_setting("before", "x")
    await limit_pages(store, 20)
    with pytest.raises(StoreUnavailable, match=r"full: .* freed"):
        await store.put_blobs({"a" * 64: b"x" * 1_000_000})
    assert await store.get_setting("before") == "x"
    assert await store.have_blobs(["a" * 64]) == set()
    assert await store.put_setting("small", "fits") == "fits"
    await limit_pages(store, 10_000)
    assert await store.put_blobs({"a" * 64: b"x" * 1_000_000}) == 1
    assert await store._database.read(scalar, "PRAGMA integrity_check") == "ok"


async def test_on_a_full_disk_what_fits_is_still_written(store: SqlStore) -> None:
    """They are committed together, and one of them is too large: the others do not share its fate."""
    await limit_pages(store, 20)
    writes = [store.put_setting(f"{n}", "x") for n in range(10)]
    writes[5:5] = [store.put_setting("large", "x" * 1_000_000)]
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert isinstance(outcomes[5], StoreUnavailable)
    assert [o for n, o in enumerate(outcomes) if n != 5] == ["x"] * 10
    assert await store.get_setting("large") is None
    assert all([await store.get_setting(f"{n}") == "x" for n in range(10)])


# Other processes, and damage


async def test_a_file_locked_by_others(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    store = SqlStore(f"sqlite:///{path}")
    await store.open()
    await store.put_setting("a", "1")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    outcomes = await asyncio.gather(*(store.put_setting("a", "2") for _ in range(3)), return_exceptions=True)
    assert all(isinstance(outcome, StoreUnavailable) and "locked" in str(outcome) for outcome in outcomes)
    assert await store.get_setting("a") == "1"
    other.close()
    assert await store.put_setting("a", "3") == "3"
    await store.close()


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    path = tmp_path / "damaged.db"
    path.write_bytes(b"this is no database" * 1000)
    return path


async def test_a_damaged_file(damaged: Path) -> None:
    store = SqlStore(f"sqlite:///{damaged}")
    with pytest.raises(StoreUnavailable, match="restore a backup"):
        await store.open()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.ping()


async def test_a_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match=r"Not a directory|File exists"):
        await SqlStore(f"sqlite:///{tmp_path}/file/escadre.db").open()


def write_until_killed(path: Path) -> list[str]:
    """Return what the killed process had said was written."""
    command = [sys.executable, "-m", "tests.store.crash_writer", f"sqlite:///{path}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(150)]
        process.kill()
        # What was said before it died counts too; the last line may have been cut short.
        return acknowledged + [line.strip() for line in process.stdout if line.endswith("\n")]


async def test_what_was_acknowledged_survives_being_killed(path: Path) -> None:
    acknowledged = await asyncio.to_thread(write_until_killed, path)
    store = SqlStore(f"sqlite:///{path}")
    await store.open()
    missing = [key for key in acknowledged if await store.get_setting(key) != "written"]
    assert missing == []
    assert await store._database.read(scalar, "PRAGMA integrity_check") == "ok"
    await store.close()


# Copies


async def test_a_backup_is_consistent_while_others_write(store: SqlStore, tmp_path: Path) -> None:
    await store.add_cluster(Cluster("u1", "paris"))

    async def write() -> None:
        for number in range(40):
            await store.assign([("u1", content(namespace=f"n{number}"))])

    writing = asyncio.create_task(write())
    await store.backup(str(tmp_path / "copy.db"))
    await writing
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    copy = SqlStore(f"sqlite:///{tmp_path}/copy.db")
    await copy.open()
    assert [c.name for c in await copy.list_clusters()] == ["paris"]
    found = await copy.assignments_since(0)
    assert await copy.assignment_sequence() == (found[0].sequence if found else 0)
    await copy.close()


async def test_a_backup_overwrites_nothing(store: SqlStore, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("precious")
    with pytest.raises(Conflict, match=r"copy\.db exists"):
        await store.backup(str(tmp_path / "copy.db"))
    assert (tmp_path / "copy.db").read_text() == "precious"


async def test_a_backup_that_fails_leaves_nothing(
    store: SqlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreUnavailable, match="No such file"):
        await store.backup(str(tmp_path / "none" / "copy.db"))
    connect = sqlite3.connect
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL

    class FullDisk(sqlite3.Connection):
        def execute(self, *_: object) -> sqlite3.Cursor:
            raise error

    monkeypatch.setattr(sqlite3, "connect", lambda path, **options: connect(path, factory=FullDisk, **options))
    with pytest.raises(StoreUnavailable, match="full"):
        await store.backup(str(tmp_path / "copy.db"))
    assert "copy.db" not in os.listdir(tmp_path)
