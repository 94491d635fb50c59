"""The whole road in tests: Git, a hub with all its ports, an agent's process, a real API server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.api.acting import Act, carry_out
from hub.api.asking import Asker
from hub.domain.application import ApplicationId
from hub.domain.cluster import Cluster, Liveness
from hub.domain.manifest import ResourceKey
from hub.domain.status import ApplicationStatus, DriftReport
from hub.fleet.desk import Desk
from tests.controlplane.access import ApiError, ClusterAccess
from tests.fleet.kit import Fleet, Repository, application
from tests.integration.agent_process import AgentProcess
from tests.syncer.cluster import until

Object = dict[str, Any]


@dataclass
class Road:
    fleet: Fleet
    agent: AgentProcess
    repository: Repository
    plane: ClusterAccess
    namespace: str
    cluster: tuple[str, ...]
    """The words that tell an agent where its cluster and its hub are."""

    @property
    def name(self) -> str:
        """The application's: the plane is shared, and its agents see all of it."""
        return f"web-{self.namespace}"

    async def commit(self, *objects: Mapping[str, Any]) -> str:
        """Have exactly these objects in Git, and return the revision."""
        self.repository.write("web/all.yaml", *objects)
        return await asyncio.to_thread(self.repository.commit)

    async def open(self, *objects: Mapping[str, Any], **spec: Any) -> str:
        """Commit, start the agent, and deliver the application."""
        revision = await self.commit(*objects)
        await self.agent.start()
        destination = {"selector": {}, "namespace": self.namespace}
        app = application(self.name, self.repository.url, "web", destinations=[destination], **spec)
        await self.fleet.apply(app)
        return revision

    async def synced(self, revision: str, timeout: float = 30) -> ApplicationStatus:
        """Wait until the hub knows that the cluster is Synced and Healthy at a revision."""

        def there(found: dict[str, ApplicationStatus]) -> bool:
            status = found.get("prod")
            return (
                status is not None
                and (status.sync, status.health) == ("Synced", "Healthy")
                and bool(status.synced_revision)
                and status.synced_revision.sources[0].revision == revision
            )

        try:
            return (await self.fleet.wait(self.name, there, timeout))["prod"]
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.agent.words()}") from None

    async def connected(self) -> None:
        async def live() -> bool:
            found = await self.fleet.hub.store.find_cluster("prod")
            return found is not None and found.connection.liveness is Liveness.CONNECTED

        await until(live, bool)

    async def drifts(self, healed: int) -> list[DriftReport]:
        """Wait until the hub knows of so many healed drifts."""

        async def reports() -> list[DriftReport]:
            found = await self.fleet.hub.store.drifts_of_application(f"argocd/{self.name}")
            return [report for report in found if report.healed_at]

        return await until(reports, lambda found: len(found) >= healed)

    # --- actions, as the hub's API runs them

    async def act(self, group: str, kind: str, name: str, action: str) -> list[str]:
        """Run an action on an object. Returns what was changed, "{}" in the place of the test's namespace."""
        store = self.fleet.hub.store
        application, cluster = await store.get_application(ApplicationId("argocd", self.name)), await self._cluster()
        assert application is not None
        key = ResourceKey(group, kind, self.namespace, name)
        act = Act(application, cluster, self.namespace, key, action, {}, "test")
        result = await carry_out(self._asker(), await store.get_project("default"), act)
        changed = [(c.operation, ResourceKey(c.group, c.kind, c.namespace, c.name)) for c in result.changed]
        return [f"{operation} {key}".replace(f"/{self.namespace}/", "/{}/") for operation, key in changed]

    async def listed(self, group: str, kind: str, action: str) -> None:
        """Wait until an object of a kind has an action."""

        async def actions() -> str:
            selected = {"group": group, "kind": kind}
            asker, cluster = self._asker(), await self._cluster()
            return str(await asker.ask_one(f"argocd/{self.name}", "actions", cluster, selected, 10))

        await until(actions, lambda found: f"'{action}'" in found)

    def _asker(self) -> Asker:
        return Asker(Desk(self.fleet.hub.store, self.fleet.hub.bus, None))

    async def _cluster(self) -> Cluster:
        found = await self.fleet.hub.store.find_cluster("prod")
        assert found is not None
        return found

    # --- the cluster, as its administrator

    async def get(self, name: str, kind: str = "configmaps") -> Object | None:
        try:
            found: Object = await asyncio.to_thread(
                self.plane.request, "GET", f"/api/v1/namespaces/{self.namespace}/{kind}/{name}"
            )
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return found

    async def edit(self, name: str, patch: Object) -> None:
        """Change a ConfigMap by hand."""
        path = f"/api/v1/namespaces/{self.namespace}/configmaps/{name}?fieldManager=kubectl-edit"
        await asyncio.to_thread(self.plane.request, "PATCH", path, patch, content_type="application/merge-patch+json")

    async def value(self, name: str, value: str) -> None:
        """Wait until a ConfigMap has k=value."""
        await until(lambda: self.get(name), lambda found: found is not None and found["data"] == {"k": value})
