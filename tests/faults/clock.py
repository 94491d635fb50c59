"""The hub's clock, set by hand. Agents, and TLS itself, go by the real one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta


class Clock:
    """The real time, moved by as much as a test says."""

    def __init__(self) -> None:
        self.offset = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset

    @contextmanager
    def at(self, **offset: float) -> Iterator[None]:
        """Have the clock stand apart from the real time by this."""
        before, self.offset = self.offset, timedelta(**offset)
        try:
            yield
        finally:
            self.offset = before
