"""When a cron schedule begins in a time zone, in real time.

Walls may be put forward, put back, or jump a day; real time does none of that, so every answer is an instant in UTC.
A schedule with `*` for its minute or hour means what the clock on the wall shows: it begins in both passes of an hour
that is repeated, and never in one that is left out. Any other names moments of a day: each is had once a day, the first
time the clock shows it, or when the clock jumps over it.

The hub and the agent share no code, and both have to tell the time alike: each has this file, and a test keeps the two
the same. `cronsim` and `zoneinfo` are imported where there is a schedule, and cost nothing where there is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

_NEAR = timedelta(hours=25)
"""No clock is put forward or back by more."""
_LONGEST = 200
_SECOND = timedelta(seconds=1)


class ScheduleError(ValueError):
    """The schedule or its time zone cannot be read; the message says why."""


class Schedule:
    """Five cron fields (minute, hour, day of month, month, day of week) in a time zone, "" for UTC."""

    def __init__(self, cron: str, zone: str) -> None:
        """Raises ScheduleError."""
        self._cron = cron
        self.zone = _zone(zone)
        self._is_moments = not any(field.startswith("*") for field in cron.split()[:2])
        self._never = _is_never(cron)

    @property
    def is_never(self) -> bool:
        """Whether there is no such day: the 30th of February."""
        return self._never

    def last(self, at: datetime) -> datetime | None:
        """Return the latest beginning up to an instant, that instant included; None when there is none."""
        wall, shift = self._wall(at)
        best: datetime | None = None
        for found in self._walls(wall + shift + _SECOND, back=True):
            for instant in self._instants(found):
                if instant <= at and (best is None or instant > best):
                    best = instant
            if best is not None and found <= wall - shift:
                break
        return best

    def next(self, at: datetime) -> datetime | None:
        """Return the first beginning after an instant; None when there is none."""
        wall, shift = self._wall(at)
        best: datetime | None = None
        for found in self._walls(wall - shift, back=False):
            for instant in self._instants(found):
                if instant > at and (best is None or instant < best):
                    best = instant
            if best is not None and found >= wall + shift:
                break
        return best

    def _wall(self, at: datetime) -> tuple[datetime, timedelta]:
        """Return what the clock on the wall shows, to the second, and by how much it is put forward or back nearby."""
        before, after = (at + by for by in (-_NEAR, _NEAR))
        shift = abs(_offset(after, self.zone) - _offset(before, self.zone))
        return at.astimezone(self.zone).replace(tzinfo=None, fold=0, microsecond=0), shift

    def _walls(self, start: datetime, *, back: bool) -> Iterator[datetime]:
        """Yield what a clock that is never put forward or back shows at each beginning, `start` excluded."""
        from cronsim import CronSim

        return iter(()) if self._never else CronSim(self._cron, start, reverse=back)

    def _instants(self, wall: datetime) -> tuple[datetime, ...]:
        """Return the instants at which the clock on the wall shows something, as far as they are beginnings."""
        first = wall.replace(tzinfo=self.zone).astimezone(UTC)
        second = wall.replace(tzinfo=self.zone, fold=1).astimezone(UTC)
        if first.astimezone(self.zone).replace(tzinfo=None, fold=0) != wall:
            return (_jump(second, first, self.zone),) if self._is_moments else ()
        return (first,) if self._is_moments or first == second else (first, second)


def _jump(low: datetime, high: datetime, zone: tzinfo) -> datetime:
    """Return the instant between two at which the clock is put forward, exact to the second."""
    after = _offset(high, zone)
    while high - low > _SECOND:
        middle = low + timedelta(seconds=(high - low) // _SECOND // 2)
        if _offset(middle, zone) == after:
            high = middle
        else:
            low = middle
    return high


def _offset(at: datetime, zone: tzinfo) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()


def _zone(name: str) -> tzinfo:
    if name in ("", "UTC"):
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ScheduleError(f"{name[:70]!r} is no time zone that is known here: Europe/Berlin would be one") from error


def _is_never(cron: str) -> bool:
    """Read the fields. Raises ScheduleError for what is none."""
    from cronsim import CronSim, CronSimError

    fields = cron.split()
    if len(cron) > _LONGEST or len(fields) != 5:
        raise ScheduleError("is not five fields: minute, hour, day of month, month, day of week")
    start = datetime(2000, 1, 1)  # noqa: DTZ001 - of no zone
    try:
        CronSim(cron, start)
    except CronSimError as error:
        try:
            CronSim(" ".join([*fields[:3], "*", fields[4]]), start)
        except CronSimError:
            raise ScheduleError(f"has a field that cannot be read: {str(error).removeprefix('Bad ')}") from error
        # With every month it can be read: either the month cannot, or it has no such day.
        try:
            CronSim(f"0 0 1 {fields[3]} *", start)
        except CronSimError:
            raise ScheduleError(f"has a field that cannot be read: {str(error).removeprefix('Bad ')}") from error
        return True
    return False
