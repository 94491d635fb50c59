"""The gateway's parts by themselves: a real store, sessions without a stream, and stores that fail when told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from escadre.v1 import agent_pb2 as pb
from hub.domain.assignment import Assignment, AssignmentContent
from hub.errors import HubError
from hub.fleet.session import Session
from hub.store.contract import Store
from tests.store.builders import content

SHOP = "argocd/shop"
HOUR = 3600.0


def session(cluster: str = "u1", *, ready: bool = True, **values: Any) -> Session:
    """A session as the gateway has it once the agent was greeted."""
    given: dict[str, Any] = {"id": f"session-{cluster}", "name": f"cluster-{cluster}", "serial": f"serial-{cluster}"}
    return Session(cluster=cluster, expires_at=2**40, ready=ready, **(given | values))


def assigned(application: str = SHOP, generation: int = 1, cluster: str = "u1", **values: Any) -> Assignment:
    made = content(application, **values)
    return Assignment(cluster, made, generation, made.digest(), sequence=generation)


async def sent(of: Session) -> list[pb.HubMessage]:
    """What the writer would send now, decoded."""
    async with asyncio.timeout(5):
        return [m if isinstance(m, pb.HubMessage) else pb.HubMessage.FromString(m) for m in await of.outgoing()]


def kinds(messages: list[pb.HubMessage]) -> list[str | None]:
    return [message.WhichOneof("body") for message in messages]


def items(messages: list[pb.HubMessage]) -> dict[str, int]:
    """Of all assignments in these messages: application → generation."""
    return {a.application: a.generation for m in messages for a in m.assignments.items}


def blobs(messages: list[pb.HubMessage]) -> dict[str, bytes]:
    return {b.digest.hex(): b.content for m in messages for b in m.assignments.blobs}


async def assign(store: Store, *clusters: str, **values: Any) -> list[Assignment]:
    made: AssignmentContent = content(**values)
    return await store.assign([(cluster, made) for cluster in clusters])


class Watched:
    """A store whose calls are counted, and fail as often as told."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.calls: Counter[str] = Counter()
        self.arguments: dict[str, Any] = {}
        self.failures: dict[str, list[HubError]] = {}
        self.wrong: Callable[[str, Any], HubError | None] = lambda name, argument: None
        """Says of a call and its first argument what is wrong with it, every time."""

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._store, name)
        if not asyncio.iscoroutinefunction(value):
            return value

        async def call(*arguments: Any, **named: Any) -> Any:
            self.calls[name] += 1
            if arguments:
                self.arguments[name] = arguments[0]
            if self.failures.get(name):
                raise self.failures[name].pop(0)
            refused = self.wrong(name, arguments[0] if arguments else None)
            if refused is not None:
                raise refused
            return await value(*arguments, **named)

        return call


def watched(store: Store) -> Any:
    """Return the store as `Watched`, to be given wherever a store is wanted."""
    return Watched(store)


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Run something that never ends, until the context does. What it raises is raised."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
