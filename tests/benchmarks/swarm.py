"""Many agents in one process: each with its own certificate, connection, disk and simulated cluster."""

from __future__ import annotations

import asyncio
import gc
import logging
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from agent.agent import Agent
from agent.hubclient.identity import Identity, LinkState
from agent.hubclient.keys import create
from agent.hubclient.link import LinkOptions
from agent.hubclient.trust import TrustBundle
from agent.kube.simulated import SimulatedCluster
from agent.storage import Storage
from tests.benchmarks.host import Command, serve


def main(pipe: Connection, root: Path, names: list[str]) -> None:
    logging.basicConfig(level=logging.ERROR)

    async def build() -> dict[str, Command]:
        swarm = Swarm(root, names)
        return {"requests": swarm.requests, "start": swarm.start, "stop": swarm.stop}

    serve(pipe, build)


class Swarm:
    def __init__(self, root: Path, names: list[str]) -> None:
        self._root = root
        self._names = names
        self._tasks: list[asyncio.Task[None]] = []
        self._storages: list[Storage] = []

    async def requests(self) -> dict[str, bytes]:
        result = {}
        for name in self._names:
            directory = self._root / name
            directory.mkdir(parents=True)
            result[name] = create(directory)
        return result

    async def start(self, port: int, enrolled: dict[str, Any]) -> None:
        authorities, keys = enrolled[""]
        trust = TrustBundle(authorities, keys)
        for name in self._names:
            uid, certificate, not_before, not_after = enrolled[name]
            link = LinkState("localhost:1", f"localhost:{port}", name, uid, not_before, not_after)
            identity = Identity.install(self._root / name, link, certificate, trust)
            storage = Storage(self._root / name / "agent.db")
            options = LinkOptions(agent_version="bench", simulated=True, backoff_first_seconds=0.5, backoff_cap_seconds=5)
            agent = Agent(SimulatedCluster(), storage, identity, options=options)
            self._storages.append(storage)
            self._tasks.append(asyncio.create_task(agent.run()))
            await asyncio.sleep(0)
        # A thousand agents share this process, which none does in the field: what one would never meet, a full
        # collection over the objects of all the others, is put off.
        gc.freeze()
        gc.set_threshold(100_000, 50, 100)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for storage in self._storages:
            storage.close()
