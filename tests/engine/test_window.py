"""Sync windows: what is allowed when."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.assignment import SyncWindow
from agent.engine.window import Windows

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
"""A Friday, at noon."""
HOUR = timedelta(hours=1)


def window(kind: str, cron: str, hours: float, zone: str = "", **changes: Any) -> SyncWindow:
    return SyncWindow(kind, cron, cron, zone, hours * 3600, **changes)


OPEN, SHUT = "0 11 * * *", "0 14 * * *"
"""When windows of two hours begin that are open at NOW, and not."""


def may(windows: list[SyncWindow], *, manual: bool = False, now: datetime = NOW) -> bool:
    return Windows(windows).denial(now, manual=manual) is None


KINDS = st.sampled_from(["allow", "deny"])
CRONS = st.sampled_from(["0 * * * *", "0 */3 * * *", "30 2 * * *", "15 22 * * 1-5", "*/20 1 * * *", "0 0 * * 6"])
ZONES = st.sampled_from(["", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
WINDOWS = st.lists(
    st.builds(
        window,
        KINDS,
        CRONS,
        st.sampled_from([0.25, 0.5, 1.0, 5.0, 30.0]),
        ZONES,
        manual_sync=st.booleans(),
        sync_overrun=st.booleans(),
    ),
    max_size=4,
)
INSTANTS = st.one_of(
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sampled_from([datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)]).flatmap(
        lambda change: st.integers(-600, 600).map(lambda minutes: change + timedelta(minutes=minutes))
    ),
)


def test_without_windows_all_is_allowed() -> None:
    assert may([])


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ([("allow", OPEN)], True),
        ([("allow", SHUT)], False),
        ([("deny", OPEN)], False),
        ([("deny", SHUT)], True),
        ([("allow", SHUT), ("allow", OPEN)], True),
        ([("allow", OPEN), ("deny", OPEN)], False),
        ([("allow", OPEN), ("deny", SHUT)], True),
        ([("allow", SHUT), ("deny", SHUT)], False),
    ],
)
def test_what_begins_by_itself(windows: list[tuple[str, str]], expected: bool) -> None:
    assert may([window(kind, cron, 2) for kind, cron in windows]) is expected


def test_ends_are_excluded_and_beginnings_included() -> None:
    windows = [window("deny", "0 12 * * *", 1)]
    assert not may(windows)
    assert may(windows, now=NOW - timedelta(microseconds=1))
    assert not may(windows, now=NOW + HOUR - timedelta(microseconds=1))
    assert may(windows, now=NOW + HOUR)


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ([("deny", OPEN, True)], True),
        ([("deny", OPEN, True), ("deny", OPEN, False)], False),
        # One that is not open has no say.
        ([("deny", OPEN, True), ("deny", SHUT, False)], True),
        ([("allow", SHUT, True)], True),
        ([("allow", SHUT, True), ("allow", SHUT, False)], False),
        # What denies decides, and lets it through.
        ([("allow", SHUT, False), ("deny", OPEN, True)], True),
        ([("allow", OPEN, True), ("deny", OPEN, False)], False),
    ],
)
def test_what_somebody_asks_for(windows: list[tuple[str, str, bool]], expected: bool) -> None:
    made = [window(kind, cron, 2, manual_sync=manual) for kind, cron, manual in windows]
    assert may(made, manual=True) is expected
    assert not may(made)


@given(WINDOWS, INSTANTS, st.booleans())
def test_what_denies_beats_what_allows(windows: list[SyncWindow], now: datetime, manual: bool) -> None:
    denies = [w for w in windows if w.kind == "deny"]
    if not may(denies, manual=manual, now=now):
        assert not may(windows, manual=manual, now=now)


@given(WINDOWS, INSTANTS)
def test_whoever_asks_may_do_no_less(windows: list[SyncWindow], now: datetime) -> None:
    assert may(windows, manual=True, now=now) or not may(windows, now=now)


@given(WINDOWS, INSTANTS, INSTANTS, st.booleans())
def test_what_has_begun_may_do_no_less(windows: list[SyncWindow], one: datetime, other: datetime, manual: bool) -> None:
    since, now = sorted([one, other])
    denial, held = Windows(windows).denial(now, manual=manual), Windows(windows).held(now, manual=manual, since=since)
    assert held is None or held == denial
    if all(w.sync_overrun for w in windows) and may(windows, manual=manual, now=since):
        assert held is None
    # Whatever was asked before, and in whatever order they were written down.
    asked = Windows(windows[::-1])
    assert (asked.held(now, manual=manual, since=since) is None) == (held is None)
    again = asked.denial(now, manual=manual)
    assert (again.until if again is not None else 0) == (denial.until if denial is not None else 0)


@given(WINDOWS, INSTANTS, st.booleans())
def test_it_opens_when_it_says(windows: list[SyncWindow], now: datetime, manual: bool) -> None:
    denial = Windows(windows).denial(now, manual=manual)
    if denial is None or denial.until is None:
        return
    assert denial.until > now
    assert may(windows, manual=manual, now=denial.until)
    # And at no minute before.
    minutes = min(int((denial.until - now) / timedelta(minutes=1)), 40)
    for count in range(minutes):
        assert not may(windows, manual=manual, now=now + timedelta(minutes=count))


@pytest.mark.parametrize(
    ("before", "after", "goes_on"),
    [
        # (kind, syncOverrun) of windows open when it began and closed now; of windows that have opened since.
        ([], [("deny", True)], True),
        ([], [("deny", False)], False),
        ([("allow", True)], [("deny", True)], True),
        ([("allow", True)], [("deny", False)], False),
        ([("allow", False)], [("deny", True)], True),
        ([("allow", False)], [("deny", False)], False),
        ([("allow", True)], [], True),
        ([("allow", False)], [], False),
        ([("allow", True), ("allow", True)], [], True),
        ([("allow", True), ("allow", False)], [], False),
        ([], [("deny", True), ("deny", False)], False),
    ],
)
def test_overruns(before: list[tuple[str, bool]], after: list[tuple[str, bool]], goes_on: bool) -> None:
    made = [window(kind, "0 9 * * *", 2, sync_overrun=overrun) for kind, overrun in before]
    made += [window(kind, "0 12 * * *", 2, sync_overrun=overrun) for kind, overrun in after]
    since = datetime(2026, 11, 20, 10, tzinfo=UTC)
    for manual in (False, True):
        assert may(made, manual=manual, now=since)
        assert (Windows(made).held(NOW, manual=manual, since=since) is None) is goes_on


def test_what_was_not_allowed_when_it_began_overruns_nothing() -> None:
    windows = Windows([window("deny", "0 9 * * *", 5, sync_overrun=True)])
    assert windows.held(NOW, manual=False, since=NOW - HOUR) is not None


@pytest.mark.parametrize(
    ("windows", "until"),
    [
        ([window("deny", OPEN, 2)], "2026-11-20T13:00+00:00"),
        ([window("allow", SHUT, 2)], "2026-11-20T14:00+00:00"),
        # Back to back, and over each other.
        ([window("deny", "0 * * * 1-5", 1)], "2026-11-21T00:00+00:00"),
        ([window("deny", OPEN, 2), window("deny", "30 12 * * *", 2)], "2026-11-20T14:30+00:00"),
        # The first one that opens is denied, too.
        ([window("allow", SHUT, 2), window("deny", SHUT, 1)], "2026-11-20T15:00+00:00"),
        # The night in which the clocks go back is an hour longer, and the window is not.
        ([window("allow", "0 0 1 1 *", 1, "Europe/Berlin")], "2027-01-01T00:00+01:00"),
    ],
)
def test_when_it_opens(windows: list[SyncWindow], until: str) -> None:
    denial = Windows(windows).denial(NOW, manual=False)
    assert denial is not None and denial.until == datetime.fromisoformat(until)


def test_a_window_lasts_its_time_whatever_the_clocks_do() -> None:
    windows = [window("deny", "0 1 * * *", 3, "Europe/Berlin")]
    begun = datetime.fromisoformat("2026-10-25T01:00+02:00")
    assert not may(windows, now=begun + 3 * HOUR - timedelta(seconds=1))
    assert may(windows, now=begun + 3 * HOUR), "the wall shows 03:00, and not 04:00"


@pytest.mark.parametrize("windows", [[window("deny", "*/5 * * * *", 1)], [window("allow", "0 0 30 2 *", 1)]])
def test_what_never_opens(windows: list[SyncWindow]) -> None:
    denial = Windows(windows).denial(NOW, manual=False)
    assert denial is not None and denial.until is None
    assert "cannot be foretold" in denial.message


def test_words() -> None:
    friday = window("deny", "0 8 * * 5", 26, "Europe/Berlin", description="no deployments on Fridays")
    denial = Windows([friday]).denial(NOW, manual=False)
    assert denial is not None
    assert denial.message == (
        'the deny window "0 8 * * 5" for 26h, Europe/Berlin (no deployments on Fridays) denies it until '
        "2026-11-21 10:00+01:00"
    )
    denial = Windows([window("allow", SHUT, 1.5), window("allow", "0 20 * * *", 1)]).denial(NOW, manual=False)
    assert denial is not None
    assert denial.message == (
        'no window that allows it is open until 2026-11-20 14:00+00:00: the allow window "0 14 * * *" for 1h30m and 1 '
        "more"
    )


@pytest.mark.parametrize("kind", ["allow", "deny"])
def test_one_that_cannot_be_read_is_in_the_way(kind: str) -> None:
    denial = Windows([window(kind, "0 0 * * *", 1, "Mars/Olympus")]).denial(NOW, manual=False)
    assert denial is not None and denial.until is None
    assert "cannot be read" in denial.message and "Mars/Olympus" in denial.message


def test_what_is_known_holds_until_it_ends() -> None:
    windows = Windows([window("deny", OPEN, 2), window("allow", "0 9 * * *", 8, manual_sync=True)])
    first = windows.denial(NOW, manual=False)
    assert windows.denial(NOW + HOUR / 2, manual=False) is first is not None
    assert windows.denial(NOW - 2 * HOUR, manual=False) is None, "before it began"
    assert windows.denial(NOW + HOUR, manual=False) is None, "when it ends"
    assert windows.denial(NOW + 12 * HOUR, manual=False) is not first
    assert windows.denial(NOW + 12 * HOUR, manual=True) is None


def test_an_agent_without_windows_loads_nothing_for_them() -> None:
    program = "import sys, agent.agent; print({'cronsim', 'zoneinfo', 'agent.engine.window'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
