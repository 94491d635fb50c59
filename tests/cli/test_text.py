"""Words on a terminal."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.cli import text
from hub.cli.values import parse_duration
from tests.cli.samples import at


@given(st.text())
def test_nothing_that_steers_a_terminal_survives(value: str) -> None:
    for cleaned in (text.clean(value), *text.clean_block(value).split("\n")):
        assert all(c == "\t" or (c.isprintable() or ord(c) >= 0xA0) for c in cleaned)
        assert not set(cleaned) & set("\x1b\x9b\r\u202e\u2066")
    assert "\n" not in text.clean(value)


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=5))
def test_columns_stay_below_each_other(rows: list[tuple[str, str]]) -> None:
    lines = text.table(("A", "B"), rows)
    assert len(lines) == len(rows) + 1
    start = lines[0].index("B")
    for line, (first, second) in zip(lines[1:], rows, strict=True):
        if text.clean(second).strip():
            assert text.width(line[: len(line) - len(text.clean(second).rstrip())]) == start, (first, second)


def test_wide_characters_take_two_columns() -> None:
    assert text.width("日本") == 4
    assert text.width("e\u0301") == 1
    assert text.table(("A", "B"), [("日", "x"), ("ab", "y")]) == ["A    B", "日   x", "ab   y"]


@pytest.mark.parametrize(
    ("passed", "told"),
    [
        ({"seconds": 0}, "0s"),
        ({"seconds": 119}, "119s"),
        ({"minutes": 2}, "2m"),
        ({"minutes": 59, "seconds": 59}, "59m"),
        ({"hours": 1}, "1h"),
        ({"hours": 23}, "23h"),
        ({"days": 1}, "1d"),
        ({"days": 400}, "400d"),
        ({"seconds": -30}, "0s"),
    ],
)
def test_ages(passed: dict[str, float], told: str) -> None:
    assert text.age(at(**passed)) == told
    assert text.ago(at(**passed)) == f"{told} ago"


def test_a_time_that_is_none_is_shown_as_it_is() -> None:
    assert text.ago(None) == ""
    assert text.age("soon\x1b") == "soon\N{REPLACEMENT CHARACTER}"
    assert text.age("2030-01-01T11:00:00+01:00") == "2h"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("environ", "colour"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colours(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], colour: bool) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout", Terminal())
    assert ("\x1b[32m" in text.paint("Synced   ")) is colour
    assert text.paint("no status") == "no status"


def test_no_colours_off_a_terminal() -> None:
    assert not text.has_colour(io.StringIO())


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("0", 0), ("90", 90), ("1.5", 1.5), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("250ms", 0.25), ("1h0.5m", 3630)],
)
def test_durations(given: str, seconds: float) -> None:
    assert parse_duration(given) == seconds


@given(st.text(max_size=60))
def test_any_text_is_a_duration_or_none(value: str) -> None:
    seconds = parse_duration(value)
    assert seconds is None or 0 <= seconds <= 366 * 24 * 3600


@pytest.mark.parametrize("text", ["", "-1", "1x", "m", "1 m", "nan", "inf", "1e9", "9999h", "1" * 100, "٣"])
def test_what_is_no_duration(text: str) -> None:
    assert parse_duration(text) is None
