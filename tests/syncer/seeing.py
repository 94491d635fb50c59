"""Waiting until the agent has seen what people did: what is written before that is judged by what was there."""

from __future__ import annotations

from agent.engine.resource import ResourceKey
from tests.syncer.cluster import People, until
from tests.syncer.harness import Hub


async def seen(hub: Hub, people: People, key: ResourceKey) -> None:
    """Wait until the agent has been told of an object as it is now, and has nothing to do for it."""

    async def version() -> bool:
        now, record = await people.get(key), hub.syncer.live.records.get(key)
        assert now is not None
        known = record.live.resource_version if record is not None else ""
        return known == now["metadata"]["resourceVersion"] and hub.syncer.idle

    await until(version, bool)
