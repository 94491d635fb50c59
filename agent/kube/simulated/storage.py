"""What a simulated API server keeps: objects, one counter of versions, and the recent changes of every kind.

Built so that a thousand clusters fit in one process. An object is kept as the JSON bytes of its last version:
small, safe to hand out (every reader parses its own copy), and ready for the disk. Tables exist only for
kinds that were written or watched. Changes are kept in one log a kind, which watches read at their own pace.
"""

from __future__ import annotations

import random
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, Protocol, TypeAlias

import orjson

from agent.engine.resource import GroupKind, Object
from agent.kube.client import EventType
from agent.kube.errors import KubeError
from agent.kube.simulated.kinds import Resource

HISTORY: Final = 100
"""Changes of a kind that are kept for watches to resume from."""
MAX_BACKLOG: Final = 20_000
"""Changes that are kept for a watch that is open but slow; a slower one has to list again."""

_RANDOM: Final = random.Random()  # noqa: S311 - object ids, not secrets
_NO_LABELS: Final[dict[str, str]] = {}


class Record:
    """One object as stored. A new version is a new record."""

    __slots__ = ("data", "deleting", "labels", "name", "namespace", "owners", "uid")

    def __init__(self, tree: Object, data: bytes) -> None:
        metadata = tree["metadata"]
        self.namespace: str = metadata.get("namespace", "")
        self.name: str = metadata["name"]
        self.uid: str = metadata["uid"]
        self.data = data
        labels = metadata.get("labels")
        self.labels: dict[str, str] = dict(labels) if labels else _NO_LABELS
        owners = metadata.get("ownerReferences")
        self.owners: tuple[str, ...] = tuple(owner["uid"] for owner in owners) if owners else ()
        self.deleting = "deletionTimestamp" in metadata

    def tree(self) -> Object:
        """Return the object, a copy of the caller's own."""
        tree: Object = orjson.loads(self.data)
        return tree


def _packed(tree: Object) -> bytes:
    # orjson gives out its work buffer, up to several KB for an object of a few hundred bytes: only a copy is small.
    return bytes(memoryview(orjson.dumps(tree)))


class Change(NamedTuple):
    """One entry of a kind's log."""

    version: int
    type: EventType
    record: Record
    before: Record | None
    """The version before, for watches whose selector it may have left or entered."""


class Follower(Protocol):
    """Reads a table's log at its own pace."""

    position: int
    """Number of the next entry to read."""

    def wake(self) -> None:
        """Look at the log again."""
        ...

    def cut(self, failure: KubeError) -> None:
        """End with an error."""
        ...


class Table:
    """The objects of one kind, and its recent changes."""

    __slots__ = ("dropped", "log", "objects", "resource", "start", "watches")

    def __init__(self, resource: Resource, dropped: int) -> None:
        self.resource = resource
        self.objects: dict[str, dict[str, Record]] = {}
        """By namespace, then name."""
        self.log: list[Change] = []
        self.start = 0
        """Number of the log's first entry, counted since the table was made."""
        self.dropped = dropped
        """Watches from before this version cannot be resumed: the log does not reach back so far."""
        self.watches: list[Follower] = []

    def find(self, namespace: str, name: str) -> Record | None:
        """Return an object, or None."""
        names = self.objects.get(namespace)
        return names.get(name) if names else None

    def records(self, namespace: str = "") -> Iterator[Record]:
        """Yield all objects, or those of one namespace."""
        if namespace:
            yield from self.objects.get(namespace, {}).values()
            return
        for names in self.objects.values():
            yield from names.values()

    def position(self, version: int) -> int:
        """Return the number of the first entry after a version."""
        return self.start + bisect_right(self.log, version, key=lambda change: change.version)

    def append(self, change: Change) -> None:
        """Add to the log, and wake the watches."""
        log = self.log
        log.append(change)
        if len(log) > 2 * HISTORY:
            self._trim()
        for watch in self.watches:
            watch.wake()

    def _trim(self) -> None:
        end = self.start + len(self.log)
        keep = min((watch.position for watch in self.watches), default=end)
        first = max(min(end - HISTORY, keep), end - MAX_BACKLOG)
        if first > self.start:
            self.dropped = self.log[first - self.start - 1].version
            del self.log[: first - self.start]
            self.start = first

    def forget(self, version: int) -> None:
        """Drop the whole log: every watch that is resumed has to list again."""
        self.start += len(self.log)
        self.log.clear()
        self.dropped = version


ObjectKey: TypeAlias = tuple[GroupKind, str, str]
"""Kind, namespace, name."""


class Recorder(Protocol):
    """Takes down what changes."""

    def note(self, key: ObjectKey, data: bytes | None, version: int) -> None:
        """An object has a new state, None when it is gone, as of a version."""
        ...


Observer: TypeAlias = Callable[[Table, EventType, Record, Object], None]


class Storage:
    """All objects of one cluster."""

    __slots__ = ("_clock", "_random", "_stamp", "_stamp_second", "floor", "observers", "recorder", "tables", "version")

    def __init__(self, clock: Callable[[], float] = time.time, seed: int | None = None) -> None:
        self._clock = clock
        self._random = _RANDOM if seed is None else random.Random(seed)  # noqa: S311 - object ids, not secrets
        self._stamp = ""
        self._stamp_second = -1
        self.version = 1
        self.floor = self.version
        """No log of any kind reaches back before this version."""
        self.tables: dict[GroupKind, Table] = {}
        self.recorder: Recorder | None = None
        self.observers: list[Observer] = []
        """Called after every change, in order."""

    def table(self, resource: Resource) -> Table:
        """Return the table of a kind, making it when it is not there."""
        group_kind = resource.kind.group_kind
        table = self.tables.get(group_kind)
        if table is None:
            table = self.tables[group_kind] = Table(resource, self.floor)
        return table

    def find(self, group_kind: GroupKind, namespace: str, name: str) -> Record | None:
        """Return an object of any kind, or None."""
        table = self.tables.get(group_kind)
        return table.find(namespace, name) if table else None

    def put(self, table: Table, tree: Object, before: Record | None) -> Record:
        """Store a new version of an object; its resourceVersion is set in `tree`."""
        self.version = version = self.version + 1
        metadata = tree["metadata"]
        metadata["resourceVersion"] = str(version)
        record = Record(tree, _packed(tree))
        table.objects.setdefault(record.namespace, {})[record.name] = record
        event = EventType.MODIFIED if before else EventType.ADDED
        self._changed(table, Change(version, event, record, before), tree)
        return record

    def restore(self, table: Table, tree: Object) -> Record:
        """Put back an object as it was saved: nobody is told."""
        record = Record(tree, _packed(tree))
        table.objects.setdefault(record.namespace, {})[record.name] = record
        return record

    def restart(self, version: int) -> None:
        """Go on counting after a version, with no history before it."""
        self.version = self.floor = version

    def remove(self, table: Table, before: Record, tree: Object) -> None:
        """Remove an object for good; `tree` is its last state."""
        self.version = version = self.version + 1
        tree["metadata"]["resourceVersion"] = str(version)
        names = table.objects[before.namespace]
        del names[before.name]
        if not names:
            del table.objects[before.namespace]
        record = Record(tree, _packed(tree))
        self._changed(table, Change(version, EventType.DELETED, record, before), tree)

    def _changed(self, table: Table, change: Change, tree: Object) -> None:
        record = change.record
        if self.recorder is not None:
            key = (table.resource.kind.group_kind, record.namespace, record.name)
            self.recorder.note(key, None if change.type is EventType.DELETED else record.data, change.version)
        table.append(change)
        for observer in self.observers:
            observer(table, change.type, record, tree)

    def forget_history(self) -> None:
        """Drop every log: whoever resumes a watch now has to list again."""
        self.version += 1
        self.floor = self.version
        for table in self.tables.values():
            table.forget(self.version)

    def uid(self) -> str:
        """Return a new random UUID."""
        text = f"{self._random.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    def now(self) -> str:
        """Return the time as objects carry it, in whole seconds."""
        second = int(self._clock())
        if second != self._stamp_second:
            self._stamp_second = second
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))
        return self._stamp
