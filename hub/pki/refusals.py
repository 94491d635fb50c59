"""What happens at the door, written down as events: who joined, who was refused, and the reason callers are not told.

Anybody can knock, so the refusals written are limited; and a store that is away changes no answer.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta

from hub.domain.access import Event
from hub.errors import StoreUnavailable
from hub.pki.contract import Clock, EventSink
from hub.pki.limits import Allowance

log = logging.getLogger(__name__)

_PER_HOUR = 120
"""Of refusals that concern no cluster in particular."""
_PER_CLUSTER = 20
"""An hour. Nobody gets this far without something of the cluster's, so strangers cannot use it up."""
_TEXT = 64


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as far as it can be told before it has proved anything: outside text, for people's eyes only."""

    address: str = ""
    agent_version: str = ""

    def __str__(self) -> str:
        version = f", agent {_printable(self.agent_version)}" if self.agent_version else ""
        return f"{_printable(self.address) or 'an unknown address'}{version}"


class DoorLog:
    def __init__(self, sink: EventSink, clock: Clock) -> None:
        self._sink = sink
        self._clock = clock
        self._strangers = Allowance(_PER_HOUR, timedelta(hours=1), keys=1)
        self._clusters = Allowance(_PER_CLUSTER, timedelta(hours=1))

    async def refused(self, reason: str, message: str, cluster: str = "") -> None:
        now = self._clock()
        if (self._clusters if cluster else self._strangers).take(cluster, now):
            await self._write(Event(now, "warning", reason, message, cluster=cluster))
        else:
            log.warning("not written down, for there was enough of it within the hour: %s %s", reason, cluster)

    async def admitted(self, reason: str, message: str, cluster: str) -> None:
        await self._write(Event(self._clock(), "info", reason, message, cluster=cluster))

    async def _write(self, event: Event) -> None:
        try:
            await self._sink.add_events([event])
        except StoreUnavailable as error:
            log.warning("could not record the event %s: %s", event.reason, error)


def _printable(text: str) -> str:
    return "".join(c for c in text[:_TEXT] if c.isprintable())
