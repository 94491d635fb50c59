from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.controlplane.access import ClusterAccess
from tests.fleet.kit import Fleet, Repository
from tests.integration.agent_process import AgentProcess, admit, dismiss
from tests.integration.road import Road


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    """A hub with all its ports, that looks at Git only when told."""
    fleet = Fleet(tmp_path, roles=("api", "gateway", "controller"), poll_seconds=3600.0, heartbeat_seconds=2.0)
    await fleet.start()
    yield fleet
    await fleet.stop()


@pytest.fixture
def identity(workload_plane: ClusterAccess, namespace: str, tmp_path: Path) -> Iterator[Path]:
    """A kubeconfig with exactly the rights of an installed agent."""
    token = admit(workload_plane, namespace)
    yield workload_plane.write_kubeconfig(tmp_path / "kubeconfig", token)
    dismiss(workload_plane, namespace)


@pytest.fixture
async def road(
    fleet: Fleet, workload_plane: ClusterAccess, namespace: str, identity: Path, tmp_path: Path
) -> AsyncIterator[Road]:
    """A cluster registered with a hub, and its agent, not started yet."""
    cluster = await fleet.add_cluster("prod")
    token = tmp_path / "token"
    token.write_text(await fleet.hub.trust.join_tokens.issue(cluster.uid))
    joining = ("--hub", f"localhost:{fleet.hub.api_port}", "--ca-pin", fleet.hub.trust.pki.pin)
    gateway = ("--gateway", f"localhost:{fleet.hub.agent_port}")
    reaching = ("--kubeconfig", str(identity), "--context", "test", *gateway)
    (tmp_path / "agent").mkdir()
    agent = AgentProcess(tmp_path / "agent", *joining, "--token-file", str(token), *reaching)
    repository = await asyncio.to_thread(Repository, tmp_path / "repository")
    yield Road(fleet, agent, repository, workload_plane, namespace, reaching)
    await agent.kill()
