"""What most faults are met with: one application of ConfigMaps, on clusters that remember what was done to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from hub.domain.application import ApplicationId
from hub.domain.cluster import Cluster, Liveness
from hub.domain.operation import HistoryEntry, OperationKind, OperationRequest
from hub.domain.status import ApplicationStatus, DriftReport
from tests.faults.waiting import answered
from tests.faults.witness import Witness, settings
from tests.fleet.kit import Fleet, Repository, application
from tests.syncer.harness import config_map


@dataclass
class Scene:
    """`clusters` are called c0, c1 and so on."""

    fleet: Fleet
    repository: Repository
    name: str = "web"
    clusters: list[Witness] = field(default_factory=list)

    async def open(self, *gateways: str, **spec: Any) -> Witness:
        """Have k=1 on a cluster for each gateway: host:port its agent dials, "" for the hub's own. Without any, on
        one. Returns the first."""
        self.write(settings="1")
        self.repository.commit("k=1")
        for number, gateway in enumerate(gateways or ("",)):
            self.clusters.append(Witness())
            await self.fleet.add_agent(f"c{number}", client=self.clusters[-1], gateway=gateway)
        await self.fleet.apply(application(self.name, self.repository.url, self.name, **spec))
        await self.fleet.synced(self.name, len(self.clusters))
        return self.clusters[0]

    def write(self, **values: str) -> None:
        """Make the application one ConfigMap {k: value} for each of these."""
        self.repository.write(f"{self.name}/all.yaml", *(config_map(n, {"k": v}) for n, v in values.items()))

    async def commit(self, **values: str) -> str:
        """Commit that, and have the hub look. Returns the revision."""
        self.write(**values)
        revision = self.repository.commit(" ".join(f"{n}={v}" for n, v in values.items()))
        await self.fleet.refresh(self.name)
        return revision

    async def arrived(self, revision: str) -> dict[str, ApplicationStatus]:
        """Wait until the hub knows that every cluster is Synced and Healthy at a revision."""
        await self.fleet.wait(
            self.name,
            lambda found: len(found) == len(self.clusters) and all(at(s, revision) for s in found.values()),
            timeout=40,
        )
        return await self.fleet.synced(self.name, len(self.clusters), timeout=40)

    async def sync(self, **options: Any) -> str:
        """Ask for a sync as the API does, and wait until it is in the history. Returns the operation's id."""
        request = OperationRequest(str(uuid4()), OperationKind.SYNC, "ada", datetime.now(UTC), **options)
        await self.fleet.hub.store.record_operation_request(self.id, request)
        await self.fleet.hub.bus.publish("applications", self.id)

        async def done() -> bool:
            return any(e.operation == request.id for e in await self.fleet.hub.store.history(self.id))

        await answered(done, "the sync to be done")
        return request.id

    async def hack(self, name: str = "settings", cluster: int = 0) -> None:
        await self.clusters[cluster].edit(settings(name), {"data": {"k": "hacked"}})

    # --- what the hub knows

    @property
    def id(self) -> str:
        return f"argocd/{self.name}"

    async def cluster(self, number: int = 0) -> Cluster:
        found = await self.fleet.hub.store.find_cluster(f"c{number}")
        assert found is not None
        return found

    async def connected(self, number: int = 0) -> bool:
        return (await self.cluster(number)).connection.liveness is Liveness.CONNECTED

    async def unreachable(self, number: int = 0) -> bool:
        return (await self.cluster(number)).connection.liveness is Liveness.UNREACHABLE

    async def held(self) -> bool:
        """Whether the first cluster's assignment waits for a refresh from Git, as one of a restored hub does."""
        found = await self.fleet.hub.store.get_assignment((await self.cluster()).uid, self.id)
        return found is not None and found.held

    async def buried(self) -> bool:
        """Whether the first cluster is assigned a tombstone."""
        found = await self.fleet.hub.store.get_assignment((await self.cluster()).uid, self.id)
        return found is not None and found.content.deletion is not None

    async def released(self) -> bool:
        return not await self.held()

    async def gone(self) -> bool:
        """Whether the hub has forgotten the application."""
        return await self.fleet.hub.store.get_application(ApplicationId.parse(self.id)) is None

    async def history(self, count: int) -> list[HistoryEntry]:
        """Wait for as many entries, and return all: each must be of another operation."""

        async def enough() -> list[HistoryEntry]:
            found = await self.fleet.hub.store.history(self.id)
            return found if len(found) >= count else []

        entries = await answered(enough, f"{count} history entries")
        assert len({(e.cluster, e.operation) for e in entries}) == len(entries)
        return entries

    async def healed_drifts(self, count: int) -> list[DriftReport]:
        """Wait for as many drift reports, all of them closed, and return all."""

        async def closed() -> list[DriftReport]:
            found = await self.fleet.hub.store.drifts_of_application(self.id)
            return found if len(found) >= count and all(d.healed_at for d in found) else []

        return await answered(closed, f"{count} drift reports, all healed")


def at(status: ApplicationStatus, revision: str) -> bool:
    """Whether an application was last synced at a revision."""
    return bool(status.synced_revision) and status.synced_revision.sources[0].revision == revision


def has(found: Mapping[str, ApplicationStatus], cluster: str, revision: str) -> bool:
    return cluster in found and at(found[cluster], revision)


def has_data(cluster: Witness, name: str, data: dict[str, str]) -> bool:
    return bool(cluster.data(name) == data)
