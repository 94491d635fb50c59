"""Deletion: finalizers, what hangs on owners, namespaces with their contents, definitions with their instances."""

from __future__ import annotations

from functools import partial
from typing import Final

from agent.engine.resource import GroupKind, Object, split_api_version
from agent.kube.client import DeleteOptions, EventType
from agent.kube.errors import Conflict, Rejected
from agent.kube.simulated.defaults.allocate import CLAIM_PROTECTION, VOLUME_PROTECTION
from agent.kube.simulated.registry import Registry
from agent.kube.simulated.storage import Record, Storage, Table
from agent.kube.simulated.tasks import Tasks
from agent.kube.simulated.writes import NAMESPACE

DEFINITION: Final = GroupKind("apiextensions.k8s.io", "CustomResourceDefinition")
FOREGROUND_FINALIZER: Final = "foregroundDeletion"
PROTECTED_NAMESPACES: Final = frozenset({"default", "kube-system", "kube-public"})

_BACKGROUND: Final = DeleteOptions(propagation="background")
_FOREGROUND: Final = DeleteOptions(propagation="foreground")


_PROTECTIONS: Final = frozenset({CLAIM_PROTECTION, VOLUME_PROTECTION})


def _uses(pod: Object, claim: str) -> bool:
    volumes = pod["spec"].get("volumes") or ()
    return any((volume.get("persistentVolumeClaim") or {}).get("claimName") == claim for volume in volumes)


class Collector:
    """Deletes objects, and everything that goes with them."""

    __slots__ = ("_dependents", "_registry", "_storage", "_tasks", "delay")

    def __init__(self, storage: Storage, registry: Registry, tasks: Tasks, delay: float) -> None:
        self._storage = storage
        self._registry = registry
        self._tasks = tasks
        self.delay = delay
        """Seconds a namespace takes to go away."""
        self._dependents: dict[str, dict[tuple[Table, str, str], None]] = {}
        """What hangs on each owner, by the owner's uid."""

    def dependents(self, uid: str, group_kind: GroupKind) -> list[Record]:
        """Return the objects of a kind that hang on an owner."""
        found: list[Record] = []
        for table, namespace, name in self._dependents.get(uid, ()):
            if table.resource.kind.group_kind == group_kind:
                record = table.find(namespace, name)
                if record is not None:
                    found.append(record)
        return found

    def delete(self, table: Table, record: Record, options: DeleteOptions) -> None:
        """Delete an object, or begin to. Raises Conflict when it is not the one meant."""
        if options.uid and options.uid != record.uid:
            raise Conflict(
                f'Operation cannot be fulfilled on {table.resource.name} "{record.name}": Precondition failed: '
                f"UID in precondition: {options.uid}, UID in object meta: {record.uid}"
            )
        version = record.tree()["metadata"]["resourceVersion"] if options.resource_version else None
        if options.resource_version and options.resource_version != version:
            raise Conflict(
                f'Operation cannot be fulfilled on {table.resource.name} "{record.name}": Precondition failed: '
                f"ResourceVersion in precondition: {options.resource_version}, ResourceVersion in object meta: "
                f"{version}"
            )
        group_kind = table.resource.kind.group_kind
        if group_kind == NAMESPACE and record.name in PROTECTED_NAMESPACES:
            raise Rejected(f'namespaces "{record.name}" is forbidden: this namespace may not be deleted')
        if options.dry_run:
            return
        if options.propagation == "orphan":
            self._orphan(record)
        tree = record.tree()
        metadata = tree["metadata"]
        if options.propagation == "foreground" and self._blocking(record.uid):
            finalizers = metadata.setdefault("finalizers", [])
            if FOREGROUND_FINALIZER not in finalizers:
                finalizers.append(FOREGROUND_FINALIZER)
        if metadata.get("finalizers") or group_kind in (NAMESPACE, DEFINITION):
            self._mark(table, record, tree)
        else:
            self._storage.remove(table, record, tree)

    def _mark(self, table: Table, record: Record, tree: Object) -> None:
        """Say that an object is going away."""
        metadata = tree["metadata"]
        if "deletionTimestamp" not in metadata:
            metadata["deletionTimestamp"] = self._storage.now()
            metadata["deletionGracePeriodSeconds"] = 0
            if "generation" in metadata:
                metadata["generation"] += 1
            if table.resource.kind.group_kind == NAMESPACE:
                tree["status"] = {**tree.get("status", {}), "phase": "Terminating"}
                metadata.pop("deletionGracePeriodSeconds")
        if tree != record.tree():
            self._storage.put(table, tree, record)

    def adopt(self, table: Table, record: Record) -> None:
        """Take notice of an object that was there before."""
        if record.owners:
            self._index(table, EventType.ADDED, record)

    def observe(self, table: Table, event: EventType, record: Record, tree: Object) -> None:
        """React to a change: called by the storage after each."""
        if record.owners:
            self._index(table, event, record)
        if event is EventType.DELETED:
            if record.uid in self._dependents:
                self._tasks.soon(lambda: self._collect(record.uid))
            if record.owners:
                self._tasks.soon(lambda: self._release_owners(record.namespace, tree))
            self._after_removal(table, record)
        elif record.deleting:
            self._tasks.soon(lambda: self._continue(table, record.namespace, record.name))
        elif record.owners and event is EventType.ADDED:
            self._tasks.soon(lambda: self._drop_if_orphan(table, record.namespace, record.name))

    def _index(self, table: Table, event: EventType, record: Record) -> None:
        entry = (table, record.namespace, record.name)
        for uid in record.owners:
            if event is EventType.DELETED:
                dependents = self._dependents.get(uid, {})
                dependents.pop(entry, None)
                if not dependents:
                    self._dependents.pop(uid, None)
            else:
                self._dependents.setdefault(uid, {})[entry] = None

    def _after_removal(self, table: Table, record: Record) -> None:
        kind = table.resource.kind
        if kind.kind == "Pod":
            self._release_claims(record.namespace)
        if record.namespace:
            namespace = self._storage.find(NAMESPACE, "", record.namespace)
            if namespace is not None and namespace.deleting:
                home = self._storage.tables[NAMESPACE]
                self._tasks.soon(lambda: self._continue(home, "", record.namespace))
        if self._registry.is_custom(kind.group_kind):
            definitions = self._storage.tables[DEFINITION]
            name = f"{kind.plural}.{kind.group}"
            self._tasks.soon(lambda: self._continue(definitions, "", name))

    def _release_claims(self, namespace: str) -> None:
        claims = self._storage.tables.get(GroupKind("", "PersistentVolumeClaim"))
        for claim in claims.records(namespace) if claims else ():
            if claims and claim.deleting:
                self._tasks.soon(partial(self._continue, claims, namespace, claim.name))

    def _continue(self, table: Table, namespace: str, name: str) -> None:
        """Take the next step with an object that is going away."""
        record = table.find(namespace, name)
        if record is None or not record.deleting:
            return
        tree = record.tree()
        finalizers = tree["metadata"].get("finalizers") or []
        group_kind = table.resource.kind.group_kind
        if group_kind == NAMESPACE:
            if not self._empty_namespace(name) and not finalizers:
                self._tasks.later(self.delay, lambda: self._finish(table, namespace, name))
        elif group_kind == DEFINITION:
            if not self._empty_definition(tree) and not finalizers:
                self._storage.remove(table, record, tree)
        elif FOREGROUND_FINALIZER in finalizers:
            self._foreground(table, record, tree)
        elif not self._protected(record, finalizers):
            self._storage.remove(table, record, tree)

    def _protected(self, record: Record, finalizers: list[str]) -> bool:
        """Tell whether a finalizer holds an object; those of volumes do while a pod uses the claim."""
        if not finalizers or any(finalizer not in _PROTECTIONS for finalizer in finalizers):
            return bool(finalizers)
        pods = self._storage.tables.get(GroupKind("", "Pod"))
        return pods is not None and any(_uses(pod.tree(), record.name) for pod in pods.records(record.namespace))

    def _finish(self, table: Table, namespace: str, name: str) -> None:
        record = table.find(namespace, name)
        if record is not None and record.deleting:
            self._storage.remove(table, record, record.tree())

    def _empty_namespace(self, name: str) -> bool:
        """Delete what is in a namespace. Returns whether something is left that its finalizers hold."""
        left = False
        for table in list(self._storage.tables.values()):
            for record in list(table.objects.get(name, {}).values()) if name else ():
                self._delete_content(table, record)
                left = left or table.find(name, record.name) is not None
        return left

    def _empty_definition(self, definition: Object) -> bool:
        """Delete the instances of a custom kind. Returns whether some are left."""
        spec = definition["spec"]
        table = self._storage.tables.get(GroupKind(spec["group"], spec["names"]["kind"]))
        if table is None:
            return False
        for record in list(table.records()):
            self._delete_content(table, record)
        return any(True for _ in table.records())

    def _delete_content(self, table: Table, record: Record) -> None:
        if not record.deleting:
            self.delete(table, record, _BACKGROUND)

    def _foreground(self, table: Table, record: Record, tree: Object) -> None:
        """Delete what hangs on an object before the object itself."""
        for dependent, namespace, name in list(self._dependents.get(record.uid, {})):
            found = dependent.find(namespace, name)
            if found is not None and not found.deleting:
                self.delete(dependent, found, _FOREGROUND)
        if self._blocking(record.uid):
            return
        latest = table.find(record.namespace, record.name)
        if latest is None or latest.uid != record.uid:
            return
        tree = latest.tree()
        metadata = tree["metadata"]
        metadata["finalizers"] = [f for f in metadata.get("finalizers", ()) if f != FOREGROUND_FINALIZER]
        if metadata["finalizers"]:
            self._storage.put(table, tree, latest)
        else:
            del metadata["finalizers"]
            self._storage.remove(table, latest, tree)

    def _blocking(self, uid: str) -> bool:
        """Tell whether something that hangs on an owner keeps it from going first."""
        for table, namespace, name in self._dependents.get(uid, ()):
            record = table.find(namespace, name)
            owners = record.tree()["metadata"].get("ownerReferences", ()) if record else ()
            if any(owner["uid"] == uid and owner.get("blockOwnerDeletion") for owner in owners):
                return True
        return False

    def _orphan(self, record: Record) -> None:
        """Cut what hangs on an object loose from it."""
        for table, namespace, name in list(self._dependents.get(record.uid, {})):
            self._drop_owner(table, namespace, name, record.uid)

    def _drop_owner(self, table: Table, namespace: str, name: str, uid: str) -> None:
        record = table.find(namespace, name)
        if record is None:
            return
        tree = record.tree()
        metadata = tree["metadata"]
        metadata["ownerReferences"] = [owner for owner in metadata["ownerReferences"] if owner["uid"] != uid]
        if not metadata["ownerReferences"]:
            del metadata["ownerReferences"]
        self._dependents.get(uid, {}).pop((table, namespace, name), None)
        self._storage.put(table, tree, record)

    def _collect(self, uid: str) -> None:
        """Delete what hung on an owner that is gone, unless another owner is still there."""
        for table, namespace, name in list(self._dependents.pop(uid, {})):
            record = table.find(namespace, name)
            if record is None or uid not in record.owners:
                continue
            if self._has_owner(record):
                self._drop_owner(table, namespace, name, uid)
            elif not record.deleting:
                self.delete(table, record, _BACKGROUND)

    def _drop_if_orphan(self, table: Table, namespace: str, name: str) -> None:
        record = table.find(namespace, name)
        if record is not None and record.owners and not record.deleting and not self._has_owner(record):
            self.delete(table, record, _BACKGROUND)

    def _has_owner(self, record: Record) -> bool:
        references = record.tree()["metadata"].get("ownerReferences", ())
        return any(self._owner(record.namespace, reference) is not None for reference in references)

    def _owner(self, namespace: str, reference: Object) -> tuple[Table, Record] | None:
        """Return the owner a reference means, when it is there."""
        group, _ = split_api_version(reference["apiVersion"])
        table = self._storage.tables.get(GroupKind(group, reference["kind"]))
        if table is None:
            return None
        record = table.find(namespace if table.resource.kind.namespaced else "", reference["name"])
        return (table, record) if record is not None and record.uid == reference["uid"] else None

    def _release_owners(self, namespace: str, tree: Object) -> None:
        """Let owners that wait for this object go on."""
        for reference in tree["metadata"].get("ownerReferences", ()):
            found = self._owner(namespace, reference)
            if found is not None and found[1].deleting:
                self._continue(found[0], found[1].namespace, found[1].name)
