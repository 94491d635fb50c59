"""Outcomes of dry runs, kept for the applies that mostly follow them.

The same manifest laid over the same version of an object by the same manager gives the same object, so whoever tries
an apply before it is made has most of it done already.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import orjson

from agent.engine.resource import Object
from agent.kube.simulated.kinds import Resource
from agent.kube.simulated.storage import Record

MAX_BYTES: Final = 64 * 1024
"""What one cluster keeps: a thousand clusters share a process."""


class _Outcome(NamedTuple):
    record: Record
    resource: Resource
    manager: str
    force: bool
    second: str
    manifest: bytes
    tree: bytes


class Rehearsals:
    """The outcomes of one cluster's latest dry runs of applies to objects that exist."""

    __slots__ = ("_outcomes", "_size")

    def __init__(self) -> None:
        self._outcomes: dict[str, _Outcome] = {}
        """By the object's uid, oldest first."""
        self._size = 0

    def note(
        self, record: Record, resource: Resource, manager: str, force: bool, second: str, manifest: bytes, tree: bytes
    ) -> None:
        """Keep what a dry run came to. `second` is the time it gave to what changed."""
        self._drop(record.uid)
        outcome = _Outcome(record, resource, manager, force, second, manifest, tree)
        size = _size(outcome)
        if size > MAX_BYTES:
            return
        self._outcomes[record.uid] = outcome
        self._size += size
        while self._size > MAX_BYTES:
            self._drop(next(iter(self._outcomes)))

    def take(
        self, record: Record, resource: Resource, manager: str, force: bool, second: str, manifest: bytes
    ) -> Object | None:
        """Return what the dry run of exactly this came to, once; None when there was none, or not this second."""
        outcome = self._drop(record.uid)
        if (
            outcome is None
            or outcome.record is not record
            or outcome.resource is not resource
            or (outcome.manager, outcome.force, outcome.second) != (manager, force, second)
            or outcome.manifest != manifest
        ):
            return None
        tree: Object = orjson.loads(outcome.tree)
        return tree

    def _drop(self, uid: str) -> _Outcome | None:
        outcome = self._outcomes.pop(uid, None)
        if outcome is not None:
            self._size -= _size(outcome)
        return outcome


def _size(outcome: _Outcome) -> int:
    return len(outcome.manifest) + len(outcome.tree)
