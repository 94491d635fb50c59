"""Keeps a simulated cluster on disk, so that it is still there after a restart of the agent.

Writes never wait for the disk. What changed is collected and written together a moment later, by a thread, in one
SQLite transaction; a process that is killed loses that moment and nothing else, as if the cluster had been
restored from a backup.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Final, TypeAlias

import orjson

from agent.engine.resource import Object
from agent.errors import StorageError
from agent.kube.simulated.storage import ObjectKey

_log: Final = logging.getLogger(__name__)

FLUSH_SECONDS: Final = 0.2
"""How long changes are collected before they are written."""
RETRY_SECONDS: Final = 5.0
"""How long after a write failed the next is tried."""
SCHEMA_VERSION: Final = 1
VERSION_GAP: Final = 10_000
"""How far resourceVersions jump at a start, past all those that were given out and not written."""

Changes: TypeAlias = dict[ObjectKey, bytes | None]
"""The latest state of each object that changed, None where it is gone."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS objects (
    api_group TEXT NOT NULL, kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (api_group, kind, namespace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cluster (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL);
"""


class Disk:
    """The file of one cluster. One thread at a time uses it."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raises StorageError when it cannot be, or is of another version."""
        self.path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=1, check_same_thread=False, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise StorageError(f"cannot open the simulated cluster {path}: {error}") from error
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        try:
            self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, SCHEMA_VERSION):
                raise StorageError(
                    f"the simulated cluster {self.path} is of version {version}, this agent reads version "
                    f"{SCHEMA_VERSION}: delete the file to start with a new cluster"
                )
            self._connection.executescript(_SCHEMA)
            self._connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        except sqlite3.Error as error:
            raise StorageError(f"cannot read the simulated cluster {self.path}: {error}") from error

    def load(self) -> tuple[int, list[Object]]:
        """Return the version counter, 0 for a new file, and all objects. Raises StorageError."""
        try:
            row = self._connection.execute("SELECT version FROM cluster").fetchone()
            with closing(self._connection.execute("SELECT data FROM objects")) as cursor:
                objects = [orjson.loads(data) for (data,) in cursor]
        except (sqlite3.Error, orjson.JSONDecodeError) as error:
            raise StorageError(f"the simulated cluster {self.path} is damaged: {error}") from error
        return (int(row[0]) if row else 0), objects

    def save(self, version: int, changes: Changes) -> None:
        """Write changes in one transaction. Raises StorageError; then nothing was written."""
        gone = [(*key[0], key[1], key[2]) for key, data in changes.items() if data is None]
        kept = [(*key[0], key[1], key[2], data) for key, data in changes.items() if data is not None]
        with self._lock:
            try:
                self._connection.execute("BEGIN")
                self._connection.executemany(
                    "DELETE FROM objects WHERE api_group=? AND kind=? AND namespace=? AND name=?", gone
                )
                self._connection.executemany("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?)", kept)
                self._connection.execute("INSERT OR REPLACE INTO cluster VALUES (1, ?)", (version,))
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise StorageError(f"cannot write the simulated cluster {self.path}: {error}") from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()


class Saver:
    """Writes a cluster's changes to its disk, a moment after they happen."""

    def __init__(self, disk: Disk, flush_seconds: float = FLUSH_SECONDS) -> None:
        self._disk = disk
        self._flush_seconds = flush_seconds
        self._changes: Changes = {}
        self._version = 0
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def note(self, key: ObjectKey, data: bytes | None, version: int) -> None:
        """Take down a change, to be written soon when an event loop runs, and else with the next one."""
        self._changes[key] = data
        self._version = version
        if self._timer is None:
            self._arm(self._flush_seconds)

    def _arm(self, seconds: float) -> None:
        if self._closed or self._task is not None:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        self._timer = loop.call_later(seconds, self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._task = asyncio.get_running_loop().create_task(self._flush())

    async def _flush(self) -> None:
        changes, self._changes = self._changes, {}
        pause = self._flush_seconds
        try:
            await asyncio.to_thread(self._disk.save, self._version, changes)
        except StorageError as error:
            _log.warning("%s; trying again", error)
            self._changes = {**changes, **self._changes}
            pause = RETRY_SECONDS
        finally:
            self._task = None
            if self._changes:
                self._arm(pause)

    async def close(self) -> None:
        """Write what is left, and close the file. Raises StorageError when it cannot be written. Idempotent."""
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            await self._task
        try:
            if self._changes:
                await asyncio.to_thread(self._disk.save, self._version, self._changes)
        finally:
            self._disk.close()
