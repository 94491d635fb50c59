from __future__ import annotations

import difflib
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.linediff import unified_hunks

LINES = st.lists(st.sampled_from(["a", "b", "c", "d", "- x", "+ y", "@@"]), max_size=25)
HEADER = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


def patched(old: list[str], hunks: list[str]) -> list[str]:
    """Apply hunks to a text, checking everything they say of it."""
    new: list[str] = []
    position = remaining_old = remaining_new = 0
    for line in hunks:
        if remaining_old == remaining_new == 0:
            match = HEADER.fullmatch(line)
            assert match is not None, line
            old_start, remaining_old, new_start, remaining_new = (
                int(g) if g is not None else 1 for g in match.groups()
            )
            start = old_start - 1 if remaining_old else old_start
            new += old[position:start]
            position = start
            assert len(new) == (new_start - 1 if remaining_new else new_start)
            continue
        mark, text = line[0], line[1:]
        if mark in " -":
            assert old[position] == text
            position, remaining_old = position + 1, remaining_old - 1
        if mark in " +":
            new.append(text)
            remaining_new -= 1
    assert remaining_old == remaining_new == 0
    return new + old[position:]


@given(LINES, LINES, st.integers(0, 4))
def test_the_hunks_lead_from_old_to_new(old: list[str], new: list[str], context: int) -> None:
    assert patched(old, list(unified_hunks(old, new, context))) == new


@given(LINES, st.integers(0, 4))
def test_equal_texts_have_no_hunks(text: list[str], context: int) -> None:
    assert list(unified_hunks(text, list(text), context)) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("abcdefghij", "abcdXfghij"),
        ("abcdefghijklmnop", "aXcdefghijklmnYp"),
        ("abcdefgh", "abcXXdefgh"),
        ("abcdefgh", "efgh"),
        ("", "abc"),
        ("abc", ""),
        ("aabbaabb", "aabbXaabb"),
    ],
)
def test_is_what_difflib_would_say(old: str, new: str) -> None:
    expected = list(difflib.unified_diff(list(old), list(new), lineterm=""))[2:]
    assert list(unified_hunks(list(old), list(new), 3)) == expected


@pytest.mark.parametrize(("period", "other"), [(101, 102), (3, 2), (5000, 5001), (20_000, 19_999)])
def test_repetition_takes_no_long_time(period: int, other: int) -> None:
    started = time.process_time()
    assert list(unified_hunks([str(i % period) for i in range(20_000)], [str(i % other) for i in range(20_000)], 3))
    assert time.process_time() - started < 3
