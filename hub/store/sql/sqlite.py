"""SQLite, used as one process can use it best: one thread writes, a few read, nobody waits for a lock.

Writes that wait while another commits are committed together, so many small writes share one flush to disk. The log
is flushed at every commit (`synchronous=FULL`): what was acknowledged survives loss of power as well as of the process,
and joint commits make that affordable.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool, QueuePool

from hub.errors import Conflict, StoreUnavailable
from hub.store.schema import upgrade
from hub.store.sql.database import Database, T, Work

READERS = 4
BUSY_SECONDS = 10.0
"""How long to wait for another process that has locked the file."""
COMMIT_AFTER_SECONDS = 0.02
"""A joint commit takes in no more writes after this time, so that the first of them does not wait long."""


@dataclass(slots=True)
class _Job:
    work: Callable[[Connection], Any]
    future: Future[Any] = field(default_factory=Future)
    result: Any = None
    error: Exception | None = None


class SqliteDatabase(Database):
    def __init__(self, path: Path) -> None:
        path = path.absolute()
        self._path = path
        self._reader = _engine(path, "BEGIN", read_only=True, poolclass=QueuePool, pool_size=READERS, max_overflow=0)
        self._writer = _engine(path, "BEGIN IMMEDIATE", read_only=False, poolclass=NullPool)
        self._writing: Connection | None = None
        self._readers: ThreadPoolExecutor | None = None
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def _open(self) -> None:
        connection = await asyncio.to_thread(self._prepare)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-read")
        self._thread = threading.Thread(target=self._run, args=(connection,), name="store-write", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        if self._thread is not None:
            thread, self._thread = self._thread, None
            self._jobs.put(None)
            await asyncio.to_thread(thread.join)
        if self._readers is not None:
            readers, self._readers = self._readers, None
            await asyncio.to_thread(readers.shutdown)
        if self._writing is not None:
            self._writing.close()
            self._writing = None
        self._reader.dispose()
        self._writer.dispose()

    async def _backup(self, path: str) -> None:
        if self._readers is None:
            raise _closed()
        await asyncio.get_running_loop().run_in_executor(self._readers, self._copy_to, Path(path))

    async def _read(self, work: Work[T]) -> T:
        if self._readers is None:
            raise _closed()
        return await asyncio.get_running_loop().run_in_executor(self._readers, partial(self._read_now, work))

    async def _write(self, work: Work[T]) -> T:
        if self._thread is None:
            raise _closed()
        job = _Job(work)
        self._jobs.put(job)
        result: T = await asyncio.wrap_future(job.future)
        return result

    def _prepare(self) -> Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # It holds password hashes and encrypted keys. The write-ahead log takes on the mode of the file.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise StoreUnavailable(f"cannot open the database file {self._path}: {error.strerror}") from error
        self._writing = self._writer.connect()
        with self._writing.begin():
            upgrade(self._writing)
        return self._writing

    def _read_now(self, work: Work[T]) -> T:
        with self._reader.connect() as connection, connection.begin():
            return work(connection)

    def _copy_to(self, path: Path) -> None:
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            raise Conflict(f"{path} exists already; name another file for the backup") from None
        except OSError as error:
            raise StoreUnavailable(f"cannot write the backup to {path}: {error.strerror}") from error
        try:
            # An empty file is accepted as the target, and keeps the mode it was made with.
            source = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)
            try:
                source.execute("VACUUM INTO ?", (str(path),))
            finally:
                source.close()
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    # The writer's thread.

    def _run(self, connection: Connection) -> None:
        closing = False
        waiting: list[_Job] = []
        while waiting or not closing:
            if waiting:
                waiting = self._commit(connection, waiting)
            else:
                closing = self._await_jobs(waiting)

    def _await_jobs(self, waiting: list[_Job]) -> bool:
        """Wait for a job and take every other that is there; return whether the store is closing."""
        block = True
        while True:
            try:
                job = self._jobs.get(block)
            except queue.Empty:
                return False
            if job is None:
                return True
            # False: nobody waits for it any more, so it need not be done.
            if job.future.set_running_or_notify_cancel():
                waiting.append(job)
                block = False

    def _commit(self, connection: Connection, jobs: list[_Job]) -> list[_Job]:
        """Run jobs in one transaction, answer them, and return those left for the next."""
        try:
            transaction = connection.begin()
        except Exception as error:
            for job in jobs:
                job.future.set_exception(error)
            return []
        try:
            with transaction:
                done = self._run_together(connection, jobs)
        except Exception as error:
            if len(jobs) == 1:
                jobs[0].future.set_exception(error)
                return []
            # The transaction was lost with all that was in it. Alone, each meets its own fate.
            for job in jobs:
                job.error = None
                self._commit(connection, [job])
            return []
        for job in jobs[:done]:
            if job.error is not None:
                job.future.set_exception(job.error)
            else:
                job.future.set_result(job.result)
        return jobs[done:]

    @staticmethod
    def _run_together(connection: Connection, jobs: list[_Job]) -> int:
        """Run jobs until the time is up and return how many were; of several, one that fails undoes only itself."""
        if len(jobs) == 1:
            jobs[0].result = jobs[0].work(connection)
            return 1
        deadline = time.monotonic() + COMMIT_AFTER_SECONDS
        for number, job in enumerate(jobs):
            if number and time.monotonic() > deadline:
                return number
            try:
                with connection.begin_nested():
                    job.result = job.work(connection)
            except Exception as error:
                if not _in_transaction(connection):
                    # SQLite rolls back everything by itself when the disk is full.
                    raise
                job.error = error
        return len(jobs)


def _in_transaction(connection: Connection) -> bool:
    return bool(getattr(connection.connection.dbapi_connection, "in_transaction", False))


def _closed() -> StoreUnavailable:
    return StoreUnavailable("the store is closed: the hub is stopping")


def _engine(path: Path, begin: str, *, read_only: bool, **options: Any) -> Engine:
    """Return an engine whose transactions start with `begin`; Python's own driver would start them too late."""
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(path)),
        connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS, "isolation_level": None},
        # An error's text ends up in logs, and rows hold what does not belong there.
        hide_parameters=True,
        **options,
    )

    @event.listens_for(engine, "connect")
    def _on_connect(dbapi: Any, _record: object) -> None:
        dbapi.execute("PRAGMA journal_mode=WAL")
        dbapi.execute("PRAGMA synchronous=FULL")
        dbapi.execute("PRAGMA cache_size=-4000")
        # Give space back to the disk after a burst.
        dbapi.execute("PRAGMA journal_size_limit=67108864")
        if read_only:
            dbapi.execute("PRAGMA query_only=ON")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
