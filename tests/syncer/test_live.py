"""What is known of objects, whichever of the watch and the answers to the agent's own writes comes first."""

from __future__ import annotations

from typing import Any

import pytest

from agent.engine.resource import TRACKING_ANNOTATION, Object, key_of
from agent.kube.client import Discovery, EventType, Kind, WatchEvent
from agent.kube.errors import KindUnknown
from agent.kube.simulated import SimulatedCluster
from agent.syncer.live import LiveState, Observer
from agent.syncer.settings import Settings

NO_DISK: Any = None
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments", True)
WIDGET = Kind("example.org", "v1", "Widget", "widgets", True)


def deployment(version: int, *, ready: bool, replicas: int = 1) -> Object:
    tracking = "web:apps/Deployment:shop/web"
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "uid": "u1",
            "generation": 1,
            "resourceVersion": str(version),
            "annotations": {"argocd.argoproj.io/tracking-id": tracking},
        },
        "spec": {"replicas": replicas},
        "status": {"observedGeneration": 1, "updatedReplicas": 1, "replicas": 1, "availableReplicas": 1}
        if ready
        else {},
    }


def state(observer: Observer = lambda *_: None) -> LiveState:
    return LiveState(SimulatedCluster(), Settings(NO_DISK), observer, lambda _: None, lambda *_: None)


def health_of(live: LiveState) -> str:
    health = live.records[key_of(deployment(1, ready=True))].health
    assert health is not None
    return str(health.status)


def test_an_answer_that_comes_after_its_own_consequences_changes_nothing() -> None:
    live = state()
    live.on_event(DEPLOYMENT, WatchEvent(EventType.ADDED, deployment(10, ready=False)))
    live.on_event(DEPLOYMENT, WatchEvent(EventType.MODIFIED, deployment(12, ready=True)))
    written = live.note(deployment(10, ready=False))
    assert health_of(live) == "Healthy"
    assert written.resource_version == "10", "what was written is what was judged, not what came after it"


@pytest.mark.parametrize(("seen", "answered", "loser"), [(10, 12, "web"), (12, 10, "other"), (12, 12, "")])
def test_of_two_that_write_at_once_the_one_that_loses_is_told(seen: int, answered: int, loser: str) -> None:
    told: list[str] = []
    live = state(lambda name, *_: told.append(name))
    live.on_event(DEPLOYMENT, WatchEvent(EventType.ADDED, deployment(seen, ready=True)))
    told.clear()
    written = deployment(answered, ready=True)
    if loser:
        written["metadata"]["annotations"][TRACKING_ANNOTATION] = "other:apps/Deployment:shop/web"
    live.note(written)
    assert told == [loser] * bool(loser)
    assert live.owner(key_of(written)) == ("other" if loser == "web" else "web")


def test_an_answer_that_comes_first_is_known_at_once() -> None:
    live = state()
    live.on_event(DEPLOYMENT, WatchEvent(EventType.ADDED, deployment(10, ready=True)))
    written = live.note(deployment(12, ready=False, replicas=2))
    assert (written.resource_version, health_of(live)) == ("12", "Progressing")
    live.on_event(DEPLOYMENT, WatchEvent(EventType.MODIFIED, deployment(10, ready=True)))
    assert health_of(live) == "Progressing", "an event from before the write"


async def test_objects_of_a_kind_that_is_served_no_more_are_told_as_gone() -> None:
    """Their watch has ended, and tells of nothing any more."""
    told: list[Any] = []
    live = LiveState(
        SimulatedCluster(), Settings(NO_DISK), lambda *change: told.append(change), lambda _: None, lambda *_: None
    )
    widget = {**deployment(10, ready=True), "apiVersion": "example.org/v1", "kind": "Widget"}
    widget["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": "web:example.org/Widget:shop/web"}
    live.watch([WIDGET])
    live.on_event(WIDGET, WatchEvent(EventType.ADDED, widget))
    await live.forget_unserved(Discovery("v1", {}, {}))
    assert not live.records and told[-1] == ("web", key_of(widget), None)
    await live.stop()


async def test_settings_may_come_while_it_is_asked_whether_a_kind_is_served() -> None:
    settings = Settings(NO_DISK)

    class Slow(SimulatedCluster):
        async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
            found = settings.read(b'{"resource.exclusions": "- kinds: [Deployment]"}', [])
            assert found is not None
            settings.put_in_force(found, b"")
            live.refocus(lambda kind: False)
            raise KindUnknown("the cluster serves no such kind")

    live = LiveState(Slow(), settings, lambda *_: None, lambda _: None, lambda *_: None)
    live.watch([DEPLOYMENT])
    live.on_event(DEPLOYMENT, WatchEvent(EventType.ADDED, deployment(10, ready=True)))
    await live.forget_unserved(Discovery("v1", {}, {}))
    assert not live.records
    await live.stop()
