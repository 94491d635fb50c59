from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.formats.duration import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    {
        "5s": 5,
        "3m": 180,
        "3m0s": 180,
        "1m30s": 90,
        "1h30m": 5400,
        "1.5h": 5400,
        "300ms": 0.3,
        "1us": 1e-6,
        "1µs": 1e-6,
        "10ns": 1e-8,
        ".5s": 0.5,
        "+5s": 5,
        " 5s ": 5,
        "5": 5,
        "0": 0,
        "2.5": 2.5,
    }.items(),
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("value", [5, 0, 1.5])
def test_numbers_are_seconds(value: float) -> None:
    assert parse_duration(value) == value


@pytest.mark.parametrize(
    "value",
    ["", "s", "5x", "5 s", "5 minutes", "-5s", "1e3", "5s5", "٥s", "1" * 1000 + "s", "999999h", -1, 1e12, float("nan")],
)
def test_what_is_none(value: str | float) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(value)


@given(st.floats(0, 3e8))
def test_what_is_written_reads_back(seconds: float) -> None:
    assert parse_duration(format_duration(round(seconds, 9))) == pytest.approx(seconds, abs=1e-9)


@given(st.text())
def test_anything_in(text: str) -> None:
    try:
        assert parse_duration(text) >= 0
    except ValueError as error:
        assert str(error).startswith("is not a duration")
