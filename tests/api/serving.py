"""A hub on a real port, and readers of its event streams."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2

from hub.api.listener import HttpsListener
from tests.api.kit import World

SECONDS = 10.0


@dataclass
class Event:
    name: str
    id: int
    data: dict[str, Any]


@dataclass
class Served:
    world: World
    port: int
    listener: HttpsListener

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def context(self) -> ssl.SSLContext:
        """What trusts this hub, and no other."""
        authorities = self.world.services.enrolments.authorities()["authorities"]
        return ssl.create_default_context(cadata="".join(authorities))

    @contextlib.asynccontextmanager
    async def client(self, name: str = "admin") -> AsyncIterator[httpx2.AsyncClient]:
        headers = {"Authorization": f"Bearer {await self.world.token(name)}"} if name else {}
        async with httpx2.AsyncClient(
            base_url=self.url, verify=self.context(), headers=headers, timeout=SECONDS
        ) as client:
            yield client

    @contextlib.asynccontextmanager
    async def watch(self, path: str, name: str = "admin", *, last: int | None = None) -> AsyncIterator[Stream]:
        headers = {"Last-Event-ID": str(last)} if last is not None else {}
        async with (
            self.client(name) as client,
            client.stream("GET", path, headers=headers) as reply,
        ):
            yield Stream(reply)


class Stream:
    def __init__(self, reply: httpx2.Response) -> None:
        self.reply = reply
        self.heartbeats = 0
        self._lines = reply.aiter_lines()

    async def next(self) -> Event:
        """Return the next event; StopAsyncIteration at the end of the stream."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(SECONDS):
            while True:
                line = await anext(self._lines)
                if line.startswith(":"):
                    self.heartbeats += 1
                elif line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif fields:
                    return Event(fields["event"], int(fields["id"]), json.loads(fields["data"]))

    async def heartbeat(self) -> None:
        """Wait for the next heartbeat."""
        async with asyncio.timeout(SECONDS):
            while not (await anext(self._lines)).startswith(":"):
                pass
            self.heartbeats += 1

    async def until(self, name: str) -> Event:
        while True:
            event = await self.next()
            if event.name == name:
                return event

    async def ended(self) -> bool:
        """Read to the end."""
        with contextlib.suppress(StopAsyncIteration):
            while True:
                await self.next()
        return True
