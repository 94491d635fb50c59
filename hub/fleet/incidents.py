"""What agents were refused, written down for people: which cluster, from where, and why.

Anybody with a certificate can be refused as often as they like, so what is written is limited, for each cluster and
reason by itself: a flood of one hides nothing of another.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

from hub.domain.access import Event
from hub.errors import HubError
from hub.pki.limits import Allowance
from hub.store.contract import Store

log = logging.getLogger(__name__)

PER_HOUR = 20
"""Events of one reason about one cluster."""
MESSAGE_LENGTH = 1000


def _now() -> datetime:
    return datetime.now(UTC)


class Incidents:
    """One per gateway."""

    def __init__(self, store: Store, clock: Callable[[], datetime] = _now) -> None:
        self._store = store
        self._clock = clock
        self._allowance = Allowance(PER_HOUR, timedelta(hours=1))

    async def record(self, reason: str, message: str, *, cluster: str = "", peer: str = "") -> None:
        """Write an event down, now. A store that is away changes no answer: the log has it."""
        event = self.event(reason, message, cluster=cluster, peer=peer)
        if event is not None:
            with contextlib.suppress(HubError):
                await self._store.add_events([event])

    def event(self, reason: str, message: str, *, cluster: str = "", peer: str = "") -> Event | None:
        """Return what is to be written down; None when there was enough of it within the hour. `cluster` is the uid,
        where the certificate names one; `peer` is as gRPC gives it."""
        now = self._clock()
        if not self._allowance.take(f"{reason} {cluster}", now):
            return None
        text = f"{_printable(message)} (from {address_of(peer)})" if peer else _printable(message)
        log.warning("%s: %s", reason, text)
        return Event(now, "warning", reason, text, cluster=cluster)


def address_of(peer: str) -> str:
    """Return gRPC's `ipv4:192.0.2.7:4711` or `ipv6:%5B::1%5D:4711` as people write it."""
    kind, _, address = peer.partition(":")
    return unquote(address) if kind in ("ipv4", "ipv6") else peer


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text[:MESSAGE_LENGTH])
