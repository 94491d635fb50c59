"""Bounds on what callers from outside can make the hub write down."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta


class Allowance:
    """So many per key and window; the keys remembered are bounded too, and the ones longest unused are forgotten."""

    def __init__(self, limit: int, window: timedelta, keys: int = 10_000) -> None:
        self._limit = limit
        self._window = window
        self._keys = keys
        self._used: OrderedDict[str, tuple[datetime, int]] = OrderedDict()

    def take(self, key: str, now: datetime) -> bool:
        """Take one, and tell whether there was one left."""
        began, used = self._used.pop(key, (now, 0))
        if not timedelta(0) <= now - began < self._window:
            began, used = now, 0
        self._used[key] = (began, min(used + 1, self._limit + 1))
        if len(self._used) > self._keys:
            self._used.popitem(last=False)
        return used < self._limit
