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

TREE_LIMIT: Final = 5000

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


async def grow(client: KubeClient, live: LiveState, assignment: Assignment, *, children: bool = True) -> list[Node]:
    """Return what is managed and what that owns; without `children` only the first. Raises QuestionFailed,
    KubeError."""
    nodes = {node.uid: node for node in _roots(live, assignment)}
    namespaces = {node.key.namespace for node in nodes.values() if node.key.namespace}
    candidates = await _children(client, namespaces) if children else []
    grown = True
    while grown and len(nodes) < TREE_LIMIT:
        grown = False
        for obj in list(candidates):
            parent = _owner_among(obj, nodes)
            if parent is None:
                continue
            candidates.remove(obj)
            uid = obj["metadata"]["uid"]
            if uid in nodes:
                continue
            version = split_api_version(obj["apiVersion"])[1]
            nodes[uid] = Node(key_of(obj), version, uid, parent, live.assess(obj), tracked_by(obj) is not None)
            grown = True
    return list(nodes.values())


def _roots(live: LiveState, assignment: Assignment) -> list[Node]:
    found = []
    for root in live.of_application(assignment.tracking_name):
        record = live.records.get(root.key)
        found.append(Node(root.key, root.version, root.uid, "", record.health if record else None, managed=True))
    return found


async def _children(client: KubeClient, namespaces: set[str]) -> list[Object]:
    discovery = await client.discover()
    found: list[Object] = []
    for group_kind in CHILD_KINDS:
        kind = discovery.preferred.get(group_kind)
        if kind is None:
            continue
        for namespace in sorted(namespaces):
            try:
                found += (await client.list(kind, namespace=namespace)).items
            except (errors.Forbidden, errors.KindUnknown):
                continue  # a tree without them is of use too
            if len(found) > 10 * TREE_LIMIT:
                raise QuestionFailed("too-large", f"more than {10 * TREE_LIMIT} objects in these namespaces")
    return found


def _owner_among(obj: Object, nodes: dict[str, Node]) -> str | None:
    references = obj["metadata"].get("ownerReferences") or []
    return next((r["uid"] for r in references if r.get("uid") in nodes), None)
