"""Sync windows: whether a sync may begin, or go on, at an instant, and if not, why, and from when on it may.

Where a window denies, nothing is synced while it is open; where windows allow, nothing is synced unless one of them is
open; a window that denies beats all that allow. What somebody asks for is let through by windows with `manualSync`: by
those that deny and are open, all of them, or else by those that allow and are closed, all of them.

A sync that runs when a window denies or closes is held before its next wave, and goes on when that is allowed again. It
is not held where every window in its way has `syncOverrun` and it was allowed when it began. So it is in Argo CD.

Deletions are no syncs. A window that cannot be read is in the way: one that denies is taken as open, one that allows
as closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from agent.engine.assignment import SyncWindow
from agent.engine.schedule import Schedule, ScheduleError

MOST_STEPS = 150
"""From one window's end or beginning to the next, until a sync may begin: what takes more is not foretold. It is a week
of every hour."""
MOST_QUESTIONS = 3000
"""Asked of windows in these steps, where there are many."""
LEAST_STEPS = 20
_REMEMBERED = timedelta(hours=1)
"""How long a denial holds whose end is not foretold, before it is looked at again."""
_FURTHEST = timedelta(days=5 * 366)


@dataclass(frozen=True, slots=True)
class Denial:
    """Why a sync may not be."""

    message: str
    """In words: which window, and until when."""
    until: datetime | None
    """When it may be, as far as that can be foretold."""


@lru_cache(maxsize=64)
def windows_of(windows: tuple[SyncWindow, ...]) -> Windows:
    """Return the windows, read. Most applications of a project come under the same ones, and share what is known."""
    return Windows(windows)


class Windows:
    """The windows of one application."""

    def __init__(self, windows: Iterable[SyncWindow]) -> None:
        self._windows = tuple(map(_Timed, windows))
        self._steps = max(LEAST_STEPS, min(MOST_STEPS, MOST_QUESTIONS // max(1, len(self._windows))))
        self._known: dict[bool, tuple[datetime, datetime, Denial]] = {}
        """manual → from when, until when, and why nothing may begin: asked often, and the same until it ends."""

    def denial(self, now: datetime, *, manual: bool) -> Denial | None:
        """Say why a sync may not begin; None if it may. `manual`: somebody asked for it."""
        known = self._known.get(manual)
        if known is not None and known[0] <= now < known[1]:
            return known[2]
        obstacle = self._obstacle(now, manual=manual)
        if not obstacle:
            return None
        denial = self._denial(obstacle, now, manual=manual)
        self._known[manual] = (now, denial.until or now + _REMEMBERED, denial)
        return denial

    def held(self, now: datetime, *, manual: bool, since: datetime) -> Denial | None:
        """Say why a sync that began at `since` may not go on; None if it may."""
        obstacle = self._obstacle(now, manual=manual)
        if not obstacle:
            return None
        overruns = all(timed.window.sync_overrun for timed in obstacle)
        if overruns and not self._obstacle(since, manual=manual):
            return None
        return self.denial(now, manual=manual)

    def _obstacle(self, at: datetime, *, manual: bool) -> Sequence[_Timed]:
        """Return the windows that are in the way: open ones that deny, else closed ones that allow."""
        denying = [t for t in self._windows if t.denies and t.is_open(at)]
        if denying:
            return [] if manual and all(t.window.manual_sync for t in denying) else denying
        allowing = [t for t in self._windows if not t.denies]
        if any(t.is_open(at) for t in allowing) or (manual and all(t.window.manual_sync for t in allowing)):
            return []
        return allowing

    def _denial(self, obstacle: Sequence[_Timed], now: datetime, *, manual: bool) -> Denial:
        until = self._opening(obstacle, now, manual=manual)
        first = next((t for t in obstacle if t.problem), obstacle[0])
        if until is not None:
            # The clock on the wall of whoever wrote the window.
            when = until.astimezone(first.zone).isoformat(" ", timespec="minutes")
            told = f"until {when}"
        else:
            told = "and when that ends cannot be foretold" if not first.problem else "until that is corrected"
        more = f" and {len(obstacle) - 1} more" if len(obstacle) > 1 else ""
        if first.problem:
            return Denial(f"{first}{more} cannot be read, {told}: {first.problem}", until)
        if first.denies:
            return Denial(f"{first}{more} denies it{',' if until is None else ''} {told}", until)
        return Denial(f"no window that allows it is open {told}: {first}{more}", until)

    def _opening(self, obstacle: Sequence[_Timed], now: datetime, *, manual: bool) -> datetime | None:
        """Return when a sync may begin, None when that is years ahead, never, or more than MOST_STEPS ahead.

        Each step goes as far as certainly nothing is allowed: to the end of what denies, or to what opens next.
        """
        at = now
        for _ in range(self._steps):
            if obstacle[0].denies:
                ends = [t.end(at) for t in obstacle if not (manual and t.window.manual_sync)]
                after = None if None in ends else max(end for end in ends if end is not None)
            else:
                # A window that denies, and lets through what somebody asks for, does so while it is open.
                starts = [t.start(at) for t in self._windows if manual or not t.denies]
                after = min((start for start in starts if start is not None), default=None)
            if after is None or after - now > _FURTHEST:
                return None
            at = after
            obstacle = self._obstacle(at, manual=manual)
            if not obstacle:
                return at
        return None


class _Timed:
    """A window with its schedule, read."""

    def __init__(self, window: SyncWindow) -> None:
        self.window = window
        self.denies = window.kind != "allow"
        self.problem = ""
        """Why it cannot be read."""
        self._lasts = timedelta(seconds=window.duration_seconds)
        self._schedule: Schedule | None = None
        try:
            self._schedule = Schedule(window.cron, window.time_zone)
        except ScheduleError as error:
            self.problem = str(error)
        self.zone = self._schedule.zone if self._schedule is not None else UTC

    def __str__(self) -> str:
        window = self.window
        details = [f"for {_words(window.duration_seconds)}", *([window.time_zone] if window.time_zone else [])]
        said = f" ({window.description})" if window.description else ""
        return f'the {window.kind} window "{window.schedule}" {", ".join(details)}{said}'

    def is_open(self, at: datetime) -> bool:
        """Say whether it is open; one that cannot be read is in the way."""
        if self._schedule is None:
            return self.denies
        end = self.end(at)
        return end is not None and at < end

    def end(self, at: datetime) -> datetime | None:
        """Return when its latest beginning has lasted, None if it never begins or cannot be read."""
        begun = self._schedule.last(at) if self._schedule is not None else None
        return begun + self._lasts if begun is not None else None

    def start(self, at: datetime) -> datetime | None:
        """Return when it begins next."""
        return self._schedule.next(at) if self._schedule is not None else None


def _words(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return "".join(f"{count}{unit}" for count, unit in ((hours, "h"), (minutes, "m"), (rest, "s")) if count)
