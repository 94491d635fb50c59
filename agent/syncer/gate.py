"""The sync windows of one application, as whatever syncs it is to heed them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from agent.engine.assignment import Assignment
from agent.syncer.clock import Clock

if TYPE_CHECKING:
    from agent.engine.window import Windows

LOOK_SECONDS: Final = 3600.0
"""The longest that passes until it is looked at again: somebody may set the system's clock."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A sync has to wait."""

    message: str
    """Which window is in its way, and until when."""
    seconds: float
    """After which it is to be looked at again."""

    def about(self, what: str) -> Hold:
        """Say with it what has to wait."""
        return Hold(f"{what}: {self.message}", self.seconds)


class Gate:
    """Asked before anything is synced."""

    def __init__(self, clock: Clock, assignment: Assignment) -> None:
        self._clock = clock
        self.reassign(assignment)

    def reassign(self, assignment: Assignment) -> None:
        self._windows: Windows | None = None
        if assignment.windows:
            # What most applications have none of takes no memory for them.
            from agent.engine.window import windows_of

            self._windows = windows_of(assignment.windows)

    def hold(self, *, manual: bool, since_ms: int = 0) -> Hold | None:
        """Say why a sync has to wait; None if it may begin, or where it began at `since_ms`, if it may go on.

        `manual`: somebody asked for it.
        """
        windows = self._windows
        if windows is None:
            return None
        now = _at(self._clock.now_ms())
        denial = windows.denial(now, manual=manual)
        if denial is not None and since_ms:
            denial = windows.held(now, manual=manual, since=_at(since_ms))
        if denial is None:
            return None
        left = (denial.until - now).total_seconds() if denial.until is not None else LOOK_SECONDS
        return Hold(denial.message, min(max(left, 0.0), LOOK_SECONDS))


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
