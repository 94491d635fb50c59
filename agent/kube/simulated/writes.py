"""How a simulated API server changes an object: apply, create, replace, patch.

Every write goes the way it goes on a real server: find the object, lay the change over it, account for who manages
what, fill in defaults, check the result, and store it only when it differs from what was there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson

from agent.engine.resource import GroupKind, Object, ResourceKey
from agent.kube.client import ApplyOptions, Kind
from agent.kube.errors import Conflict, KindUnknown, NamespaceMissing, NamespaceTerminating, NotFound, Rejected
from agent.kube.simulated import admission, ownership
from agent.kube.simulated.conversion import convert, load
from agent.kube.simulated.fields import SELF, BadElement, FieldSet, without_bare
from agent.kube.simulated.kinds import Resource
from agent.kube.simulated.merge import DuplicateElement, compare, merge, merge_patch, prune
from agent.kube.simulated.ownership import APPLY, UPDATE, Manager
from agent.kube.simulated.registry import Registry
from agent.kube.simulated.rehearsal import Rehearsals
from agent.kube.simulated.schema import copy_json
from agent.kube.simulated.storage import Record, Storage, Table

NAMESPACE: Final = GroupKind("", "Namespace")
DEPLOYMENT: Final = GroupKind("apps", "Deployment")

STATUS: Final = "status"
BEFORE_FIRST_APPLY: Final = "before-first-apply"

_APPLIED_METADATA: Final = ("labels", "annotations", "finalizers", "ownerReferences")
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
_UNTRACKED: Final = frozenset((*_SYSTEM_METADATA, "managedFields"))
"""Metadata nobody manages."""


class Write:
    """One write: what it is about, and who does it."""

    __slots__ = ("dry_run", "manager", "outcome", "record", "resource", "table")

    def __init__(
        self, table: Table, resource: Resource, record: Record | None, manager: Manager, dry_run: bool = False
    ) -> None:
        self.table = table
        self.resource = resource
        """The kind in the version of the request."""
        self.record = record
        """The object as it was, None when it is new."""
        self.manager = manager
        self.dry_run = dry_run
        self.outcome = b""
        """What the object would be after a dry run that changes it."""


class Writer:
    """Changes the objects of one cluster. Everything here is immediate; nothing waits."""

    __slots__ = ("_registry", "_rehearsals", "_storage")

    def __init__(self, storage: Storage, registry: Registry) -> None:
        self._storage = storage
        self._registry = registry
        self._rehearsals = Rehearsals()

    def apply(self, kind: Kind, manifest: Object, options: ApplyOptions) -> Object:
        """Server-side apply. Returns the object as it is, or under dry_run would be."""
        resource = self._registry.resource(kind)
        content = admission.encode(manifest)
        namespace, name = admission.named(resource.kind, manifest)
        table = self._storage.table(resource)
        record = table.find(namespace, name)
        manager = Manager(options.field_manager, APPLY, kind.api_version)
        write = Write(table, resource, record, manager, options.dry_run)
        who = (resource, options.field_manager, options.force, self._storage.now())
        if record is not None and not options.dry_run:
            rehearsed = self._rehearsals.take(record, *who, content)
            if rehearsed is not None:
                return self._put(write, rehearsed)
        admission.check_applied_types(manifest, resource, content)
        tree = self._apply(write, manifest, options.force, namespace, name)
        if record is not None and write.outcome:
            self._rehearsals.note(record, *who, content, write.outcome)
        return tree

    def _apply(self, write: Write, manifest: Object, force: bool, namespace: str, name: str) -> Object:
        resource, record = write.resource, write.record
        metadata = manifest["metadata"]
        if metadata.get("managedFields") is not None:
            raise Rejected("metadata.managedFields must be nil", ("metadata.managedFields",))
        tree = load(record, resource.kind) if record else self._new(resource, namespace, name)
        _check_applied(resource, metadata, tree, exists=record is not None)
        self._lay_over(write, tree, manifest, force)
        if record is not None and orjson.dumps(tree) == record.data:
            return tree
        admission.default(resource, tree)
        admission.allocate(resource, tree)
        return self._store_applied(write, tree)

    def create(self, kind: Kind, manifest: Object, field_manager: str, dry_run: bool = False) -> Object:
        """Create an object. Raises Conflict when there is one of that name."""
        resource = self._registry.resource(kind)
        manifest = self._named(manifest)
        namespace, name = admission.address(resource.kind, manifest)
        admission.check_types(manifest, resource, applied=False)
        if manifest["metadata"].get("resourceVersion"):
            raise Rejected("resourceVersion should not be set on objects to be created", ("metadata.resourceVersion",))
        table = self._storage.table(resource)
        if table.find(namespace, name) is not None:
            raise Conflict(f'{resource.name} "{name}" already exists')
        before = self._new(resource, namespace, name)
        tree = {**before, "metadata": dict(before["metadata"])}
        _take_over(tree, manifest, resource)
        admission.read(resource, tree)
        write = Write(table, resource, None, Manager(field_manager, UPDATE, kind.api_version), dry_run)
        return self._update(write, tree, before)

    def replace(self, kind: Kind, manifest: Object, field_manager: str, dry_run: bool = False) -> Object:
        """Put a whole object in the place of the one there. Raises NotFound, and Conflict when it changed meanwhile."""
        resource = self._registry.resource(kind)
        namespace, name = admission.address(resource.kind, manifest)
        admission.check_types(manifest, resource, applied=False)
        table = self._storage.table(resource)
        record = table.find(namespace, name)
        if record is None:
            raise NotFound(f'{resource.name} "{name}" not found')
        if resource.schema is not None and not manifest["metadata"].get("resourceVersion"):
            field = "metadata.resourceVersion"
            raise Rejected(f'{kind.kind} "{name}" is invalid: {field}: must be specified for an update', (field,))
        before, tree = load(record, kind), load(record, kind)
        _check_replaced(resource, manifest["metadata"], before)
        _empty(tree, resource)
        _take_over(tree, manifest, resource)
        if manifest["metadata"].get("managedFields"):
            # Whoever writes the whole object may put the account of its managers right.
            tree["metadata"]["managedFields"] = copy_json(manifest["metadata"]["managedFields"])
        admission.read(resource, tree)
        write = Write(table, resource, record, Manager(field_manager, UPDATE, kind.api_version), dry_run)
        return self._update(write, tree, before)

    def merge(self, kind: Kind, key: ResourceKey, patch: Object, field_manager: str, subresource: str = "") -> Object:
        """Lay a JSON merge patch over an object in the version of the request, or over its status.

        Raises NotFound, Conflict when the patch is for another resourceVersion, Rejected when it is for another uid or
        does not fit, KindUnknown where the status is no subresource.
        """
        resource = self._registry.resource(kind)
        admission.encode(patch)
        if subresource and (subresource != STATUS or not resource.status):
            raise KindUnknown(f"the cluster serves no {kind.plural}/{subresource}")
        table = self._storage.table(resource)
        record = table.find(key.namespace if kind.namespaced else "", key.name)
        if record is None:
            raise NotFound(f'{resource.name} "{key.name}" not found')
        before, tree = load(record, kind), load(record, kind)
        merge_patch(tree, patch)
        if tree["metadata"].get("resourceVersion") != before["metadata"]["resourceVersion"]:
            raise _modified(resource, before)
        _check_applied(resource, tree["metadata"], before, exists=True)
        admission.address(resource.kind, tree)
        admission.check_types(tree, resource, applied=True)
        _keep_system_metadata(before, tree)
        tree = _restrict(before, tree, resource, subresource)
        if not subresource:
            admission.read(resource, tree)
        who = Manager(field_manager, UPDATE, kind.api_version, subresource)
        return self._update(Write(table, resource, record, who), tree, before)

    def patch(self, table: Table, record: Record, patch: Object, manager: str) -> Object:
        """Lay a JSON merge patch over an object. Raises Rejected."""
        admission.encode(patch)

        def lay(tree: Object) -> None:
            merge_patch(tree, patch)
            admission.address(table.resource.kind, tree)
            admission.check_types(tree, table.resource, applied=False)
            admission.read(table.resource, tree)

        return self.change(table, record, lay, manager).tree()

    def change(
        self, table: Table, record: Record, change: Callable[[Object], None], manager: str, subresource: str = ""
    ) -> Record:
        """Change an object through a function that edits its tree, as a person or a controller does.

        With the subresource "status" only metadata and status are taken, without it everything but the status.
        """
        resource = table.resource
        before, tree = record.tree(), record.tree()
        change(tree)
        _keep_system_metadata(before, tree)
        tree = _restrict(before, tree, resource, subresource)
        who = Manager(manager, UPDATE, resource.kind.api_version, subresource)
        self._update(Write(table, resource, record, who), tree, before)
        return table.find(record.namespace, record.name) or record

    def _named(self, manifest: Object) -> Object:
        metadata = manifest.get("metadata")
        if type(metadata) is dict and not metadata.get("name") and isinstance(metadata.get("generateName"), str):
            return {**manifest, "metadata": {**metadata, "name": metadata["generateName"] + self._storage.uid()[:5]}}
        return manifest

    def _new(self, resource: Resource, namespace: str, name: str) -> Object:
        """Return the beginnings of an object. Raises NamespaceMissing or NamespaceTerminating."""
        metadata: Object = {"name": name}
        if namespace:
            home = self._storage.find(NAMESPACE, "", namespace)
            if home is None:
                raise NamespaceMissing(f'namespaces "{namespace}" not found')
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

    def _lay_over(self, write: Write, tree: Object, manifest: Object, force: bool) -> None:
        """Merge what is applied into the tree, and account for its fields."""
        rules, manager = write.resource.rules, write.manager
        try:
            stated = merge(tree, configuration(manifest, write.resource), rules)
        except (DuplicateElement, BadElement) as error:
            raise Rejected(f"failed to create typed patch object ({manifest['metadata']['name']}): {error}") from error
        if not stated.get("f:metadata"):
            stated.pop("f:metadata", None)
        entries = ownership.entries_of(tree)
        if write.record is not None and not entries:
            self._claim_for_others(write, entries)
        mine = ownership.find(entries, manager)
        others = [entry for entry in entries if entry is not mine]
        if mine is not None and mine["fieldsV1"] != stated:
            claims = ownership.claimed([*others, manager.entry(stated, "")])
            # Nobody has to claim the metadata itself for it to stay.
            prune(tree, rules, mine["fieldsV1"], {"f:metadata": {}, **claims})
        if others and write.record is not None:
            touched, removed = _compare(load(write.record, write.resource.kind), tree, write.resource)
            if touched and not force:
                ownership.conflicts(others, touched)
            ownership.release(entries, manager, touched, removed)
        ownership.state(entries, manager, stated, self._storage.now())

    def _claim_for_others(self, write: Write, entries: list[ownership.Entry]) -> None:
        """Say of an object nobody was known to manage that somebody managed it before the first apply."""
        if write.record is None:
            return
        tree = load(write.record, write.resource.kind)
        touched, _ = _compare({"metadata": {}}, tree, write.resource)
        if write.resource.status:
            touched.pop("f:status", None)
        before = Manager(BEFORE_FIRST_APPLY, UPDATE, write.resource.kind.api_version)
        ownership.state(entries, before, without_bare(touched, tree, write.resource.rules), self._storage.now())

    def _store_applied(self, write: Write, tree: Object) -> Object:
        """Store the outcome of an apply, unless nothing changed."""
        record = write.record
        ownership.arrange(tree)
        if record is None:
            return self._store(write, tree, None)
        if orjson.dumps(tree) == record.data:
            return tree
        before = load(record, write.resource.kind)
        if before == tree:
            return before
        entry = ownership.find(ownership.entries_of(tree), write.manager)
        if entry is not None:
            entry["time"] = self._storage.now()
        return self._store(write, tree, before)

    def _update(self, write: Write, tree: Object, before: Object) -> Object:
        """Default, check and store the outcome of any other write."""
        resource, record = write.resource, write.record
        # A status comes from the cluster's own controllers, and leaves the rest as it is.
        if write.manager.subresource != STATUS:
            admission.default(resource, tree)
        touched, removed = _compare(before, tree, resource)
        if record is None:
            touched, removed = without_bare(touched, tree, resource.rules), {}
        if write.manager.subresource != STATUS:
            admission.allocate(resource, tree)
        if record is not None and not touched and not removed and before == tree:
            return tree
        if resource.status and not write.manager.subresource:
            touched.pop("f:status", None)
            removed.pop("f:status", None)
        if record is not None and not tree["metadata"].get("managedFields"):
            # The server keeps no account of updates to an object until somebody applies it.
            return self._store(write, tree, before)
        ownership.update(ownership.entries_of(tree), write.manager, touched, removed, self._storage.now())
        return self._store(write, tree, before if record else None)

    def _store(self, write: Write, tree: Object, before: Object | None) -> Object:
        resource = write.resource
        ownership.arrange(tree)
        if before is not None and resource.generation and _desired(before, write) != _desired(tree, write):
            metadata = tree["metadata"]
            metadata["generation"] = metadata.get("generation", 0) + 1
            admission.revise(resource, tree, before)
        if write.manager.subresource != STATUS:
            admission.check(resource, tree, before)
        if write.dry_run:
            write.outcome = admission.encode(tree)
            return tree
        return self._put(write, tree)

    def _put(self, write: Write, tree: Object) -> Object:
        """Store an object in the version its kind is stored in."""
        resource = write.resource
        stored = write.table.resource.kind
        if stored.version == resource.kind.version:
            self._storage.put(write.table, tree, write.record)
            return tree
        kept = copy_json(tree)
        convert(kept, stored)
        self._storage.put(write.table, kept, write.record)
        tree["metadata"]["resourceVersion"] = kept["metadata"]["resourceVersion"]
        return tree


def configuration(manifest: Object, resource: Resource) -> Object:
    """Return the part of a manifest that is merged and owned."""
    patch = {key: value for key, value in manifest.items() if key != "apiVersion" and key != "kind"}
    metadata = patch["metadata"]
    patch["metadata"] = {key: metadata[key] for key in _APPLIED_METADATA if key in metadata}
    if resource.status:
        patch.pop("status", None)
    return patch


def _empty(tree: Object, resource: Resource) -> None:
    """Remove from an object what a whole new one puts in its place."""
    metadata = tree["metadata"]
    for key in metadata.keys() - _UNTRACKED:
        del metadata[key]
    for key in tree.keys() - {"apiVersion", "kind", "metadata"}:
        if not (key == "status" and resource.status):
            del tree[key]


def _take_over(tree: Object, manifest: Object, resource: Resource) -> None:
    """Copy from a whole object what its sender has a say in."""
    for key, value in manifest.items():
        if key == "metadata":
            metadata = tree["metadata"]
            for field, item in value.items():
                if field not in _UNTRACKED:
                    metadata[field] = copy_json(item)
        elif key not in ("apiVersion", "kind") and not (key == "status" and resource.status):
            tree[key] = copy_json(value)


def _restrict(before: Object, tree: Object, resource: Resource, subresource: str) -> Object:
    """Undo what a change did to the part of the object that it is not about: the status, or everything else."""
    if subresource == STATUS:
        return {**before, "status": tree.get("status", {}), "metadata": tree["metadata"]}
    if resource.status and tree.get("status") != before.get("status"):
        tree.pop("status", None)
        if "status" in before:
            tree["status"] = copy_json(before["status"])
    return tree


def _keep_system_metadata(before: Object, tree: Object) -> None:
    """Undo what a change did to the fields that only the server writes."""
    was, metadata = before["metadata"], tree["metadata"]
    for field in _UNTRACKED:
        if field not in was:
            metadata.pop(field, None)
        elif metadata.get(field) != was[field]:
            metadata[field] = copy_json(was[field])


def _check_applied(resource: Resource, metadata: Object, live: Object, *, exists: bool) -> None:
    uid = metadata.get("uid")
    if uid and not exists:
        raise Conflict(f"uid mismatch: the provided object specified uid {uid}, and no existing object was found")
    if uid and uid != live["metadata"]["uid"]:
        name = live["metadata"]["name"]
        text = f'{resource.kind.kind} "{name}" is invalid: metadata.uid: Invalid value: "{uid}": field is immutable'
        raise Rejected(text, ("metadata.uid",))
    version = metadata.get("resourceVersion")
    if version and exists and version != live["metadata"]["resourceVersion"]:
        raise _modified(resource, live)


def _check_replaced(resource: Resource, metadata: Object, live: Object) -> None:
    current = live["metadata"]
    if any(metadata.get(field, current[field]) not in ("", current[field]) for field in ("uid", "resourceVersion")):
        raise _modified(resource, live)


def _modified(resource: Resource, live: Object) -> Conflict:
    return Conflict(
        f'Operation cannot be fulfilled on {resource.name} "{live["metadata"]["name"]}": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )


def _compare(before: Object, after: Object, resource: Resource) -> tuple[FieldSet, FieldSet]:
    """Return the fields a write set and removed, without those nobody manages."""
    try:
        touched, removed = compare(_tracked(before), _tracked(after), resource.rules)
    except BadElement as error:
        raise Rejected(f"{resource.kind.kind} cannot be read: {error}") from error
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


def _desired(tree: Object, write: Write) -> dict[str, Any]:
    """Return what metadata.generation counts the changes of."""
    desired = {key: value for key, value in tree.items() if key not in ("metadata", "status", "apiVersion")}
    if write.resource.kind.group_kind == DEPLOYMENT and write.manager.subresource != STATUS:
        desired["annotations"] = tree["metadata"].get("annotations")
    return desired
