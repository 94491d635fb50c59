"""The bus: how the hub's roles wake one another.

A message says only that something changed; what changed is read from the store. So a lost message costs at most one
poll interval, and a doubled one nothing.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

Topic = Literal[
    "applications",
    "refresh",
    "pushes",
    "clusters",
    "assignments",
    "statuses",
    "revocations",
    "settings",
    "repositories",
    "queries",
    "previews",
    "answers",
]


class Subscription:
    """Messages of some topics since the subscription began. Keeps each distinct (topic, payload) once, so that a slow
    reader holds a bounded set, not a growing queue."""

    LIMIT = 10_000

    def __init__(self, topics: frozenset[str]) -> None:
        self.topics = topics
        self._pending: dict[tuple[str, str], None] = {}
        self._wake = asyncio.Event()

    def offer(self, topic: str, payload: str) -> None:
        if topic in self.topics:
            if len(self._pending) >= self.LIMIT:
                # Too many to tell apart: an empty payload means "anything may have changed".
                payload = ""
            self._pending[(topic, payload)] = None
            self._wake.set()

    async def next(self, timeout: float | None = None) -> list[tuple[str, str]]:
        """Wait for messages and return all pending ones; an empty list after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._wake.wait()
        except TimeoutError:
            return []
        self._wake.clear()
        messages = list(self._pending)
        self._pending.clear()
        return messages


class Bus(ABC):
    @abstractmethod
    async def publish(self, topic: Topic, payload: str = "") -> None:
        """Tell every subscriber in every replica. The payload is at most 7,000 bytes."""

    @abstractmethod
    def _register(self, subscription: Subscription) -> None: ...

    @abstractmethod
    def _unregister(self, subscription: Subscription) -> None: ...

    @asynccontextmanager
    async def subscribe(self, *topics: Topic) -> AsyncIterator[Subscription]:
        subscription = Subscription(frozenset(topics))
        self._register(subscription)
        try:
            yield subscription
        finally:
            self._unregister(subscription)

    async def close(self) -> None:
        """Release connections."""
        return


class InProcessBus(Bus):
    """For a hub that is one process."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()

    async def publish(self, topic: Topic, payload: str = "") -> None:
        for subscription in tuple(self._subscriptions):
            subscription.offer(topic, payload)

    def _register(self, subscription: Subscription) -> None:
        self._subscriptions.add(subscription)

    def _unregister(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)
