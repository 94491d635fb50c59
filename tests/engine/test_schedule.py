"""Schedules of time zones, against a reading of every minute of the clock on the wall."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.schedule import Schedule, ScheduleError

ROOT = Path(__file__).parents[2]
MINUTE = timedelta(minutes=1)
CHANGES = {
    # Around the clocks' going forward, and back.
    "Europe/Berlin": [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)],
    "America/New_York": [datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)],
    # By half an hour.
    "Australia/Lord_Howe": [datetime(2026, 10, 3, 15, 30, tzinfo=UTC), datetime(2026, 4, 4, 15, tzinfo=UTC)],
}
WHERE = [(zone, at) for zone, moments in CHANGES.items() for at in moments]


def test_hub_and_agent_tell_the_time_alike() -> None:
    texts = [(ROOT / place / "schedule.py").read_text() for place in ("hub/domain", "agent/engine")]
    assert texts[0] == texts[1], "change both"


def field(low: int, high: int) -> st.SearchStrategy[tuple[str, frozenset[int]]]:
    """One field of cron, with the numbers it means."""
    every = frozenset(range(low, high + 1))
    one = st.integers(low, high).map(lambda n: (str(n), frozenset({n})))
    step = st.integers(2, 7).map(lambda n: (f"*/{n}", frozenset(range(low, high + 1, n))))
    return st.one_of(st.just(("*", every)), one, step)


@lru_cache(maxsize=32)
def walls(zone: str, start: datetime, days: int) -> list[tuple[datetime, datetime]]:
    """Return every minute, with what the wall shows."""
    minutes = [start + count * MINUTE for count in range(days * 1440)]
    return [(at, at.astimezone(ZoneInfo(zone))) for at in minutes]


def beginnings(zone: str, fields: list[tuple[str, frozenset[int]]], start: datetime, days: int) -> list[datetime]:
    """Look at the wall every minute: minute and hour of `fields`, on any day."""
    (minute, minutes), (hour, hours) = fields
    moments = not minute.startswith("*") and not hour.startswith("*")
    found, before = [], None
    for at, wall in walls(zone, start, days):
        shown = wall.replace(tzinfo=None, fold=0)
        passed = [shown]
        if moments and before is not None and shown > before + MINUTE:
            # Put forward: what was left out is had now.
            passed += [before + n * MINUTE for n in range(1, (shown - before) // MINUTE)]
        if moments and wall.fold:
            passed = []
        if any(p.minute in minutes and p.hour in hours for p in passed):
            found.append(at)
        before = shown
    return found


@given(
    st.sampled_from(WHERE),
    field(0, 59),
    field(0, 23),
    st.integers(-30 * 60, 30 * 60),
)
def test_beginnings_are_those_that_the_wall_shows(
    where: tuple[str, datetime], minute: tuple[str, frozenset[int]], hour: tuple[str, frozenset[int]], offset: int
) -> None:
    zone, change = where
    schedule = Schedule(f"{minute[0]} {hour[0]} * * *", zone)
    at = change + offset * MINUTE
    expected = beginnings(zone, [minute, hour], change - timedelta(days=3), 6)
    assert schedule.last(at) == max(b for b in expected if b <= at)
    assert schedule.next(at) == min(b for b in expected if b > at)
    later = at + timedelta(seconds=17, microseconds=3)
    assert schedule.last(later) == max(b for b in expected if b <= later)
    assert schedule.next(later) == min(b for b in expected if b > later)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("cron", "zone", "after", "expected"),
    [
        ("0 22 * * 1-5", "", "2026-11-20T22:00+00:00", "2026-11-23T22:00+00:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-03-29T00:00+01:00", "2026-03-29T03:00+02:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"),
        ("30 * * * *", "Europe/Berlin", "2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00"),
        ("0 0 29 2 *", "Asia/Tokyo", "2026-01-01T00:00+00:00", "2028-02-29T00:00+09:00"),
        # A day that Samoa left out.
        ("0 12 * * *", "Pacific/Apia", "2011-12-29T13:00-10:00", "2011-12-31T00:00+14:00"),
        # The first, or a Monday.
        ("0 0 1 * 1", "", "2026-11-21T00:00+00:00", "2026-11-23T00:00+00:00"),
    ],
)
def test_the_next_beginning(cron: str, zone: str, after: str, expected: str) -> None:
    schedule = Schedule(cron, zone)
    assert schedule.next(at(after)) == at(expected)
    assert schedule.last(at(expected)) == at(expected)


def test_what_never_begins() -> None:
    schedule = Schedule("0 0 30 2 *", "Europe/Berlin")
    assert schedule.is_never
    now = at("2026-11-21T00:00+00:00")
    assert (schedule.last(now), schedule.next(now)) == (None, None)


@pytest.mark.parametrize(
    ("cron", "zone", "words"),
    [
        ("* * *", "", "five fields"),
        ("0 0 * * * *", "", "five fields"),
        ("61 * * * *", "", "minute"),
        ("0 0 30 13 *", "", "month"),
        ("0 0 * * 9", "", "day-of-week"),
        ("* * * * *", "Mars/Olympus", "'Mars/Olympus' is no time zone"),
        ("* * * * *", "../../etc/passwd", "no time zone"),
        ("* * * * *", "Europe", "no time zone"),
    ],
)
def test_what_cannot_be_read(cron: str, zone: str, words: str) -> None:
    with pytest.raises(ScheduleError, match=words):
        Schedule(cron, zone)
