"""Any history of a cluster, with any faults on the way, leaves the view that the cluster's objects leave."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from agent.engine.resource import Object
from agent.kube.client import EventType, Kind, KubeClient, ObjectList, WatchEvent
from agent.kube.errors import Forbidden, Gone, KindUnknown, KubeError, Throttled, Unreachable
from agent.kube.reflector import Pace, Reflector
from tests.search import examples

KIND = Kind("", "v1", "ConfigMap", "configmaps", True)
FAST = Pace(first_pause=0.0, longest_pause=0.0, gone_pause=0.0, brief=0.0)


class Cluster:
    """Objects with a history that can be forgotten, as etcd's is, and faults to answer with first."""

    def __init__(self, faults: list[KubeError | int]) -> None:
        self.faults = faults
        self.version = 1
        self.forgotten = 0
        self.objects: dict[str, Object] = {}
        self.history: list[tuple[int, WatchEvent]] = []
        self.removed: set[str] = set()
        self.changed = asyncio.Event()

    def do(self, step: tuple[str, str]) -> None:
        action, name = step
        if action == "forget":
            self.forgotten = self.version
            self.history.clear()
            return
        if action == "remove" and name not in self.objects:
            return
        self.version += 1
        obj = {"metadata": {"name": name, "resourceVersion": str(self.version)}}
        kind = EventType.MODIFIED if name in self.objects else EventType.ADDED
        if action == "remove":
            kind = EventType.DELETED
            self.removed.add(name)
            del self.objects[name]
        else:
            self.objects[name] = obj
        self.history.append((self.version, WatchEvent(kind, obj)))
        self.changed.set()

    async def list(self, kind: Kind, **_: Any) -> ObjectList:
        fault = self.faults.pop() if self.faults else None
        if isinstance(fault, KubeError):
            raise fault
        return ObjectList(list(self.objects.values()), str(self.version))

    async def watch(self, kind: Kind, *, resource_version: str, **_: Any) -> AsyncIterator[WatchEvent]:
        fault = self.faults.pop() if self.faults else None
        if isinstance(fault, KubeError):
            raise fault
        seen = int(resource_version)
        left = fault if fault is not None else 1_000_000
        while True:
            if seen < self.forgotten:
                raise Gone("too old resource version")
            for version, event in [entry for entry in self.history if entry[0] > seen]:
                if left == 0:
                    raise Unreachable("cut")
                left -= 1
                seen = version
                yield event
            if fault is not None:
                return
            self.changed.clear()
            await self.changed.wait()


class View:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.versions: dict[str, str] = {}

    def on_replace(self, kind: Kind, items: list[Object]) -> None:
        found = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in items}
        assert self.versions.keys() - found.keys() <= self.cluster.removed
        self.versions = found

    def on_event(self, kind: Kind, event: WatchEvent) -> None:
        name, version = event.object["metadata"]["name"], event.object["metadata"]["resourceVersion"]
        if event.type is EventType.DELETED:
            assert name in self.cluster.removed
            self.versions.pop(name, None)
        else:
            self.versions[name] = version

    def on_gone(self, kind: Kind) -> None:
        pass

    @property
    def right(self) -> bool:
        wanted = {name: obj["metadata"]["resourceVersion"] for name, obj in self.cluster.objects.items()}
        return self.versions == wanted


faults = st.lists(
    st.integers(0, 3)  # a watch that ends, or is cut, after so many events
    | st.sampled_from(
        [Unreachable("down"), Forbidden("no"), Gone("old"), KindUnknown("starting"), Throttled("slow", 0.0)]
    ),
    max_size=12,
)
steps = st.lists(st.tuples(st.sampled_from(["put", "put", "remove", "forget"]), st.sampled_from("abcd")), max_size=30)


@examples(60)
@given(faults, steps)
def test_the_view_comes_to_be_the_cluster(faults: list[KubeError | int], steps: list[tuple[str, str]]) -> None:
    asyncio.run(follow(list(faults), steps))


async def follow(faults: list[KubeError | int], steps: list[tuple[str, str]]) -> None:
    cluster = Cluster(faults)
    view = View(cluster)
    reflector = Reflector(cast(KubeClient, cluster), KIND, "", view, pace=FAST)
    task = asyncio.create_task(reflector.run())
    for step in steps:
        cluster.do(step)
        await asyncio.sleep(0)
    cluster.do(("put", "last"))
    for _ in range(1000):
        if view.right and reflector.synced and not faults:
            break
        cluster.changed.set()
        await asyncio.sleep(0)
    assert view.right
    assert reflector.synced
    assert not task.done()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
