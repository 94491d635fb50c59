"""Versions that ranges mean, by Helm's rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from semantic_version import Version

from hub.source.versions import choose_version, is_range, parse_range, parse_version

THERE = ["0.3.1", "0.3.4", "1.0.0", "1.2.0", "1.2.5", "1.3.0-rc.1", "2.0.0", "2.1.0-beta", "v3.0.0-alpha", "junk"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("", "2.0.0"),
        ("*", "2.0.0"),
        ("HEAD", "2.0.0"),
        ("x", "2.0.0"),
        ("1.2.0", "1.2.0"),
        ("v1.2.0", "1.2.0"),
        ("=1.2.0", "1.2.0"),
        ("1.2", "1.2.5"),
        ("1", "1.2.5"),
        ("1.x", "1.2.5"),
        ("1.2.X", "1.2.5"),
        ("^1.0", "1.2.5"),
        ("^0.3.1", "0.3.4"),
        ("^0.0.1", ""),
        ("~1.2.1", "1.2.5"),
        ("~1", "1.2.5"),
        ("~> 1.0", "1.0.0"),
        (">1", "2.0.0"),
        (">1.2", "2.0.0"),
        (">= 1.0, < 2", "1.2.5"),
        (">=1.0 <1.2.5", "1.2.0"),
        ("<=1", "1.2.5"),
        ("=< 1.2", "1.2.5"),
        ("<1.2", "1.0.0"),
        ("!=2.0.0", "1.2.5"),
        ("!=2", "1.2.5"),
        ("1.0.0 - 1.2.4", "1.2.0"),
        ("^9 || ~0.3", "0.3.4"),
        (">=1.0.0-0 <2.0.0", "1.3.0-rc.1"),
        (">0.0.0-0", "v3.0.0-alpha"),
        ("~2.1.0-0", "2.1.0-beta"),
        ("2.1.0-beta", "2.1.0-beta"),
        ("2.1.0", ""),
        ("junk", "junk"),
        ("nonsense", ""),
        (">=", ""),
        ("1.0.0 ||", "2.0.0"),
        ("1.0.0; rm", ""),
        (">" * 600, ""),
        ("||" * 40, ""),
    ],
)
def test_choosing(wanted: str, found: str) -> None:
    assert choose_version(wanted, THERE) == found


def test_tags_stand_for_what_they_cannot_hold() -> None:
    assert choose_version("1.0.0+build", ["1.0.0", "1.0.0_build"]) == "1.0.0_build"
    assert parse_version("1.0.0_build") == parse_version("1.0.0+build")


@pytest.mark.parametrize(
    ("text", "expected"), [("1.x", True), ("*", True), ("", True), ("1.0.0", False), ("main", False)]
)
def test_what_is_a_range(text: str, expected: bool) -> None:
    assert is_range(text) is expected


@given(st.text(max_size=40))
def test_any_text_is_a_range_or_none(text: str) -> None:
    range = parse_range(text)
    if range is not None:
        range.holds(Version("1.2.3"))
    assert choose_version(text, THERE) in (*THERE, "")


_NUMBERS = st.tuples(*[st.integers(0, 3)] * 3)


@given(_NUMBERS, _NUMBERS)
def test_bounds_are_what_comparing_says(left: tuple[int, int, int], right: tuple[int, int, int]) -> None:
    version, bound = Version("{}.{}.{}".format(*left)), "{}.{}.{}".format(*right)
    outcomes = {">": left > right, ">=": left >= right, "<": left < right, "<=": left <= right, "=": left == right}
    for operator, expected in outcomes.items():
        found = parse_range(operator + bound)
        assert found is not None and found.holds(version) is expected
