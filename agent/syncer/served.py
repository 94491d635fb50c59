"""What the cluster serves, asked again no more often than is needed, however many applications want to know."""

from __future__ import annotations

from agent.kube.client import Discovery, KubeClient
from agent.syncer.clock import Clock
from agent.syncer.live import LiveState


class Served:
    """Discovery, shared by all applications of a cluster. Whoever needs it anew asks here and not the client: what the
    cluster serves no more is forgotten with the answer that says so, and by no later one."""

    def __init__(self, client: KubeClient, live: LiveState, clock: Clock) -> None:
        self._client = client
        self._live = live
        self._clock = clock
        self._asked: float | None = None

    async def known(self) -> Discovery:
        """Return what is known. Raises KubeError where nothing is, and the cluster does not answer."""
        return await self._client.discover()

    async def fresh(self, max_age: float) -> Discovery:
        """Return what was served at most `max_age` seconds ago; kinds that are served no more are not watched on.

        Raises KubeError.
        """
        now = self._clock.monotonic()
        if self._asked is not None and now - self._asked < max_age:
            return await self._client.discover()
        discovery = await self._client.discover(refresh=True)
        self._asked = now
        await self._live.forget_unserved(discovery)
        return discovery
