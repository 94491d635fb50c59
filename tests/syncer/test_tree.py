"""What an application owns is found without comparing everything with everything, however much else is there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import pytest

from agent.engine.assignment import Assignment
from agent.engine.reconcile import Live
from agent.engine.resource import GroupKind, Object, ResourceKey
from agent.hubclient.fetched import QuestionFailed
from agent.kube.client import Discovery, Kind, KubeClient, ObjectList, Reduce
from agent.syncer import tree
from agent.syncer.live import LiveState

POD = Kind("", "v1", "Pod", "pods", namespaced=True)
REPLICA_SET = Kind("apps", "v1", "ReplicaSet", "replicasets", namespaced=True)
ROOT = Live(ResourceKey("apps", "Deployment", "shop", "web"), "v1", "root", "1", b"", "web")


class Apart(dict[str, Any]):
    """An object that nobody has a reason to compare."""

    def __eq__(self, other: object) -> bool:
        raise AssertionError("objects are told apart by their uids")


def owned(kind: Kind, name: str, *owners: str) -> Object:
    references = [{"uid": owner} for owner in owners]
    metadata = {"namespace": "shop", "name": name, "uid": name, "ownerReferences": references}
    return Apart(apiVersion=kind.api_version, kind=kind.kind, metadata=metadata)


class Namespace:
    """A cluster with one namespace."""

    def __init__(self, objects: Iterable[Object]) -> None:
        self._objects = list(objects)

    async def discover(self) -> Discovery:
        kinds = {kind.group_kind: kind for kind in (POD, REPLICA_SET)}
        return Discovery("v1", {}, kinds)

    async def list(self, kind: Kind, *, namespace: str, reduce: Reduce | None) -> ObjectList:
        items = [obj for obj in self._objects if obj["kind"] == kind.kind]
        return ObjectList(items, "1")


class Known:
    def __init__(self) -> None:
        self.records: dict[ResourceKey, Any] = {}

    def of_application(self, name: str) -> list[Live]:
        return [ROOT]

    def assess(self, obj: Object) -> None:
        return None


async def grown(objects: Iterable[Object]) -> dict[str, str]:
    """Return uid → the owner's uid."""
    client, live = cast(KubeClient, Namespace(objects)), cast(LiveState, Known())
    assignment = cast(Assignment, type("Assigned", (), {"tracking_name": "web"}))
    return {node.uid: node.parent for node in await tree.grow(client, live, assignment)}


async def test_owners_are_followed_down_in_whatever_order_they_come() -> None:
    objects = [
        owned(POD, "foreign", "strange"),
        owned(POD, "pod", "set"),
        owned(POD, "twice", "strange", "set", "root"),
        owned(REPLICA_SET, "set", "root"),
        owned(POD, "round", "about"),
        owned(POD, "about", "round"),
    ]
    assert await grown(objects) == {"root": "", "set": "root", "pod": "set", "twice": "root"}


async def test_there_is_an_end_to_what_is_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    assert GroupKind("", "Pod") in tree.CHILD_KINDS
    monkeypatch.setattr(tree, "OBJECTS_LIMIT", 3)
    objects = [owned(POD, f"p{n}", "root") for n in range(4)]
    assert len(await grown(objects[:3])) == 4
    with pytest.raises(QuestionFailed, match="more than 3 objects"):
        await grown(objects)
