"""Steps the contract is made of. See `tests.kube.contract`."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from agent.engine.resource import Object
from agent.kube.client import ApplyOptions, EventType, KubeClient, WatchEvent
from tests.kube.manifests import CONFIG_MAP

T = TypeVar("T")
LIMIT = 30.0
"""Seconds anything is waited for."""

DRY_RUN = ApplyOptions(dry_run=True)
POLITE = ApplyOptions(force=False)
PERSON = "kubectl-edit"


async def until(read: Callable[[], Awaitable[T]], holds: Callable[[T], bool]) -> T:
    """Read until something holds, and return what was read."""
    deadline = time.monotonic() + LIMIT
    while True:
        value = await read()
        if holds(value):
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {LIMIT:g} s in vain; last seen: {value}")
        await asyncio.sleep(0.02)


async def until_gone(kube: KubeClient, of: Object) -> None:
    metadata = of["metadata"]
    group, _, version = of["apiVersion"].rpartition("/")
    found = (await kube.discover()).find(group, version, of["kind"])
    assert found is not None
    await until(lambda: kube.get(found, metadata.get("namespace", ""), metadata["name"]), lambda obj: obj is None)


def version_of(obj: Object) -> str:
    return str(obj["metadata"]["resourceVersion"])


def manager(name: str, force: bool = False) -> ApplyOptions:
    return ApplyOptions(field_manager=name, force=force)


def owners(obj: Object) -> set[tuple[str, str]]:
    return {(entry["manager"], entry["operation"]) for entry in obj["metadata"].get("managedFields", ())}


def reference(owner: Object) -> Object:
    metadata = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
    }


@contextlib.asynccontextmanager
async def watching(
    kube: KubeClient, namespace: str, selector: str = "", since: str = ""
) -> AsyncIterator[Callable[[], Awaitable[WatchEvent]]]:
    """Watch ConfigMaps, and yield a function that waits for the next event that is no bookmark."""
    version = since or (await kube.list(CONFIG_MAP, namespace=namespace, selector=selector)).resource_version
    events = kube.watch(CONFIG_MAP, namespace=namespace, selector=selector, resource_version=version)

    async def following() -> WatchEvent:
        async with asyncio.timeout(LIMIT):
            while True:
                event = await anext(events)
                if event.type is not EventType.BOOKMARK:
                    return event

    try:
        yield following
    finally:
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()
