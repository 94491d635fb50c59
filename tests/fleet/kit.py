"""A whole fleet in one test process: a real hub, real mutual TLS, real Git, agents with simulated clusters."""

from __future__ import annotations

import asyncio
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pygit2
import yaml

from agent.agent import Agent
from agent.hubclient.enrol import Enroller
from agent.hubclient.enrolment import recover_if_expired
from agent.hubclient.identity import Identity, LinkState
from agent.hubclient.keys import create
from agent.hubclient.link import LinkOptions
from agent.hubclient.renewal import keep_renewed
from agent.hubclient.trust import TrustBundle
from agent.kube.client import KubeClient
from agent.kube.simulated import SimulatedCluster
from agent.storage import Storage
from hub.config import Settings
from hub.domain.access import Event
from hub.domain.application import ApplicationId, Deletion
from hub.domain.cluster import Cluster
from hub.domain.status import ApplicationStatus
from hub.formats.objects import parse_objects
from hub.server import Hub
from tests.hub.quick import quick_start

QUICK = LinkOptions(agent_version="test", backoff_first_seconds=0.05, backoff_cap_seconds=0.5, simulated=True)


class Repository:
    """A Git repository that commits are made in."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # In this process: three of Git's for every commit would take longer than what is tested takes.
        self._repository = pygit2.init_repository(path, initial_head="main")

    @property
    def url(self) -> str:
        return f"file://{self.path}"

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false")
        command = ("git", *identity, *arguments)
        return subprocess.run(command, cwd=self.path, check=True, capture_output=True, text=True).stdout.strip()

    def write(self, path: str, *objects: Mapping[str, Any]) -> None:
        target = self.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(yaml.safe_dump_all(list(objects)))

    def commit(self, message: str = "change") -> str:
        """Commit all there is in the working tree. Returns the revision."""
        repository = self._repository
        repository.index.read()
        repository.index.add_all()
        repository.index.write()
        tree = repository.index.write_tree()
        parents = [] if repository.head_is_unborn else [repository.head.target]
        assert not parents or repository[parents[0]].tree_id != tree, "nothing to commit"  # type: ignore[attr-defined]
        author = pygit2.Signature("Ada", "ada@example.com")
        return str(repository.create_commit("HEAD", author, author, message, tree, parents))


class Fleet:
    """The hub and its agents."""

    def __init__(self, root: Path, **settings: Any) -> None:
        self.root = root
        defaults = {
            "data_dir": root / "hub",
            "host": "127.0.0.1",
            "port": 0,
            "agent_port": 0,
            "allow_file_repositories": (root,),
            "roles": ("gateway", "controller"),
            "heartbeat_seconds": 5.0,
            "render_workers": 1,
        }
        self.settings = Settings.model_validate(defaults | settings)
        self.agents: dict[str, tuple[Agent, asyncio.Task[None], Storage]] = {}
        self.clients: dict[str, KubeClient] = {}
        self.gateways: dict[str, str] = {}
        """Cluster → host:port its agent dials instead of the hub's."""
        self.renewing = False
        """Whether agents keep their certificates fresh."""

    async def start(self) -> None:
        self.hub = Hub(self.settings)
        with quick_start():
            await self.hub.start()

    async def stop(self) -> None:
        for name in list(self.agents):
            await self.stop_agent(name)
        for client in self.clients.values():
            await client.close()
        await self.hub.stop()

    async def stop_hub(self) -> None:
        """Stop the hub; `start` starts another on the same data and the same ports."""
        ports = {"agent_port": self.hub.agent_port, "port": self.hub.api_port}
        await self.hub.stop()
        self.settings = self.settings.model_copy(update=ports)

    async def restart_hub(self) -> None:
        await self.stop_hub()
        await self.start()

    async def add_cluster(self, name: str, labels: dict[str, str] | None = None) -> Cluster:
        cluster = Cluster(str(uuid.uuid4()), name, labels or {}, created_at=datetime.now(UTC))
        await self.hub.store.add_cluster(cluster)
        await self.hub.bus.publish("clusters", cluster.uid)
        return cluster

    async def enrol(self, cluster: Cluster, directory: Path) -> Identity:
        """Give a cluster's agent its identity, as enrolment would."""
        directory.mkdir(parents=True, exist_ok=True)
        csr = create(directory)
        issued = await self.hub.trust.pki.issue_from_csr(cluster.uid, csr)
        bundle = self.hub.trust.pki.trust_bundle()
        trust = TrustBundle(bundle.authorities, {k.id: k.public_key for k in bundle.signing_keys})
        gateway = f"localhost:{self.hub.agent_port}"
        record = issued.record
        hub = f"localhost:{self.hub.api_port or 1}"
        link = LinkState(hub, gateway, cluster.name, cluster.uid, record.not_before, record.not_after)
        return Identity.install(directory, link, issued.pem, trust)

    async def add_agent(
        self,
        name: str,
        labels: dict[str, str] | None = None,
        client: KubeClient | None = None,
        *,
        gateway: str = "",
    ) -> SimulatedCluster:
        """Register a cluster, enrol its agent and run it. `gateway` is host:port to dial instead of the hub's."""
        if gateway:
            self.gateways[name] = gateway
        cluster = await self.add_cluster(name, labels)
        await self.enrol(cluster, self.root / name)
        simulated = SimulatedCluster()
        self.clients[name] = client or simulated
        self.start_agent(name)
        return simulated

    def start_agent(self, name: str) -> None:
        identity = Identity.load(self.root / name)
        assert identity is not None
        identity.gateway_override = self.gateways.get(name, "")
        storage = Storage(self.root / name / "agent.db")
        agent = Agent(self.clients[name], storage, identity, options=QUICK)
        self.agents[name] = (agent, asyncio.create_task(self._run_agent(agent, identity)), storage)

    async def _run_agent(self, agent: Agent, identity: Identity) -> None:
        enroller = Enroller("test")
        if self.renewing:
            await recover_if_expired(enroller, identity)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(agent.run())
            if self.renewing:
                tasks.create_task(keep_renewed(enroller, identity, agent.link))

    async def stop_agent(self, name: str) -> None:
        _, task, storage = self.agents.pop(name)
        task.cancel()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        storage.close()
        if isinstance(outcome, Exception):
            raise outcome

    async def apply(self, *objects: Mapping[str, Any]) -> None:
        for parsed in parse_objects(yaml.safe_dump_all(list(objects)), name="test"):
            await self.hub.store.put_application(parsed.value)  # type: ignore[arg-type]
            await self.hub.bus.publish("applications", str(parsed.value.id))  # type: ignore[union-attr]

    async def delete(self, name: str, *, cascade: bool = True) -> None:
        id = ApplicationId("argocd", name)
        found = await self.hub.store.get_application(id)
        assert found is not None
        deletion = Deletion(cascade, "foreground", "test", datetime.now(UTC))
        await self.hub.store.put_application(replace(found, deletion=deletion))
        await self.hub.bus.publish("applications", str(id))

    async def refresh(self, name: str, mode: str = "normal") -> None:
        await self.hub.store.request_refresh([f"argocd/{name}"], mode)
        await self.hub.bus.publish("refresh")

    async def statuses(self, name: str) -> dict[str, ApplicationStatus]:
        clusters = {c.uid: c.name for c in await self.hub.store.list_clusters()}
        found = await self.hub.store.statuses_of_application(f"argocd/{name}")
        return {clusters[s.cluster]: s for s in found}

    async def conditions(self, name: str) -> dict[str, str]:
        """Conditions of an application at the hub: type → message."""
        state = (await self.hub.store.get_refresh_states([f"argocd/{name}"])).get(f"argocd/{name}")
        return {c.type: c.message for c in state.conditions} if state is not None else {}

    async def events(self, reason: str) -> list[Event]:
        return [e for e in await self.hub.store.list_events(limit=1000) if e.reason == reason]

    async def wait(
        self, name: str, holds: Callable[[dict[str, ApplicationStatus]], bool], timeout: float = 20
    ) -> dict[str, ApplicationStatus]:
        deadline = time.monotonic() + timeout
        while True:
            statuses = await self.statuses(name)
            if holds(statuses):
                return statuses
            if time.monotonic() > deadline:
                states = await self.hub.store.get_refresh_states([f"argocd/{name}"])
                raise AssertionError(f"not reached: {statuses}\n{states}")
            await asyncio.sleep(0.02)

    async def synced(self, name: str, clusters: int, timeout: float = 20) -> dict[str, ApplicationStatus]:
        """Wait until the application is Synced and Healthy on so many clusters, at what is assigned to them."""

        def holds(statuses: dict[str, ApplicationStatus]) -> bool:
            return len(statuses) == clusters and all(
                s.sync == "Synced" and s.health == "Healthy" and s.synced_manifest_set == s.manifest_set
                for s in statuses.values()
            )

        return await self.wait(name, holds, timeout)


def application(name: str, url: str, path: str, **spec: Any) -> dict[str, Any]:
    """An Application for all clusters, automated, with prune and self-heal."""
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": {"repoURL": url, "path": path, "targetRevision": "main"},
            "destinations": [{"selector": {}, "namespace": "default"}],
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
            **spec,
        },
    }
