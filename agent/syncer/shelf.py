"""What is on the disk, and what was fetched for one question beside it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from agent.engine.reconcile import Judged
from agent.engine.resource import ResourceKey
from agent.storage import Storage


class Shelf:
    """Reads as storage does; nothing that was fetched for a question is written down."""

    def __init__(self, storage: Storage, fetched: Mapping[str, bytes]) -> None:
        self._storage = storage
        self._fetched = fetched

    def blob(self, digest: str) -> bytes | None:
        found = self._fetched.get(digest)
        return found if found is not None else self._storage.blob(digest)

    def each_blob(self, digests: Collection[str]) -> Iterator[tuple[str, bytes]]:
        yield from ((digest, self._fetched[digest]) for digest in digests if digest in self._fetched)
        yield from self._storage.each_blob([digest for digest in digests if digest not in self._fetched])

    def blobs(self, digests: Collection[str]) -> dict[str, bytes]:
        return dict(self.each_blob(digests))

    def judged(self, application: str) -> dict[ResourceKey, Judged]:
        return self._storage.judged(application)
