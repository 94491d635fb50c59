"""What tests of hooks and waves share: hooks, objects that are under way, and what is waited for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent.engine.assignment import Assignment
from agent.engine.operation import OperationState
from agent.engine.resource import Object, ResourceKey
from tests.syncer.clock import TurnedClock
from tests.syncer.cluster import Cluster, People, until
from tests.syncer.harness import AUTOMATED, Hub
from tests.syncer.objects import crd, group_of, widget

ONCE = replace(AUTOMATED, retry=replace(AUTOMATED.retry, limit=0))


UNDER_WAY = {"conditions": [{"type": "Reconciling", "status": "True", "reason": "Test", "message": "under way"}]}


WELL = {"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "Test"}]}}


BROKEN = {"status": {"conditions": [{"type": "Stalled", "status": "True", "reason": "Test", "message": "out of luck"}]}}


def hook(obj: Object, phase: str, *policies: str, **annotations: str) -> Object:
    given = {"argocd.argoproj.io/hook": phase, **{k.replace("__", "/"): v for k, v in annotations.items()}}
    if policies:
        given["argocd.argoproj.io/hook-delete-policy"] = ",".join(policies)
    return annotated(obj, **given)


def annotated(obj: Object, **annotations: str) -> Object:
    metadata = obj["metadata"]
    return {**obj, "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), **annotations}}}


def wave(obj: Object, number: int) -> Object:
    return annotated(obj, **{"argocd.argoproj.io/sync-wave": str(number)})


def job(name: str, *, fails: bool = False, **spec: Any) -> Object:
    """Return a Job that ends, well or badly, on any cluster of the tests."""
    labels = {"escadre.test/pod": "fail"} if fails else {}
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "crash:1" if fails else "job:1"}]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    body = {"backoffLimit": 0, "template": template, **spec}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": body}


@pytest.fixture
async def slow(hub: Hub, people: People) -> Any:
    """Return a maker of objects that are under way until somebody says otherwise."""
    await people.create(people.leave(crd(hub.namespace)))
    await people.kind(group_of(hub.namespace), "Widget")
    return lambda name: {**widget(hub.namespace, name), "status": UNDER_WAY}


def key_of_widget(hub: Hub, name: str) -> ResourceKey:
    return hub.key("Widget", name, group_of(hub.namespace))


async def waits(hub: Hub, *words: str, name: str = "app") -> OperationState:
    """Wait until the operation says that it waits, with these words."""
    status = await hub.wait(
        lambda s: s.operation is not None and all(word in s.operation.message for word in ("waiting", *words)), name
    )
    assert status.operation is not None
    return status.operation


async def ended(hub: Hub, phase: str, name: str = "app") -> OperationState:
    status = await hub.wait(lambda s: s.operation is not None and s.operation.phase == phase, name)
    assert status.operation is not None
    return status.operation


def made(cluster: Cluster) -> list[str]:
    return cluster.client.named("apply")


async def turned(hub: Hub, clock: TurnedClock, name: str = "app") -> None:
    """Let the time between waves pass until the operation is over."""
    application = hub.application(name)

    async def over() -> bool:
        clock.advance(2)
        status = hub.statuses.get(application)
        return status is not None and status.operation is not None and status.operation.phase.finished

    await until(over, bool)


async def until_waits(hub: Hub, clock: TurnedClock, word: str) -> None:
    async def holds() -> bool:
        clock.advance(2)
        status = hub.statuses.get(hub.application())
        operation = status.operation if status is not None else None
        return operation is not None and "waiting" in operation.message and word in operation.message

    await until(holds, bool)


async def run(hub: Hub, clock: TurnedClock, objects: list[Object]) -> Assignment:
    assignment = hub.assign(objects, policy=ONCE)
    await hub.wait(lambda s: s.generation == assignment.generation)
    await turned(hub, clock)
    return assignment


async def waits_for_api(hub: Hub) -> OperationState:
    status = await hub.wait(
        lambda s: s.operation is not None and "API does not answer; it goes on" in s.operation.message, timeout=30
    )
    assert status.operation is not None
    return status.operation


async def until_gone(hub: Hub, clock: TurnedClock) -> None:
    async def gone() -> bool:
        clock.advance(2)
        return hub.statuses[hub.application()].deleted

    await until(gone, bool)
