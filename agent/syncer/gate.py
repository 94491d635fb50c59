"""The sync windows of one application, as whatever syncs it is to heed them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from agent.engine.assignment import Assignment
from agent.syncer.clock import Clock

if TYPE_CHECKING:
    from agent.engine.window import Denial, Windows

LOOK_SECONDS: Final = 3600.0
"""The longest that passes until it is looked at again: somebody may set the system's clock."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A sync has to wait."""

    message: str
    """Which window is in its way, and until when."""
    seconds: float
    """After which it is to be looked at again."""


class Gate:
    """Asked before anything is synced. What denies is worked out once, and holds until it ends."""

    def __init__(self, clock: Clock, assignment: Assignment) -> None:
        self._clock = clock
        self._windows: Windows | None = None
        self._known: dict[bool, tuple[datetime, datetime, Denial]] = {}
        """manual → from when, until when, and why nothing may begin."""
        self._assigned = assignment.windows
        self._read()

    def reassign(self, assignment: Assignment) -> None:
        if assignment.windows != self._assigned:
            self._assigned = assignment.windows
            self._read()

    def _read(self) -> None:
        self._known = {}
        self._windows = None
        if self._assigned:
            # What most applications have none of takes no memory for them.
            from agent.engine.window import Windows

            self._windows = Windows(self._assigned)

    def hold(self, *, manual: bool, since_ms: int = 0) -> Hold | None:
        """Say why a sync has to wait; None if it may begin, or where it began at `since_ms`, if it may go on.

        `manual`: somebody asked for it.
        """
        windows = self._windows
        if windows is None:
            return None
        now = _at(self._clock.now_ms())
        denial = self._denial(windows, now, manual=manual)
        if denial is not None and since_ms:
            denial = windows.held(now, manual=manual, since=_at(since_ms))
        if denial is None:
            return None
        left = (denial.until - now).total_seconds() if denial.until is not None else LOOK_SECONDS
        return Hold(denial.message, min(max(left, 0.0), LOOK_SECONDS))

    def _denial(self, windows: Windows, now: datetime, *, manual: bool) -> Denial | None:
        known = self._known.get(manual)
        if known is not None and known[0] <= now < known[1]:
            return known[2]
        denial = windows.denial(now, manual=manual)
        if denial is not None:
            self._known[manual] = (now, denial.until or now + timedelta(seconds=LOOK_SECONDS), denial)
        return denial


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
