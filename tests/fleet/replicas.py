"""Roles of one hub as replicas of their own: separate data directories, one PostgreSQL, one key."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg

from agent.hubclient.identity import Identity
from hub.config import Settings
from hub.server import Hub
from tests.fleet.kit import Fleet
from tests.hub.quick import quick_start


class Replicas(Fleet):
    """A fleet whose `hub` is the api replica; gateways and controllers stand beside it."""

    def __init__(self, root: Path, url: str) -> None:
        self.url = url
        self.gateways_up: dict[str, Hub] = {}
        self.controllers: dict[str, Hub] = {}
        self.key = root / "shared.key"
        super().__init__(root, **self.settings_of("api", "api"))

    def settings_of(self, name: str, *roles: str, **values: Any) -> dict[str, Any]:
        return {
            "data_dir": self.key.parent / name,
            "database_url": self.url,
            "roles": roles,
            "secret_key_file": self.key,
            "initial_password_file": self.key.parent / "password",
            "heartbeat_seconds": 1.0,
            "poll_seconds": 3600.0,
            "host": "127.0.0.1",
            "port": 0,
            "agent_port": 0,
            "allow_file_repositories": (self.key.parent,),
            "render_workers": 1,
            **values,
        }

    async def add(self, name: str, *roles: str, **values: Any) -> Hub:
        """Start another replica."""
        replica = Hub(Settings.model_validate(self.settings_of(name, *roles, **values)))
        with quick_start():
            await replica.start()
        (self.gateways_up if "gateway" in roles else self.controllers)[name] = replica
        return replica

    async def whole(self) -> None:
        """One API, two gateways and two controllers."""
        await self.start()
        for name in ("g1", "g2"):
            await self.add(name, "gateway")
        for name in ("c1", "c2"):
            await self.add(name, "controller")

    async def stop(self) -> None:
        for name in list(self.agents):
            await self.stop_agent(name)
        for replica in (*self.controllers.values(), *self.gateways_up.values()):
            await replica.stop()
        await super().stop()

    async def remove(self, name: str) -> None:
        replica = self.gateways_up.pop(name, None) or self.controllers.pop(name)
        await replica.stop()

    def gateway_of(self, cluster: str) -> set[str]:
        """Names of the gateways that hold a stream of this cluster (its uid)."""
        return {name for name, g in self.gateways_up.items() if g.registry.of_cluster(cluster) is not None}

    async def join(self, name: str, gateway: str) -> str:
        """Add a cluster whose agent dials that gateway; returns the cluster's uid."""
        await self.add_agent(name, gateway=f"localhost:{self.gateways_up[gateway].agent_port}")
        identity = Identity.load(self.root / name)
        assert identity is not None
        found = await self.hub.store.find_cluster(name)
        assert found is not None
        return found.uid

    def cut_listeners(self) -> int:
        """Break every replica's bus connection; returns how many there were."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            rows = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND (query LIKE 'LISTEN %' OR query LIKE '%pg_notify%' OR query = 'SELECT 1')"
            ).fetchall()
        return len(rows)


@contextlib.asynccontextmanager
async def replicas_at(root: Path, url: str) -> AsyncIterator[Replicas]:
    replicas = Replicas(root, url)
    try:
        await replicas.whole()
        yield replicas
    finally:
        await replicas.stop()
