"""One agent's stream: a mailbox of newest values going out, and what the hub knows of the agent meanwhile.

The mailbox holds one assignment per application and one of each control message, so an agent that does not read costs a
bounded amount of memory and nobody else's time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from escadre.v1 import agent_pb2 as pb
from hub.domain.assignment import Assignment
from hub.fleet import convert
from hub.fleet.quotas import Quota

BLOBS_PER_MESSAGE = 4 * 1024 * 1024
ASSIGNMENTS_PER_MESSAGE = 50
"""One message stays far below the link's limit, and the agent can begin with the first while more come."""


@dataclass(slots=True, eq=False)
class Session:
    """One open stream of one agent."""

    id: str
    cluster: str
    """The cluster's uid, from the certificate."""
    name: str
    serial: str
    expires_at: float
    """Unix time at which the certificate the stream was opened with runs out."""
    agent_version: str = ""
    simulated: bool = False
    peer: str = ""
    """The agent's address, as gRPC gives it."""
    connected_at: float = field(default_factory=time.time)
    heard: float = field(default_factory=time.monotonic)
    beat: float = field(default_factory=time.monotonic)
    assigned: set[str] = field(default_factory=set)
    """Applications assigned to this cluster: it may report on these and no others."""
    ready: bool = False
    """Agreement has been reached or is on its way: assignments may be dispatched."""
    quota: Quota = field(default_factory=Quota)
    """What the cluster may send, over all its streams."""
    inventories_due: int = 0
    """Inventories asked for and not yet received."""
    agreed: bool = False
    """The inventory digests were equal, or everything sent since has been acknowledged."""
    cluster_names: tuple[str, ...] = ()
    """By which the system-wide settings may name the cluster."""
    settings_digest: str = ""
    """Of the system-wide settings that the agent holds or is sent; "" until it was greeted."""
    _mailbox: dict[str, Assignment] = field(default_factory=dict)
    _blobs: dict[str, bytes] = field(default_factory=dict)
    _control: dict[str, pb.HubMessage] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    closing: str = ""
    """Why the stream is about to end; set by `close`."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by `close`."""
    reports_under_way: int = 0
    """Reports taken and not yet in the store."""

    def put_assignments(self, assignments: Iterable[Assignment]) -> None:
        """Newest value per application; an older generation never replaces a newer one."""
        for assignment in assignments:
            application = assignment.content.application
            waiting = self._mailbox.get(application)
            if waiting is None or waiting.generation <= assignment.generation:
                self._mailbox[application] = assignment
                self.assigned.add(application)
        self._wake.set()

    def put_blobs(self, key: str, message: bytes) -> None:
        """Send blobs along with the next assignments: an Assignments message with nothing else, encoded once for all
        agents."""
        self._blobs[key] = message
        self._wake.set()

    def put_control(self, key: str, message: pb.HubMessage) -> None:
        """Send a control message; a newer one of the same key replaces one that has not been sent yet. Nothing comes
        after the goodbye."""
        if self.closing:
            return
        self._control[key] = message
        self._wake.set()

    def take_back(self, key: str) -> bool:
        """Do not send a control message after all. Returns whether it was still here."""
        return self._control.pop(key, None) is not None

    def put_first(self, key: str, message: pb.HubMessage) -> None:
        """Send a control message before all others that wait."""
        if self.closing:
            return
        self._control = {key: message, **self._control}
        self._wake.set()

    def close(self, reason: str, message: str = "", retry_after: float = 0.0) -> None:
        """Say goodbye, then end the stream. Of several reasons the first counts."""
        if self.closing:
            return
        goodbye = pb.Goodbye(reason=reason, message=message, retry_after_seconds=retry_after)
        self._control = {"goodbye": pb.HubMessage(goodbye=goodbye)}
        self.closing = reason
        self.ended.set()
        self._wake.set()

    @property
    def said_goodbye(self) -> bool:
        """Whether the last that is to be sent was handed out."""
        return bool(self.closing) and not self._control

    async def overdue(self, grace: float) -> None:
        """Return once the stream should have ended: `grace` seconds after it was closed. Its writer may be stuck with
        what an agent does not take, and would never come to the goodbye."""
        await self.ended.wait()
        await asyncio.sleep(grace)

    async def outgoing(self) -> list[pb.HubMessage | bytes]:
        """Wait for something to send and return all of it, in an order that makes sense to the agent."""
        await self._wake.wait()
        self._wake.clear()
        if not self.ready and not self.closing:
            # Welcome comes first: what was put in meanwhile goes right behind it.
            return []
        messages: list[pb.HubMessage | bytes] = list(self._control.values())
        self._control.clear()
        if self.closing:
            return messages
        assignments = list(self._mailbox.values())
        self._mailbox.clear()
        # Without assignments they wait for those they are to go along with.
        blobs = self._take_blobs() if assignments else b""
        for start in range(0, len(assignments), ASSIGNMENTS_PER_MESSAGE):
            items = [convert.assignment_to_proto(a) for a in assignments[start : start + ASSIGNMENTS_PER_MESSAGE]]
            encoded = pb.Assignments(items=items).SerializeToString()
            messages.append(_wrapped(blobs + encoded))
            blobs = b""
        return messages

    def _take_blobs(self) -> bytes:
        """Return what goes along, up to a limit: what is left out the agent fetches."""
        taken, size = [], 0
        for message in self._blobs.values():
            size += len(message)
            if size > BLOBS_PER_MESSAGE:
                break
            taken.append(message)
        self._blobs.clear()
        return b"".join(taken)


def _wrapped(assignments: bytes) -> bytes:
    """Return an encoded HubMessage around encoded Assignments. Encoded messages put one behind the other are one
    message with the fields of both, which is how blobs encoded once go along with each agent's own assignments."""
    return bytes([_ASSIGNMENTS_TAG]) + _varint(len(assignments)) + assignments


_ASSIGNMENTS_TAG = pb.HubMessage.ASSIGNMENTS_FIELD_NUMBER << 3 | 2


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
