"""What an application manages on a cluster, and all that it owns there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agent.engine.assignment import Assignment
from agent.engine.health import Health
from agent.engine.resource import GroupKind, Object, ResourceKey, key_of, split_api_version, tracked_by
from agent.hubclient.fetched import QuestionFailed
from agent.kube import errors
from agent.kube.client import KubeClient
from agent.syncer.live import LiveState

OBJECTS_LIMIT: Final = 50_000
"""Objects that are looked through for what is owned."""

CHILD_KINDS: Final = (
    GroupKind("apps", "ReplicaSet"),
    GroupKind("batch", "Job"),
    GroupKind("", "Pod"),
    GroupKind("apps", "ControllerRevision"),
    GroupKind("", "PersistentVolumeClaim"),
    GroupKind("discovery.k8s.io", "EndpointSlice"),
)
"""Looked through for what is owned."""


@dataclass(frozen=True, slots=True)
class Node:
    key: ResourceKey
    version: str
    uid: str
    parent: str
    """The owner's uid; "" for what the application manages itself."""
    health: Health | None
    managed: bool


async def grow(
    client: KubeClient, live: LiveState, assignment: Assignment, *, children: bool = True, health: bool = True
) -> list[Node]:
    """Return what is managed and what that owns; without `children` only the first. Without `health` nothing but
    metadata is read of what is owned. Raises QuestionFailed, KubeError."""
    nodes = {node.uid: node for node in _roots(live, assignment)}
    namespaces = {node.key.namespace for node in nodes.values() if node.key.namespace}
    owned = await _owned(client, namespaces, metadata=not health) if children else {}
    parents = list(nodes)
    for parent in parents:
        for obj in owned.get(parent, ()):
            uid = obj["metadata"]["uid"]
            if uid not in nodes:
                version = split_api_version(obj["apiVersion"])[1]
                state = live.assess(obj) if health else None
                nodes[uid] = Node(key_of(obj), version, uid, parent, state, tracked_by(obj) is not None)
                parents.append(uid)
    return list(nodes.values())


def _roots(live: LiveState, assignment: Assignment) -> list[Node]:
    found = []
    for root in live.of_application(assignment.tracking_name):
        record = live.records.get(root.key)
        found.append(Node(root.key, root.version, root.uid, "", record.health if record else None, managed=True))
    return found


async def _owned(client: KubeClient, namespaces: set[str], *, metadata: bool) -> dict[str, list[Object]]:
    """Return the objects that others own, by the uids of these."""
    discovery = await client.discover()
    found: dict[str, list[Object]] = {}
    count = 0
    for group_kind in CHILD_KINDS:
        kind = discovery.preferred.get(group_kind)
        if kind is None:
            continue
        for namespace in sorted(namespaces):
            try:
                items = (await client.list(kind, namespace=namespace, reduce=_kept if metadata else None)).items
            except (errors.Forbidden, errors.KindUnknown):
                continue  # a tree without them is of use too
            count += len(items)
            if count > OBJECTS_LIMIT:
                raise QuestionFailed("too-large", f"more than {OBJECTS_LIMIT} objects in these namespaces")
            for obj in items:
                for reference in obj["metadata"].get("ownerReferences") or ():
                    found.setdefault(reference.get("uid"), []).append(obj)
    return found


def _kept(obj: Object) -> Object | None:
    """Return what matters of an object of which there is metadata; None for one that nobody owns."""
    metadata = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    return {**obj, "metadata": metadata} if metadata.get("ownerReferences") else None
