"""How much one cluster's agent may ask of a gateway, over all of its connections together.

Far more than an agent ever does, and little enough that one which does nothing else, by a fault or because somebody
took its certificate, costs the others nothing. Kept by cluster: a new connection is no new beginning.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from hub.errors import TooManyRequests

MIB = 1024 * 1024
Call = Literal["Connect", "FetchBlobs", "Answer", "Renew"]


@dataclass(slots=True)
class Bucket:
    """A token bucket: how much an agent may send."""

    rate: float
    burst: float
    level: float = -1.0
    at: float = 0.0

    def take(self, now: float, cost: float = 1.0) -> bool:
        """Take so much, and tell whether it was there. What costs more than the burst empties a full bucket."""
        if self.level < 0:
            self.level, self.at = self.burst, now
        self.level = min(self.burst, self.level + (now - self.at) * self.rate)
        self.at = now
        if self.level < min(cost, self.burst):
            return False
        self.level = max(0.0, self.level - cost)
        return True


@dataclass(frozen=True, slots=True)
class Limit:
    """Of one kind of call."""

    rate: float
    """A second, in the long run."""
    burst: float
    at_once: int


LIMITS: dict[Call, Limit] = {
    "Connect": Limit(rate=1.0, burst=60, at_once=8),
    "FetchBlobs": Limit(rate=20.0, burst=200, at_once=8),
    "Answer": Limit(rate=20.0, burst=200, at_once=32),
    "Renew": Limit(rate=0.1, burst=20, at_once=2),
}


@dataclass(slots=True)
class Quota:
    """Of one cluster."""

    messages: Bucket = field(default_factory=lambda: Bucket(rate=200.0, burst=2000.0))
    size: Bucket = field(default_factory=lambda: Bucket(rate=MIB / 4, burst=256.0 * MIB))
    """In bytes: all that is told on the stream, and may end up in the store."""
    calls: dict[Call, Bucket] = field(default_factory=dict)
    under_way: Counter[Call] = field(default_factory=Counter)


class Quotas:
    """One per gateway. What is kept is as much as there are clusters: only a certificate of the fleet gets this far."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._quotas: dict[str, Quota] = {}

    def of(self, cluster: str) -> Quota:
        return self._quotas.setdefault(cluster, Quota())

    @contextlib.contextmanager
    def call(self, cluster: str, call: Call) -> Iterator[None]:
        """Count a call in while it lasts. Raises TooManyRequests."""
        quota, limit = self.of(cluster), LIMITS[call]
        if quota.under_way[call] >= limit.at_once:
            raise _too_many(f"more than {limit.at_once} calls of {call} at once")
        bucket = quota.calls.setdefault(call, Bucket(limit.rate, limit.burst))
        if not bucket.take(self._clock()):
            raise _too_many(f"more than {limit.rate * 60:.0f} calls of {call} a minute")
        quota.under_way[call] += 1
        try:
            yield
        finally:
            quota.under_way[call] -= 1


def _too_many(what: str) -> TooManyRequests:
    message = f"{what} with this cluster's certificate: is it in use elsewhere, or does the agent start over and over?"
    return TooManyRequests(message, retry_after=30.0)
