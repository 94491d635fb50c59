"""What an application left to another one that has it. It is looked at now and then: what is given up there is to be
applied here, and no commit says so."""

from __future__ import annotations

from collections.abc import Mapping

from agent.engine.resource import ResourceKey, tracked_by
from agent.kube import errors
from agent.kube.client import Kind
from agent.syncer.context import Context
from agent.syncer.standing import Standing

LOOK_SECONDS = 30.0


class Contested:
    """Of one application."""

    def __init__(self, context: Context, standing: Standing) -> None:
        self._client, self._live, self._clock = context.client, context.live, context.clock
        self._assigned = context.assigned
        self._standing = standing
        self._next = 0.0
        """When to look, by the monotonic clock."""

    def due(self) -> float | None:
        """Return the seconds until the next look, None when there is nothing to look at."""
        return max(0.0, self._next - self._clock.monotonic()) if self._standing.shared else None

    async def given_up(self, kinds: Mapping[ResourceKey, Kind]) -> bool:
        """Look, if it is time to. Whether there is anything that no other application has any more: it is compared
        again, and is nobody else's in the books."""
        if self.due() != 0.0:
            return False
        self._next = self._clock.monotonic() + LOOK_SECONDS
        standing = self._standing
        for key in [key for key in standing.shared if not standing.targeted(key)]:
            del standing.shared[key]
        held = [(key, owner) for key, owner in standing.shared.items() if key in kinds]
        free = [key for key, owner in held if await self._is_free(kinds[key], key, owner)]
        for key in free:
            standing.shared.pop(key, None)
            standing.pending[key] = None
        standing.update(*free)
        return bool(free)

    async def _is_free(self, kind: Kind, key: ResourceKey, owner: str) -> bool:
        if self._live.owner(key) == owner and self._assigned(owner):
            return False
        # It may be there without the label that the agent watches by.
        try:
            found = await self._client.get(kind, key.namespace, key.name)
        except errors.KubeError:
            return False
        now = tracked_by(found, key) if found is not None else None
        return now is None or now == self._standing.assignment.tracking_name or not self._assigned(now)
