"""What becomes of assignments that come in: vouched for, complete, on disk, and otherwise refused. And of settings.

What the disk has no room for is refused, so that the hub can say so, and tried again: the hub has said it once.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agent.engine.assignment import Assignment
from agent.errors import LinkError, StorageError
from agent.hubclient import convert
from agent.hubclient.blobs import BlobGone, checked, fetch
from escadre.v1 import agent_pb2 as pb

log = logging.getLogger(__name__)

STORE_FIRST_SECONDS = 5.0
"""How long after an assignment could not be stored it is tried again."""
STORE_CAP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """What became of one assignment."""

    application: str
    uid: str
    generation: int
    refusal: str = ""
    message: str = ""
    held_generation: int = 0


class Taker(Protocol):
    """Who stores assignments and sets them to work."""

    def missing(self, assignments: Iterable[Assignment], offered: Mapping[str, bytes]) -> list[str]: ...

    def accept(self, assignments: Iterable[Assignment], blobs: Mapping[str, bytes]) -> Sequence[Arrival]: ...

    def take_settings(self, content: bytes, cluster_names: Sequence[str]) -> None: ...


class Voucher(Protocol):
    """Who knows the hub's signatures."""

    def verify(self, digest: str, signature: str, key_id: str) -> bool: ...


class Intake:
    """Of one stream."""

    def __init__(
        self,
        trust: Voucher,
        taker: Taker,
        stub: Any,
        refuse: Callable[[pb.Refusals], Awaitable[None]],
        heard: Callable[[], None],
    ) -> None:
        """`heard` is called for all that comes of what is fetched: the stream is not read meanwhile."""
        self._trust = trust
        self._taker = taker
        self._stub = stub
        self._refuse = refuse
        self._heard = heard
        self._taking = asyncio.Lock()
        self._unstored: dict[str, pb.Assignment] = {}
        """Application → the newest assignment that the disk had no room for."""
        self._unstored_settings: pb.Settings | None = None

    async def take(self, message: pb.Assignments) -> None:
        """Take what the hub has sent. Raises LinkError when it is not what it claims to be."""
        async with self._taking:
            for assignment in message.items:
                self._unstored.pop(assignment.application, None)
            await self._store(message)

    async def take_settings(self, message: pb.Settings) -> None:
        """Have the system-wide settings stored and put in force."""
        async with self._taking:
            self._store_settings(message)

    def _store_settings(self, message: pb.Settings) -> None:
        self._unstored_settings = None
        if hashlib.sha256(message.content).digest() != message.digest:
            log.error("the system-wide settings that came are not what their digest says; those held stay in force")
            return
        try:
            self._taker.take_settings(message.content, list(message.cluster_names))
        except StorageError as error:
            log.error("the system-wide settings cannot be stored, those held stay in force: %s", error)
            self._unstored_settings = message

    async def run(self) -> None:
        """Try again to store what the disk had no room for: the hub has said it, and will not say it again."""
        pause = STORE_FIRST_SECONDS
        while True:
            await asyncio.sleep(pause)
            async with self._taking:
                if self._unstored_settings is not None:
                    self._store_settings(self._unstored_settings)
                waiting, self._unstored = self._unstored, {}
                if waiting:
                    await self._store(pb.Assignments(items=waiting.values()))
            full = self._unstored or self._unstored_settings is not None
            pause = min(1.5 * pause, STORE_CAP_SECONDS) if full else STORE_FIRST_SECONDS

    async def _store(self, message: pb.Assignments) -> None:
        assignments = [convert.assignment_from_proto(a) for a in message.items]
        refused = [a for a in assignments if not self._vouched(a)]
        good = [a for a in assignments if a not in refused] if refused else assignments
        offered = checked(message.blobs)
        arrivals: list[Arrival] = [_unvouched(a) for a in refused]
        good, dropped = await self._complete(good, offered)
        arrivals += [_incomplete(a) for a in dropped]
        if good:
            arrivals += self._accept(good, offered, message)
        # What was taken needs no word of its own: the next status names its generation, and by that acknowledges it.
        refusals = [
            pb.Refusal(
                application=a.application,
                uid=a.uid,
                generation=a.generation,
                code=a.refusal,
                message=a.message,
                held_generation=a.held_generation,
            )
            for a in arrivals
            if a.refusal
        ]
        if refusals:
            await self._refuse(pb.Refusals(items=refusals))

    async def _complete(
        self, assignments: list[Assignment], offered: dict[str, bytes]
    ) -> tuple[list[Assignment], list[Assignment]]:
        """Fetch what these assignments lack. Returns those to be taken, and those of which the hub has not all.

        Mostly it has moved on, and a newer one is on its way. The others that came along are none the worse for it, and
        a tombstone is carried out all the same.
        """
        taken, bare, dropped = assignments, list[Assignment](), list[Assignment]()
        while missing := self._taker.missing(taken, offered):
            try:
                await fetch(self._stub, missing, offered, self._heard)
            except BlobGone as gone:
                lacking = [a for a in taken if gone.digest in self._taker.missing([a], offered)]
                if not lacking:
                    raise LinkError(f"blob {gone.digest[:12]} is gone from the hub") from gone
                names = {a.application for a in lacking}
                log.warning("the hub has blob %s no more, of: %s", gone.digest[:12], ", ".join(sorted(names)))
                taken = [a for a in taken if a.application not in names]
                bare += [a for a in lacking if a.deletion is not None]
                dropped += [a for a in lacking if a.deletion is None]
        return taken + bare, dropped

    def _accept(self, good: list[Assignment], blobs: Mapping[str, bytes], message: pb.Assignments) -> Sequence[Arrival]:
        """Have them stored; what cannot be is refused, which tells the hub why, and tried again later."""
        try:
            return self._taker.accept(good, blobs)
        except StorageError as error:
            log.error("assignments cannot be stored: %s", error)
            mine = {a.application for a in good}
            self._unstored.update({item.application: item for item in message.items if item.application in mine})
            return [Arrival(a.application, a.uid, a.generation, "not-stored", str(error)) for a in good]

    def _vouched(self, assignment: Assignment) -> bool:
        """Check the hub's signature over every manifest set the assignment names."""
        if assignment.deletion is not None:
            return True
        refs = [assignment.manifest_set] + ([assignment.operation.manifest_set] if assignment.operation else [])
        return all(self._trust.verify(r.digest, r.signature, r.key_id) for r in refs)


def _incomplete(assignment: Assignment) -> Arrival:
    message = "the hub no longer has all of its manifests; nothing of it was taken"
    return Arrival(assignment.application, assignment.uid, assignment.generation, "manifests-gone", message)


def _unvouched(assignment: Assignment) -> Arrival:
    message = "the hub's signature over the manifest set does not hold; nothing of it was taken"
    return Arrival(assignment.application, assignment.uid, assignment.generation, "bad-signature", message)
