"""What the controllers of a simulated cluster have at hand: to read, to write, and to wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from agent.engine.resource import GroupKind, Object
from agent.kube.client import DeleteOptions
from agent.kube.simulated.collector import Collector
from agent.kube.simulated.kinds import BUILTIN
from agent.kube.simulated.registry import Registry
from agent.kube.simulated.storage import Record, Storage
from agent.kube.simulated.tasks import Tasks
from agent.kube.simulated.writes import Writer

MANAGER: Final = "kube-controller-manager"
_BACKGROUND: Final = DeleteOptions(propagation="background")


class Context:
    """One cluster, as its controllers see it."""

    __slots__ = ("_collector", "_storage", "_writer", "registry", "rollout_seconds", "tasks")

    def __init__(
        self,
        storage: Storage,
        writer: Writer,
        collector: Collector,
        registry: Registry,
        tasks: Tasks,
        rollout_seconds: float,
    ) -> None:
        self._storage = storage
        self._writer = writer
        self._collector = collector
        self.registry = registry
        self.tasks = tasks
        self.rollout_seconds = rollout_seconds
        """Seconds until what is started is ready."""

    def now(self) -> str:
        """Return the time as objects carry it."""
        return self._storage.now()

    def read(self, group_kind: GroupKind, namespace: str, name: str) -> Object | None:
        """Return an object, or None when it is not there or going away."""
        record = self._storage.find(group_kind, namespace, name)
        return record.tree() if record is not None and not record.deleting else None

    def owned(self, owner: Object, group_kind: GroupKind) -> list[Object]:
        """Return the objects of a kind that an object owns and that are not going away, by name."""
        records = self._collector.dependents(owner["metadata"]["uid"], group_kind)
        return [record.tree() for record in sorted(records, key=_by_name) if not record.deleting]

    def selected(self, namespace: str, group_kind: GroupKind, chosen: Callable[[Object], bool]) -> list[Object]:
        """Return the objects of a kind in a namespace whose labels are chosen."""
        table = self._storage.tables.get(group_kind)
        records = table.records(namespace) if table else ()
        return [record.tree() for record in records if not record.deleting and chosen(record.labels)]

    def create(self, group_kind: GroupKind, tree: Object) -> None:
        """Create an object. Raises KubeError as any create does."""
        self._writer.create(BUILTIN[group_kind].kind, tree, MANAGER)

    def change(
        self,
        group_kind: GroupKind,
        tree: Object,
        change: Callable[[Object], None],
        subresource: str = "",
        manager: str = MANAGER,
    ) -> None:
        """Change an object through a function that edits it; nothing happens when it is gone by now."""
        metadata = tree["metadata"]
        record = self._storage.find(group_kind, metadata.get("namespace", ""), metadata["name"])
        if record is not None and record.uid == metadata["uid"]:
            self._writer.change(self._storage.tables[group_kind], record, change, manager, subresource)

    def set_status(self, group_kind: GroupKind, tree: Object, status: Object, manager: str = MANAGER) -> None:
        """Give an object a status."""
        if tree.get("status") == status:
            return

        def replace(target: Object) -> None:
            target["status"] = status

        self.change(group_kind, tree, replace, "status", manager)

    def delete(self, group_kind: GroupKind, tree: Object) -> None:
        """Delete an object, when it is still there."""
        metadata = tree["metadata"]
        record = self._storage.find(group_kind, metadata.get("namespace", ""), metadata["name"])
        if record is not None and record.uid == metadata["uid"]:
            self._collector.delete(self._storage.tables[group_kind], record, _BACKGROUND)

    def suffix(self) -> str:
        """Return the random end of a pod's name."""
        return self._storage.uid()[:5]


def _by_name(record: Record) -> str:
    return record.name


def owner_reference(owner: Object) -> Object:
    """Return the reference by which a controller owns what it made."""
    metadata = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def set_condition(
    conditions: list[Object], now: str, kind: str, status: str, reason: str, message: str = "", **more: str
) -> None:
    """Set a condition in place; its transition time moves only when its status does."""
    found = next((condition for condition in conditions if condition["type"] == kind), None)
    if found is None:
        found = {"type": kind}
        conditions.append(found)
    if found.get("status") != status:
        found["lastTransitionTime"] = now
    found.update({"status": status, "reason": reason, "message": message, **more})


def stamp_changed(conditions: list[Object], before: list[Object], now: str) -> None:
    """Set the update time of the conditions that are not as they were."""
    for condition in conditions:
        if condition not in before:
            condition["lastUpdateTime"] = now


def conditions_of(tree: Object) -> list[Object]:
    """Return a copy of an object's conditions."""
    status = tree.get("status")
    conditions = status.get("conditions") if isinstance(status, dict) else None
    return [dict(condition) for condition in conditions or () if isinstance(condition, dict)]


def compact(status: Object) -> Object:
    """Return a status without its zeros, as the server leaves them out."""
    return {key: value for key, value in status.items() if value not in (0, None, [])}
