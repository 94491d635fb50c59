"""An application that trials are made on, and the book of what has to be true of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.faults.killing import Stage
from tests.fleet.kit import Repository, application
from tests.syncer.harness import config_map

KEPT = 5
"""ConfigMaps that are in every commit; one more is only in one, and pruned with the next."""


@dataclass
class Subject:
    stage: Stage
    repository: Repository
    name: str
    automated: bool = True
    round: int = 0
    history: list[tuple[str, str]] = field(default_factory=list)
    """(revision, who asked for it) of every deployment there was, oldest first."""
    uids: dict[str, str] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    """What was to be pruned so far."""
    drifts: int = 0

    # --- doing

    def create(self) -> None:
        policy = {"automated": {"prune": True, "selfHeal": True}} if self.automated else {}
        made = application(self.name, self.repository.url, self.name, syncPolicy=policy)
        self.stage.desk.post("objects/apply", made)

    def open(self) -> None:
        """Make it, and see it deployed."""
        revision = self.write()
        self.create()
        if not self.automated:
            self.stage.wait(lambda: self.state.get("observed_generation"), "the first report")
            self.sync()
        self.deploys(revision)
        self.check()

    def write(self) -> str:
        """Commit another value for all that is kept, and another object in the place of one. Returns the revision."""
        if self.round:
            self.deleted.append(self.fleeting)
        self.round += 1
        names = (*self.kept, self.fleeting)
        self.repository.write(f"{self.name}/all.yaml", *(config_map(n, self.data) for n in names))
        return self.repository.commit(f"{self.name} {self.round}")

    def refresh(self) -> None:
        self.stage.desk.post(f"applications/{self.name}/refresh", {})

    def sync(self) -> None:
        self.stage.desk.post(f"applications/{self.name}/sync", {"prune": True})

    def delete(self) -> None:
        self.stage.desk.delete(f"applications/{self.name}")

    # --- knowing

    @property
    def kept(self) -> list[str]:
        return [f"{self.name}-{n}" for n in range(KEPT)]

    @property
    def fleeting(self) -> str:
        return f"{self.name}-only-{self.round}"

    @property
    def data(self) -> dict[str, str]:
        return {"k": str(self.round)}

    @property
    def state(self) -> dict[str, Any]:
        """How it stands on the cluster, as the hub knows it; empty before it is assigned."""
        clusters: list[dict[str, Any]] = self.stage.desk.get(f"applications/{self.name}")["clusters"]
        return clusters[0] if clusters else {}

    def deploys(self, revision: str) -> None:
        """A revision is to be deployed."""
        self.history.append((revision, "automated" if self.automated else "admin"))

    def requests(self) -> list[dict[str, Any]]:
        """The operations that people asked for, newest first."""
        found: list[dict[str, Any]] = self.stage.desk.get(f"applications/{self.name}/operations")["items"]
        return found

    # --- what has to be true

    def check(self) -> None:
        """Everything is deployed as Git has it, each deployment is told once, and nothing else was touched."""
        self.stage.wait(self._told, f"{self.name} to be told {self.history}")
        self.stage.wait(self._settled, f"{self.name} to be Synced and Healthy")
        witness = self.stage.cluster.witness
        for name in (*self.kept, self.fleeting):
            assert witness.data(name) == self.data
        uids = witness.uids(self.kept)
        assert not self.uids or uids == self.uids, "what is kept was deleted and made again"
        self.uids = uids
        of_mine = [name for name in witness.deleted if name.startswith(f"{self.name}-")]
        assert of_mine == self.deleted
        operations = [item["operation_id"] for item in self._history()]
        assert len(set(operations)) == len(operations)
        if not self.automated:
            assert sorted(operations) == sorted(request["id"] for request in self.requests())
        drifts = self.stage.desk.get(f"applications/{self.name}/drifts")["items"]
        assert (len(drifts), [d for d in drifts if not d["healed_at"]]) == (self.drifts, [])

    def applied(self) -> set[int]:
        """Return how often what is deployed now was applied; one number for all objects, if they have it in common."""
        witness = self.stage.cluster.witness
        return {witness.times_applied(name, self.data) for name in (*self.kept, self.fleeting)}

    def _history(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.stage.desk.get(f"applications/{self.name}/history")["items"]
        return items[::-1]

    def _told(self) -> bool:
        told = [(item["revisions"][0]["revision"], item["initiated_by"]) for item in self._history()]
        assert len(told) <= len(self.history), f"told {told}"
        return told == self.history

    def _settled(self) -> bool:
        state = self.state
        if not state:
            return False
        generations = {state["generation"], state["observed_generation"], state["acknowledged_generation"]}
        return (state["sync"], state["health"], len(generations)) == ("Synced", "Healthy", 1)
