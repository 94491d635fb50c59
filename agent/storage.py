"""What the agent keeps on disk, so that it can go on alone, and so that a killed agent goes on where it was.

One SQLite file in the data directory. Every method is one transaction; when it returns, the change survives the
death of the process (WAL; `synchronous=NORMAL` also survives losing power, but for the last moments: every step of
the agent may be repeated, so what is lost is done again).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from agent.engine.assignment import Assignment, Held
from agent.engine.codec import decode, encode
from agent.engine.operation import Attempts, OperationState
from agent.engine.reconcile import Judged
from agent.engine.resource import GroupKind, ResourceKey
from agent.errors import StorageError

FORMAT = 1
_FINISHED_KEPT = 20
_DRIFTS_KEPT = 1000
_REPORTED_NOTED = 100
_RECENT_BYTES = 256 * 1024

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE assignments (
    application TEXT PRIMARY KEY, uid TEXT NOT NULL, generation INTEGER NOT NULL, digest TEXT NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0, content BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE blobs (digest TEXT PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE kinds (application TEXT NOT NULL, grp TEXT NOT NULL, kind TEXT NOT NULL,
    PRIMARY KEY (application, grp, kind)) WITHOUT ROWID;
CREATE TABLE judged (
    application TEXT NOT NULL, grp TEXT NOT NULL, kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    digest TEXT NOT NULL, hash BLOB NOT NULL,
    PRIMARY KEY (application, grp, kind, namespace, name)) WITHOUT ROWID;
CREATE TABLE attempts (application TEXT PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE synced (application TEXT PRIMARY KEY, manifest_set TEXT NOT NULL, revision BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE operations (
    id TEXT PRIMARY KEY, application TEXT NOT NULL, finished INTEGER NOT NULL, reported INTEGER NOT NULL DEFAULT 0,
    automated INTEGER NOT NULL, started_ms INTEGER NOT NULL, content BLOB NOT NULL) WITHOUT ROWID;
CREATE VIEW asked_for AS
    SELECT json_extract(CAST(content AS TEXT), '$.operation.id') AS id FROM assignments WHERE id IS NOT NULL;
CREATE TABLE drifts (
    id TEXT PRIMARY KEY, application TEXT NOT NULL, seen_ms INTEGER NOT NULL, reported INTEGER NOT NULL DEFAULT 0,
    standing INTEGER NOT NULL, content BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX drifts_unreported ON drifts (seen_ms) WHERE reported = 0;
CREATE INDEX drifts_standing ON drifts (application) WHERE standing = 1;
"""


class _Transaction:
    """What is done inside is done whole or not at all. Inside another one it is a part of that. Raises StorageError."""

    __slots__ = ("_db", "_part", "_path")

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._path = path
        self._part = False

    def __enter__(self) -> sqlite3.Connection:
        self._part = self._db.in_transaction
        if not self._part:
            try:
                self._db.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                raise _in_words(self._path, error) from error
        return self._db

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None and not self._part:
                self._db.execute("COMMIT")
        except sqlite3.Error as failure:
            error = failure
        if error is not None and not self._part and self._db.in_transaction:
            self._db.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error):
            raise _in_words(self._path, error) from error


def _in_words(path: Path, error: sqlite3.Error) -> StorageError:
    if getattr(error, "sqlite_errorname", "") == "SQLITE_FULL":
        return StorageError(f"{path}: the disk is full; make room, the agent goes on by itself")
    return StorageError(f"{path}: {error}")


class _Recent:
    """The blobs stored last, in memory: what has just come is what is about to be applied."""

    def __init__(self) -> None:
        self._content: dict[str, bytes] = {}
        self._size = 0

    def put(self, blobs: Mapping[str, bytes]) -> None:
        for digest, content in blobs.items():
            if digest not in self._content and len(content) <= _RECENT_BYTES:
                self._content[digest] = content
                self._size += len(content)
        while self._size > _RECENT_BYTES:
            self.drop(next(iter(self._content)))

    def get(self, digest: str) -> bytes | None:
        return self._content.get(digest)

    def drop(self, digest: str) -> None:
        self._size -= len(self._content.pop(digest, b""))


class Storage:
    """The agent's disk. Not thread-safe: one event loop uses it."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raises StorageError when it cannot be used."""
        self.path = path
        self._kinds: dict[str, frozenset[GroupKind]] = {}
        """What `kinds_of` has read: it is asked at every turn of every application."""
        self._recent = _Recent()
        self._reported: dict[str, None] = {}
        self._drifts_saved = self._finished_saved = 0
        """Since what is beyond the limits was last removed."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
            path.chmod(0o600)
        except (OSError, sqlite3.Error) as error:
            raise StorageError(f"{path}: cannot be opened: {error}") from error
        try:
            # Nobody else has business with it, and the locks of every transaction would cost more than some of them.
            self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            # A small cache: the agent's memory is counted, and its working set is a few pages.
            self._db.execute("PRAGMA cache_size=-512")
            self._migrate()
        except sqlite3.Error as error:
            self._db.close()
            raise _in_words(path, error) from error

    def close(self) -> None:
        """Idempotent."""
        self._db.close()

    def _migrate(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > FORMAT:
            raise StorageError(f"{self.path} was written by a newer agent (format {version}); run that version")
        if version == 0:
            with self._write() as db:
                for statement in _SCHEMA.split(";"):
                    if statement.strip():
                        db.execute(statement)
                db.execute(f"PRAGMA user_version={FORMAT}")

    def together(self) -> _Transaction:
        """Make everything written inside one transaction: all of it or nothing, at the price of one."""
        return _Transaction(self._db, self.path)

    _write = together

    def _rows(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
        try:
            return self._db.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise _in_words(self.path, error) from error

    # --- assignments and blobs

    def save_assignments(self, assignments: Iterable[Assignment], blobs: Mapping[str, bytes]) -> None:
        """Store assignments together with the blobs that came with them: both or neither."""
        rows = [(a.application, a.uid, a.generation, a.digest, encode(a)) for a in assignments]
        with self._write() as db:
            if blobs:
                db.executemany("INSERT OR IGNORE INTO blobs VALUES (?, ?)", list(blobs.items()))
            db.executemany(
                "INSERT OR REPLACE INTO assignments (application, uid, generation, digest, deleted, content)"
                " VALUES (?, ?, ?, ?, 0, ?)",
                rows,
            )
        self._recent.put(blobs)

    def save_blobs(self, blobs: Mapping[str, bytes]) -> None:
        with self._write() as db:
            db.executemany("INSERT OR IGNORE INTO blobs VALUES (?, ?)", list(blobs.items()))
        self._recent.put(blobs)

    def assignments(self) -> list[Assignment]:
        """Return every assignment in force."""
        rows = self._rows("SELECT content FROM assignments WHERE deleted = 0")
        return [decode(Assignment, content) for (content,) in rows]

    def inventory(self) -> list[Held]:
        """Return what is held, tombstones carried out included, sorted by application."""
        rows = self._rows("SELECT application, uid, generation, digest, deleted FROM assignments ORDER BY application")
        return [Held(a, u, g, d, bool(x)) for a, u, g, d, x in rows]

    def bury(self, application: str) -> None:
        """The application's tombstone has been carried out: forget all but that."""
        self._kinds.pop(application, None)
        with self._write() as db:
            db.execute("UPDATE assignments SET deleted = 1 WHERE application = ?", (application,))
            for table in ("kinds", "judged", "attempts", "synced"):
                db.execute(f"DELETE FROM {table} WHERE application = ?", (application,))  # noqa: S608 - constant names
            db.execute("UPDATE drifts SET standing = 0 WHERE application = ?", (application,))
            db.execute("DELETE FROM drifts WHERE application = ? AND reported = 1", (application,))

    def blob(self, digest: str) -> bytes | None:
        recent = self._recent.get(digest)
        if recent is not None:
            return recent
        rows = self._rows("SELECT content FROM blobs WHERE digest = ?", (digest,))
        return rows[0][0] if rows else None

    def each_blob(self, digests: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Yield those of the blobs that are held, a few hundred in memory at a time."""
        older = []
        for digest in digests:
            recent = self._recent.get(digest)
            if recent is None:
                older.append(digest)
            else:
                yield digest, recent
        for chunk in _chunks(older):
            marks = ",".join("?" * len(chunk))
            query = f"SELECT digest, content FROM blobs WHERE digest IN ({marks})"  # noqa: S608 - only question marks
            yield from self._rows(query, tuple(chunk))

    def blobs(self, digests: Collection[str]) -> dict[str, bytes]:
        """Return those of the blobs that are held."""
        return dict(self.each_blob(digests))

    def missing_blobs(self, digests: Collection[str]) -> list[str]:
        """Return those that are not held, each once, in the order given."""
        held: set[str] = set()
        for chunk in _chunks(list(digests)):
            marks = ",".join("?" * len(chunk))
            query = f"SELECT digest FROM blobs WHERE digest IN ({marks})"  # noqa: S608 - only question marks
            held.update(digest for (digest,) in self._rows(query, tuple(chunk)))
        return [d for d in dict.fromkeys(digests) if d not in held]

    def collect_blobs(self, needed: set[str]) -> int:
        """Remove blobs that nothing names any more; returns how many."""
        surplus = [(d,) for (d,) in self._rows("SELECT digest FROM blobs") if d not in needed]
        for (digest,) in surplus:
            self._recent.drop(digest)
        if surplus:
            with self._write() as db:
                db.executemany("DELETE FROM blobs WHERE digest = ?", surplus)
        return len(surplus)

    # --- what has been applied and judged

    def add_kinds(self, application: str, kinds: Iterable[GroupKind]) -> None:
        """Remember kinds before the first object of theirs is applied: they are watched until pruned."""
        known = self.kinds_of(application)
        fresh = [k for k in kinds if k not in known]
        if fresh:
            with self._write() as db:
                db.executemany("INSERT OR IGNORE INTO kinds VALUES (?, ?, ?)", [(application, *k) for k in fresh])
            self._kinds.pop(application, None)

    def kinds_of(self, application: str) -> frozenset[GroupKind]:
        known = self._kinds.get(application)
        if known is None:
            rows = self._rows("SELECT grp, kind FROM kinds WHERE application = ?", (application,))
            known = self._kinds[application] = frozenset(GroupKind(group, kind) for group, kind in rows)
        return known

    def save_judged(self, application: str, judged: Mapping[ResourceKey, Judged | None]) -> None:
        """Store verdicts; None removes one."""
        gone = [(application, *key) for key, verdict in judged.items() if verdict is None]
        rows = [(application, *key, v.digest, v.content_hash) for key, v in judged.items() if v is not None]
        with self._write() as db:
            db.executemany("INSERT OR REPLACE INTO judged VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            if gone:
                where = "application = ? AND grp = ? AND kind = ? AND namespace = ? AND name = ?"
                db.executemany(f"DELETE FROM judged WHERE {where}", gone)  # noqa: S608 - constant

    def judged(self, application: str) -> dict[ResourceKey, Judged]:
        rows = self._rows(
            "SELECT grp, kind, namespace, name, digest, hash FROM judged WHERE application = ?", (application,)
        )
        return {ResourceKey(g, k, ns, n): Judged(d, h) for g, k, ns, n, d, h in rows}

    def save_synced(self, application: str, manifest_set: str, revision: bytes) -> None:
        with self._write() as db:
            db.execute("INSERT OR REPLACE INTO synced VALUES (?, ?, ?)", (application, manifest_set, revision))

    def synced(self) -> dict[str, tuple[str, bytes]]:
        """application → (manifest set last synced in full, its revision as encoded)."""
        return {a: (m, r) for a, m, r in self._rows("SELECT application, manifest_set, revision FROM synced")}

    def save_attempts(self, application: str, attempts: Attempts) -> None:
        with self._write() as db:
            db.execute("INSERT OR REPLACE INTO attempts VALUES (?, ?)", (application, encode(attempts)))

    def attempts(self, application: str) -> Attempts:
        rows = self._rows("SELECT content FROM attempts WHERE application = ?", (application,))
        return decode(Attempts, rows[0][0]) if rows else Attempts()

    # --- operations and drift, until the hub has them

    def save_operation(self, state: OperationState) -> None:
        """Write how an operation stands; a finished one waits to be reported. Of an application's reported ones about
        the last 20 are kept, and apart from them the last 20 that somebody asked for, and the one its assignment asks
        for: a hub restored from a backup asks for an earlier one again, and none must be run twice."""
        finished, automated = int(state.phase.finished), int(state.initiated_by == "automated")
        with self._write() as db:
            self._write_reported(db)
            db.execute(
                "INSERT INTO operations (id, application, finished, automated, started_ms, content)"
                " VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET finished = excluded.finished, content = excluded.content",
                (state.id, state.application, finished, automated, state.started_ms, encode(state)),
            )
            self._finished_saved += finished
            if self._finished_saved >= _FINISHED_KEPT:
                self._finished_saved = 0
                db.execute(
                    "DELETE FROM operations WHERE finished = 1 AND reported = 1 AND id IN (SELECT id FROM"
                    " (SELECT id, row_number() OVER (PARTITION BY application, automated ORDER BY started_ms DESC)"
                    " AS place FROM operations) WHERE place > ?) AND id NOT IN (SELECT id FROM asked_for)",
                    (_FINISHED_KEPT,),
                )

    def operation(self, id: str) -> OperationState | None:
        rows = self._rows("SELECT content FROM operations WHERE id = ?", (id,))
        return decode(OperationState, rows[0][0]) if rows else None

    def unfinished_operations(self) -> list[OperationState]:
        """What was running when the agent died."""
        rows = self._rows("SELECT content FROM operations WHERE finished = 0 ORDER BY started_ms")
        return [decode(OperationState, content) for (content,) in rows]

    def last_operations(self) -> dict[str, OperationState]:
        """application → its newest operation: the one that is not over, whatever the clock said when it began."""
        rows = self._rows(
            "SELECT application, content FROM (SELECT application, content, row_number() OVER"
            " (PARTITION BY application ORDER BY finished, started_ms DESC) AS place FROM operations) WHERE place = 1"
        )
        return {application: decode(OperationState, content) for application, content in rows}

    def unreported_operations(self, limit: int = 100) -> list[OperationState]:
        # What the hub has is among them until it is written down; nothing is written here, where the disk may be full.
        rows = self._rows(
            "SELECT id, content FROM operations WHERE finished = 1 AND reported = 0 ORDER BY started_ms LIMIT ?",
            (limit + len(self._reported),),
        )
        return [decode(OperationState, content) for id, content in rows if id not in self._reported][:limit]

    def mark_operations_reported(self, ids: Iterable[str]) -> None:
        """Note that the hub has these. Written with the next operation: should the agent be killed before that, the hub
        is told of them once more, and takes them for what they are."""
        self._reported.update(dict.fromkeys(ids))
        if len(self._reported) >= _REPORTED_NOTED:
            with self._write() as db:
                self._write_reported(db)

    def report_operations_again(self) -> None:
        """The hub has forgotten what it was told: all finished operations that are kept wait to be reported."""
        self._reported.clear()
        with self._write() as db:
            db.execute("UPDATE operations SET reported = 0 WHERE finished = 1")

    def _write_reported(self, db: sqlite3.Connection) -> None:
        if self._reported:
            db.executemany("UPDATE operations SET reported = 1 WHERE id = ?", [(i,) for i in self._reported])
            self._reported.clear()

    def save_drift(self, id: str, application: str, seen_ms: int, content: bytes, *, standing: bool) -> None:
        """Keep a drift report until the hub has it, and for as long as it stands. Beyond 1,000 the oldest give way."""
        self._drifts_saved += 1
        with self._write() as db:
            db.execute(
                "INSERT OR REPLACE INTO drifts (id, application, seen_ms, standing, content) VALUES (?, ?, ?, ?, ?)",
                (id, application, seen_ms, int(standing), content),
            )
            if self._drifts_saved > _DRIFTS_KEPT / 10:
                self._drifts_saved = 0
                db.execute(
                    "DELETE FROM drifts WHERE id IN (SELECT id FROM drifts ORDER BY seen_ms DESC LIMIT -1 OFFSET ?)",
                    (_DRIFTS_KEPT,),
                )

    def drifts(self, limit: int = 200) -> list[bytes]:
        """Return drift reports the hub has not acknowledged, oldest first."""
        rows = self._rows("SELECT content FROM drifts WHERE reported = 0 ORDER BY seen_ms LIMIT ?", (limit,))
        return [content for (content,) in rows]

    def standing_drifts(self, application: str) -> list[bytes]:
        """Return the reports of an application's drifts that were not healed yet."""
        rows = self._rows("SELECT content FROM drifts WHERE application = ? AND standing = 1", (application,))
        return [content for (content,) in rows]

    def forget_drifts(self, reported: Mapping[str, bytes]) -> None:
        """The hub has these: they go, but those that still stand, and those that changed since they were sent."""
        rows = list(reported.items())
        with self._write() as db:
            db.executemany("DELETE FROM drifts WHERE id = ? AND content = ? AND standing = 0", rows)
            db.executemany("UPDATE drifts SET reported = 1 WHERE id = ? AND content = ?", rows)

    # --- odds and ends

    def get(self, key: str) -> str | None:
        rows = self._rows("SELECT value FROM meta WHERE key = ?", (key,))
        return rows[0][0] if rows else None

    def put(self, key: str, value: str) -> None:
        with self._write() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def _chunks(items: list[str], size: int = 500) -> Iterator[list[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
