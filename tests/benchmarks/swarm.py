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
        return {name: getattr(swarm, name) for name in Swarm.COMMANDS}

    serve(pipe, build)


def request(directory: Path) -> bytes:
    """Make an agent's key; returns its certificate signing request."""
    directory.mkdir(parents=True)
    return create(directory)


def install(directory: Path, name: str, port: int, enrolled: dict[str, Any]) -> Identity:
    """Give an agent the identity that the hub issued, as enrolment would."""
    uid, certificate, not_before, not_after = enrolled[name]
    link = LinkState("localhost:1", f"localhost:{port}", name, uid, not_before, not_after)
    return Identity.install(directory, link, certificate, TrustBundle(*enrolled[""]))


class Swarm:
    COMMANDS = ("requests", "start", "connected", "stop")

    def __init__(self, root: Path, names: list[str]) -> None:
        self._root = root
        self._names = names
        self._tasks: list[asyncio.Task[None]] = []
        self._agents: list[Agent] = []
        self._clusters: list[SimulatedCluster] = []
        self._storages: list[Storage] = []

    async def requests(self) -> dict[str, bytes]:
        return {name: request(self._root / name) for name in self._names}

    async def start(self, port: int, enrolled: dict[str, Any]) -> None:
        for name in self._names:
            identity = install(self._root / name, name, port, enrolled)
            storage = Storage(self._root / name / "agent.db")
            cluster = SimulatedCluster()
            agent = Agent(cluster, storage, identity, options=LinkOptions(agent_version="bench", simulated=True))
            self._storages.append(storage)
            self._clusters.append(cluster)
            self._agents.append(agent)
            self._tasks.append(asyncio.create_task(agent.run()))
            await asyncio.sleep(0)
        # Hundreds of agents share this process, which none does in the field: what one would never meet, a full
        # collection over the objects of all the others, is put off.
        gc.freeze()
        gc.set_threshold(100_000, 50, 100)

    async def connected(self) -> int:
        """How many agents have been welcomed."""
        return sum(agent.outbox.connected for agent in self._agents)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for cluster in self._clusters:
            await cluster.close()
        for storage in self._storages:
            storage.close()
