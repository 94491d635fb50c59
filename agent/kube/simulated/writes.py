"""How a simulated API server changes an object: apply, create, replace, patch.

Every write goes the way it goes on a real server: find the object, lay the change over it, account for who manages
what, fill in defaults, check the result, and store it only when it differs from what was there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson

from agent.engine.resource import GroupKind, Object
from agent.kube.client import ApplyOptions, Kind
from agent.kube.errors import Conflict, NamespaceTerminating, NotFound, Rejected
from agent.kube.simulated import admission, ownership
from agent.kube.simulated.fields import SELF, BadElement, FieldSet, without_bare
from agent.kube.simulated.kinds import Resource
from agent.kube.simulated.merge import DuplicateElement, compare, merge, prune
from agent.kube.simulated.ownership import APPLY, UPDATE, Manager
from agent.kube.simulated.registry import Registry
from agent.kube.simulated.schema import copy_json
from agent.kube.simulated.storage import Record, Storage, Table

NAMESPACE: Final = GroupKind("", "Namespace")

_MERGED_METADATA: Final = ("labels", "annotations", "finalizers", "ownerReferences")
_SYSTEM_METADATA: Final = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "resourceVersion",
    "namespace",
    "name",
)


class Writer:
    """Changes the objects of one cluster. Everything here is immediate; nothing waits."""

    __slots__ = ("_registry", "_storage")

    def __init__(self, storage: Storage, registry: Registry) -> None:
        self._storage = storage
        self._registry = registry

    def apply(self, kind: Kind, manifest: Object, options: ApplyOptions) -> Object:
        """Server-side apply. Returns the object as it is, or under dry_run would be."""
        resource = self._registry.resource(kind)
        namespace, name = admission.address(kind, manifest)
        table = self._storage.table(resource)
        record = table.find(namespace, name)
        admission.check_types(manifest, resource, applied=True)
        metadata = manifest["metadata"]
        if metadata.get("managedFields") is not None:
            raise Rejected("metadata.managedFields must be nil", ("metadata.managedFields",))
        if record is None and metadata.get("uid"):
            raise Conflict(f"{resource.name} {name!r}: uid mismatch: the object does not exist")
        manager = Manager(options.field_manager, APPLY, kind.api_version)
        tree = record.tree() if record else self._new(resource, namespace, name)
        _check_preconditions(resource, metadata, tree)
        self._lay_over(resource, tree, manifest, record, manager, options.force)
        return self._finish(table, tree, record, manager, options.dry_run, kind)

    def create(self, kind: Kind, manifest: Object, field_manager: str, dry_run: bool = False) -> Object:
        """Create an object. Raises Conflict when there is one of that name."""
        resource = self._registry.resource(kind)
        manifest = self._named(manifest)
        namespace, name = admission.address(kind, manifest)
        if manifest["metadata"].get("resourceVersion"):
            raise Rejected("resourceVersion should not be set on objects to be created", ("metadata.resourceVersion",))
        table = self._storage.table(resource)
        if table.find(namespace, name) is not None:
            raise Conflict(f'{resource.name} "{name}" already exists')
        admission.check_types(manifest, resource, applied=False)
        tree = self._new(resource, namespace, name)
        base = dict(tree, metadata=dict(tree["metadata"]))
        _take_over(tree, manifest, resource)
        return self._update(table, tree, base, None, Manager(field_manager, UPDATE, kind.api_version), dry_run, kind)

    def replace(self, kind: Kind, manifest: Object, field_manager: str, dry_run: bool = False) -> Object:
        """Put a whole object in the place of the one there. Raises NotFound, and Conflict when it changed meanwhile."""
        resource = self._registry.resource(kind)
        namespace, name = admission.address(kind, manifest)
        table = self._storage.table(resource)
        record = table.find(namespace, name)
        if record is None:
            raise NotFound(f'{resource.name} "{name}" not found')
        admission.check_types(manifest, resource, applied=False)
        before = record.tree()
        _check_preconditions(resource, manifest["metadata"], before)
        tree: Object = {key: before[key] for key in ("apiVersion", "kind") if key in before}
        tree["metadata"] = {k: v for k, v in before["metadata"].items() if k in _SYSTEM_METADATA}
        _take_over(tree, manifest, resource)
        if resource.status and "status" in before:
            tree["status"] = before["status"]
        if "managedFields" in before["metadata"]:
            tree["metadata"]["managedFields"] = record.tree()["metadata"]["managedFields"]
        manager = Manager(field_manager, UPDATE, kind.api_version)
        return self._update(table, tree, before, record, manager, dry_run, kind)

    def patch(self, table: Table, record: Record, patch: Object, manager: str) -> Object:
        """Lay a JSON merge patch over an object. Raises Rejected."""
        admission.encoded_size(patch)

        def lay(tree: Object) -> None:
            merge_patch(tree, patch)
            admission.address(table.resource.kind, tree)
            admission.check_types(tree, table.resource, applied=False)

        return self.change(table, record, lay, manager).tree()

    def change(
        self, table: Table, record: Record, change: Callable[[Object], None], manager: str, subresource: str = ""
    ) -> Record:
        """Change an object through a function that edits its tree, as a person or a controller does.

        With the subresource "status" only the status is taken, without it everything but the status.
        """
        before, tree = record.tree(), record.tree()
        change(tree)
        _keep_system_metadata(before, tree)
        resource = table.resource
        if subresource == "status":
            tree = {**before, "status": tree.get("status", {}), "metadata": tree["metadata"]}
        elif resource.status:
            tree.pop("status", None)
            if "status" in before:
                tree["status"] = before["status"]
        who = Manager(manager, UPDATE, resource.kind.api_version, subresource)
        self._update(table, tree, before, record, who, False, resource.kind)
        return table.find(record.namespace, record.name) or record

    def _named(self, manifest: Object) -> Object:
        metadata = manifest.get("metadata")
        if type(metadata) is dict and not metadata.get("name") and isinstance(metadata.get("generateName"), str):
            return {**manifest, "metadata": {**metadata, "name": metadata["generateName"] + self._storage.uid()[:5]}}
        return manifest

    def _new(self, resource: Resource, namespace: str, name: str) -> Object:
        """Return the beginnings of an object. Raises NotFound or NamespaceTerminating for the namespace."""
        metadata: Object = {"name": name}
        if namespace:
            home = self._storage.find(NAMESPACE, "", namespace)
            if home is None:
                raise NotFound(f'namespaces "{namespace}" not found')
            if home.deleting:
                raise NamespaceTerminating(
                    f'{resource.name} "{name}" is forbidden: unable to create new content in namespace '
                    f"{namespace} because it is being terminated"
                )
            metadata["namespace"] = namespace
        metadata["uid"] = self._storage.uid()
        metadata["creationTimestamp"] = self._storage.now()
        if resource.generation:
            metadata["generation"] = 1
        kind = resource.kind
        return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}

    def _lay_over(
        self,
        resource: Resource,
        tree: Object,
        manifest: Object,
        record: Record | None,
        manager: Manager,
        force: bool,
    ) -> None:
        """Merge what is applied into the tree, and account for its fields."""
        rules = resource.rules
        try:
            stated = merge(tree, _configuration(manifest, resource), rules)
        except (DuplicateElement, BadElement) as error:
            raise Rejected(f"failed to create typed patch object ({manifest['metadata']['name']}): {error}") from error
        if not stated.get("f:metadata"):
            stated.pop("f:metadata", None)
        entries = ownership.entries_of(tree)
        mine = ownership.find(entries, manager)
        others = [entry for entry in entries if entry is not mine]
        if mine is not None and mine["fieldsV1"] != stated:
            claims = ownership.claimed([*others, manager.entry(stated, "")])
            prune(tree, rules, mine["fieldsV1"], claims)
        if others and record is not None:
            touched, removed = _compare(record.tree(), tree, resource)
            if touched and not force:
                ownership.conflicts(others, touched)
            ownership.release(entries, manager, touched, removed)
        ownership.state(entries, manager, stated, self._storage.now())

    def _finish(
        self, table: Table, tree: Object, record: Record | None, manager: Manager, dry_run: bool, kind: Kind
    ) -> Object:
        """Default, check and store the outcome of an apply; nothing is stored when nothing changed."""
        resource = table.resource
        admission.default(resource, tree)
        admission.allocate(resource, tree)
        if record is not None:
            ownership.arrange(tree)
            if orjson.dumps(tree) == record.data:
                return _served(tree, kind)
            before = record.tree()
            if before == tree:
                return _served(before, kind)
            entries = ownership.entries_of(tree)
            entry = ownership.find(entries, manager)
            if entry is not None:
                entry["time"] = self._storage.now()
            return self._store(table, tree, before, record, dry_run, kind)
        return self._store(table, tree, None, record, dry_run, kind)

    def _update(
        self,
        table: Table,
        tree: Object,
        before: Object,
        record: Record | None,
        manager: Manager,
        dry_run: bool,
        kind: Kind,
    ) -> Object:
        """Default, check and store the outcome of any other write."""
        resource = table.resource
        admission.default(resource, tree)
        touched, removed = _compare(before, tree, resource)
        if record is None:
            touched = without_bare(touched, resource.rules)
        admission.allocate(resource, tree)
        if not touched and not removed and record is not None and before == tree:
            return _served(tree, kind)
        if resource.status and not manager.subresource:
            touched.pop("f:status", None)
            removed.pop("f:status", None)
        entries = ownership.entries_of(tree)
        ownership.update(entries, manager, touched, removed if record else {}, self._storage.now())
        return self._store(table, tree, before if record else None, record, dry_run, kind)

    def _store(
        self, table: Table, tree: Object, before: Object | None, record: Record | None, dry_run: bool, kind: Kind
    ) -> Object:
        resource = table.resource
        ownership.arrange(tree)
        if before is not None and resource.generation and _desired_changed(before, tree):
            metadata = tree["metadata"]
            metadata["generation"] = metadata.get("generation", 0) + 1
            admission.revise(resource, tree, before)
        admission.check(resource, tree, before)
        admission.encoded_size(tree)
        if not dry_run:
            self._storage.put(table, tree, record)
        return _served(tree, kind)


def _configuration(manifest: Object, resource: Resource) -> Object:
    """Return the part of a manifest that is merged and owned."""
    patch = {key: value for key, value in manifest.items() if key != "apiVersion" and key != "kind"}
    metadata = patch["metadata"]
    patch["metadata"] = {key: metadata[key] for key in _MERGED_METADATA if key in metadata}
    if resource.status:
        patch.pop("status", None)
    return patch


def _take_over(tree: Object, manifest: Object, resource: Resource) -> None:
    """Copy from a whole object what its sender has a say in."""
    for key, value in manifest.items():
        if key == "metadata":
            metadata = tree["metadata"]
            for field, item in value.items():
                if field not in _SYSTEM_METADATA and field != "managedFields":
                    metadata[field] = copy_json(item)
        elif key not in ("apiVersion", "kind") and not (key == "status" and resource.status):
            tree[key] = copy_json(value)


def _check_preconditions(resource: Resource, metadata: Object, live: Object) -> None:
    current = live["metadata"]
    for field in ("uid", "resourceVersion"):
        wanted = metadata.get(field)
        if wanted and field in current and wanted != current[field] and "resourceVersion" in current:
            raise Conflict(
                f'Operation cannot be fulfilled on {resource.name} "{current["name"]}": the object has been modified; '
                f"please apply your changes to the latest version and try again ({field} differs)"
            )


_UNTRACKED: Final = frozenset((*_SYSTEM_METADATA, "managedFields"))


def _compare(before: Object, after: Object, resource: Resource) -> tuple[FieldSet, FieldSet]:
    """Return the fields a write set and removed, without those nobody manages."""
    touched, removed = compare(_tracked(before), _tracked(after), resource.rules)
    for fields in (touched, removed):
        metadata = fields.get("f:metadata")
        if metadata is not None:
            metadata.pop(SELF, None)
            if not metadata:
                del fields["f:metadata"]
    return touched, removed


def _tracked(tree: Object) -> Object:
    result = {key: value for key, value in tree.items() if key != "apiVersion" and key != "kind"}
    result["metadata"] = {key: value for key, value in tree["metadata"].items() if key not in _UNTRACKED}
    return result


def _desired_changed(before: Object, after: Object) -> bool:
    return _desired(before) != _desired(after)


def _desired(tree: Object) -> dict[str, Any]:
    return {key: value for key, value in tree.items() if key not in ("metadata", "status", "apiVersion")}


def _served(tree: Object, kind: Kind) -> Object:
    tree["apiVersion"] = kind.api_version
    return tree


def merge_patch(target: Object, patch: Object) -> None:
    """Lay a JSON merge patch (RFC 7386) over an object."""
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif type(value) is dict:
            nested = target.get(key)
            if type(nested) is not dict:
                nested = target[key] = {}
            merge_patch(nested, value)
        else:
            target[key] = copy_json(value)


def _keep_system_metadata(before: Object, tree: Object) -> None:
    """Undo what a change did to the fields that only the server writes."""
    was, metadata = before["metadata"], tree["metadata"]
    for field in (*_SYSTEM_METADATA, "managedFields"):
        if field not in was:
            metadata.pop(field, None)
        elif metadata.get(field) != was[field]:
            metadata[field] = copy_json(was[field])
