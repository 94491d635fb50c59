"""The agent's one composition root: what it is made of, started in order, stopped in reverse.

`Agent` takes a client and an identity, so that benches and tests put a thousand of them into one process; `run` is what
the program does with its configuration.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import signal
import uuid
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from agent import __version__
from agent.config import AgentConfig
from agent.errors import ConfigError
from agent.hubclient import convert
from agent.hubclient.enrol import Enroller
from agent.hubclient.enrolment import ensure_enrolled, recover_if_expired
from agent.hubclient.link import Link, LinkOptions, Trust
from agent.hubclient.outbox import Outbox
from agent.hubclient.renewal import keep_renewed
from agent.kube import errors
from agent.kube.client import KubeClient
from agent.storage import Storage
from agent.syncer.manager import Syncer
from escadre.v1 import agent_pb2 as pb

if TYPE_CHECKING:
    from agent.kube.simulated import SimulatedCluster

log = logging.getLogger(__name__)

SIMULATED_ROLLOUT_SECONDS = 0.5

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


class Agent:
    """One cluster's agent: storage, syncer and link."""

    def __init__(
        self,
        client: KubeClient,
        storage: Storage,
        trust: Trust,
        *,
        server: str = "",
        options: LinkOptions | None = None,
    ) -> None:
        self._client = client
        self._storage = storage
        self._server = server
        self._options = options or LinkOptions(agent_version=__version__)
        self.outbox = Outbox(storage)
        self.syncer = Syncer(client, storage, self.outbox)
        boot_id = str(uuid.uuid4())
        self.link = Link(trust, self.syncer, self.outbox, self._capabilities, boot_id, self._options)

    async def run(self) -> None:
        """Work until cancelled. The cluster is kept as assigned from the first moment, hub or no hub."""
        await self.syncer.start()
        try:
            await self.link.run()
        finally:
            await self.syncer.stop()

    async def _capabilities(self) -> pb.Capabilities:
        """What the cluster serves; nothing while its API server is away, for the link does not wait for it."""
        try:
            discovery = await self._client.discover()
        except errors.KubeError as error:
            log.warning("the cluster's API does not answer: %s", error)
            return pb.Capabilities()
        cluster_kinds = sorted({f"{k.group}/{k.kind}" for k in discovery.kinds.values() if not k.namespaced})
        return convert.capabilities_to_proto(discovery.version, discovery.api_versions(), cluster_kinds, self._server)


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster an agent works on."""

    client: KubeClient
    server: str
    serve: Callable[[], Coroutine[None, None, None]] | None = None
    """Runs beside the agent: a simulated cluster's control socket."""


async def run(config: AgentConfig) -> None:
    """Enrol where needed, then work until a signal. Raises AgentError."""
    config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _only_one(config.data_dir):
        # Before the token, which is for one use: a kubeconfig that cannot be read must not cost it.
        cluster = open_cluster(config)
        work = asyncio.create_task(_work(config, cluster))
        try:
            await _until_signal(work)
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await cluster.client.close()


async def _work(config: AgentConfig, cluster: Cluster) -> None:
    """Enrol where needed, then work until cancelled."""
    enroller = Enroller(__version__)
    identity = await ensure_enrolled(
        enroller,
        config.data_dir,
        hub=config.hub,
        ca_pin=config.ca_pin,
        token_file=config.token_file,
        gateway=config.gateway,
    )
    await recover_if_expired(enroller, identity)
    storage = Storage(config.data_dir / "agent.db")
    options = LinkOptions(agent_version=__version__, simulated=config.simulate)
    agent = Agent(cluster.client, storage, identity, server=cluster.server, options=options)
    tasks = [
        asyncio.create_task(agent.run()),
        asyncio.create_task(keep_renewed(enroller, identity, agent.link)),
    ]
    if cluster.serve is not None:
        tasks.append(asyncio.create_task(cluster.serve()))
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        storage.close()


def open_cluster(config: AgentConfig) -> Cluster:
    """Return the cluster the configuration names. Raises ConfigError."""
    if config.simulate:
        from agent.kube.simulated import SimulatedCluster

        simulated = SimulatedCluster(config.data_dir / "cluster.db", rollout_seconds=SIMULATED_ROLLOUT_SECONDS)
        return Cluster(simulated, "", partial(_serve_control, simulated, config.data_dir))
    from agent.kube.cluster import ClusterClient
    from agent.kube.kubeconfig import in_cluster, load_kubeconfig

    if config.in_cluster or (config.kubeconfig is None and config.context is None and SERVICE_ACCOUNT.exists()):
        connection = in_cluster()
    else:
        connection = load_kubeconfig(config.kubeconfig, config.context)
    client = ClusterClient(connection, max_in_flight=config.max_in_flight)
    return Cluster(client, connection.server)


async def _serve_control(cluster: SimulatedCluster, data_dir: Path) -> None:
    from agent.kube.simulated.control import SOCKET_NAME, ControlServer

    server = await ControlServer.start(cluster, data_dir / SOCKET_NAME)
    try:
        await asyncio.Event().wait()
    finally:
        await server.close()


async def _until_signal(work: asyncio.Task[None]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    waiter = asyncio.create_task(stop.wait())
    try:
        done, _ = await asyncio.wait([waiter, work], return_when=asyncio.FIRST_COMPLETED)
        if work in done:
            await work
    finally:
        waiter.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiter


@contextlib.contextmanager
def _only_one(data_dir: Path) -> Iterator[None]:
    with (data_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(f"another agent uses {data_dir}: give each agent a data directory of its own") from error
        yield
