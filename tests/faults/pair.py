"""Two applications on one cluster: `web`, which something is done to, and `other`, which is to feel nothing of it."""

from __future__ import annotations

from typing import Any

from agent.engine.resource import Object, ResourceKey
from hub.domain.operation import OperationPhase, OperationState
from hub.domain.status import ApplicationStatus
from tests.faults.scene import at
from tests.faults.waiting import answered
from tests.fleet.kit import Fleet, Repository, application
from tests.syncer.cluster import People, Tap
from tests.syncer.harness import config_map

CLUSTER = "c0"
WEB_BRANCH = "release"
"""The branch that `web` follows: its revision is not one that was committed for `other`, which follows main."""
RETRY = {"limit": 30, "backoff": {"duration": "1s", "factor": 1, "maxDuration": "1s"}}
"""Soon: nobody waits for minutes in a test."""
AUTOMATED = {"automated": {"prune": True, "selfHeal": True}, "retry": RETRY}


class Pair:
    """What the hub knows of both."""

    def __init__(self, fleet: Fleet, web: str = "web", other: str = "other") -> None:
        self.fleet = fleet
        self.web, self.other = web, other

    async def status(self, name: str = "") -> ApplicationStatus:
        return (await self.fleet.statuses(name or self.web))[CLUSTER]

    async def arrived(self, name: str, revision: str, timeout: float = 20) -> None:
        """Wait until an application is Synced and Healthy at a revision."""
        await self.fleet.wait(name, lambda found: CLUSTER in found and at(found[CLUSTER], revision), timeout)
        await self.fleet.synced(name, 1, timeout)

    async def told(self, name: str = "") -> dict[str, str]:
        """Return what is said of an application, at the hub and by the agent: type → message."""
        status = await self.status(name)
        return {**await self.fleet.conditions(name or self.web), **{c.type: c.message for c in status.conditions}}

    async def said(self, condition: str, words: str = "") -> str:
        """Wait until a condition stands, with these words in it, and return its message."""

        async def message() -> str:
            found = (await self.told()).get(condition, "")
            return found if words in found else ""

        return await answered(message, f"{condition} {words}", timeout=20)

    async def silent(self) -> bool:
        return not await self.told()


class ClusterPair(Pair):
    """Both on a cluster whose agent's requests are counted and can be failed; people see it past all that."""

    def __init__(self, fleet: Fleet, repository: Repository, tap: Tap, people: People) -> None:
        super().__init__(fleet, f"web-{people.namespace}", f"other-{people.namespace}")
        self.repository = repository
        self.tap = tap
        self.people = people

    async def open(self, *objects: Object) -> str:
        """Have these in `web` and on the cluster. Returns the revision."""
        self.repository.write("other/all.yaml", config_map("other", {"k": "1"}))
        revision = self._commit_web(*objects)
        await self.fleet.add_agent(CLUSTER, client=self.tap)
        place = {"destinations": [{"selector": {}, "namespace": self.people.namespace}], "syncPolicy": AUTOMATED}
        for name, path in ((self.web, "web"), (self.other, "other")):
            app = application(name, self.repository.url, path, **place)
            app["spec"]["source"]["targetRevision"] = WEB_BRANCH if name == self.web else "main"
            await self.fleet.apply(app)
        await self.arrived(self.other, revision)
        await self.arrived(self.web, revision)
        self.uids = await self._uids()
        return revision

    async def commit(self, *objects: Object) -> str:
        """Make these what `web` is to be."""
        revision = self._commit_web(*objects)
        await self.fleet.refresh(self.web)
        return revision

    def _commit_web(self, *objects: Object) -> str:
        self.repository.write("web/all.yaml", *objects)
        revision = self.repository.commit()
        self.repository.git("branch", "--force", WEB_BRANCH)
        return revision

    async def other_goes_on(self, value: str) -> None:
        """Commit for `other`, and wait until its cluster has it."""
        self.repository.write("other/all.yaml", config_map("other", {"k": value}))
        revision = self.repository.commit()
        await self.fleet.refresh(self.other)
        await self.arrived(self.other, revision, timeout=10)
        assert await self.data("other") == {"k": value}
        assert not await self.told(self.other)

    async def failed(self, phase: OperationPhase, words: str) -> OperationState:
        """Wait until the last operation has failed like this, and return it."""

        async def operation() -> OperationState | None:
            found = (await self.status()).operation
            return found if found is not None and found.phase is phase and words in found.message else None

        found = await answered(operation, f"{phase}: {words}", timeout=20)
        assert found is not None
        return found

    async def converged(self, revision: str) -> None:
        """Wait until `web` has got there by itself; after that nothing is said any more, and nothing was ever lost."""
        await self.arrived(self.web, revision, timeout=30)
        await answered(self.silent, "the conditions to go")
        status = await self.status()
        assert status.operation is not None and status.operation.initiated_by == "automated"
        await self.assert_nothing_was_deleted()

    async def assert_nothing_was_deleted(self) -> None:
        """`web` has every object it ever had, under the same uid. Asked of a cluster that answers."""
        assert self.tap.named("delete") == []
        assert (await self._uids()).items() >= self.uids.items()

    # --- the cluster

    def key(self, kind: str, name: str) -> ResourceKey:
        return ResourceKey("", kind, self.people.namespace, name)

    async def data(self, name: str) -> Any:
        found = await self.people.get(self.key("ConfigMap", name))
        return None if found is None else found["data"]

    async def _uids(self) -> dict[str, str]:
        kinds = ("ConfigMap", "Secret")
        found = [obj for kind in kinds for obj in await self.people.list("", kind)]
        return {f"{obj['kind']}/{obj['metadata']['name']}": obj["metadata"]["uid"] for obj in found}
