from __future__ import annotations

import fnmatch
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.glob import glob_match

SIMPLE = st.text("ab*?/.", max_size=8)


@pytest.mark.parametrize(
    ("pattern", "text", "separator", "matches"),
    [
        ("*", "https://github.com/org/repo", "/", True),
        ("*", "", "", True),
        ("", "", "", True),
        ("", "a", "", False),
        ("https://github.com/org/*", "https://github.com/org/repo", "/", True),
        ("https://github.com/org/*", "https://github.com/org/a/b", "/", False),
        ("https://github.com/org/**", "https://github.com/org/a/b", "/", True),
        ("https://github.com/**/repo", "https://github.com/a/b/repo", "/", True),
        ("https://github.com/*", "https://github.com/org/repo", "/", False),
        ("https://*.example.com/x", "https://git.example.com/x", "/", True),
        ("**a*b", "xa/yab", "/", True),
        ("team-*", "team-a", "", True),
        ("team-*", "team-", "", True),
        ("team-*", "team", "", False),
        ("*-prod", "eu-prod", "", True),
        ("a*b*c", "aXbYc", "", True),
        ("a*b*c", "aXcYb", "", False),
        ("a?c", "abc", "", True),
        ("a?c", "a/c", "/", False),
        ("a?c", "ac", "", False),
        ("[ab]x", "bx", "", True),
        ("[!ab]x", "bx", "", False),
        ("[!ab]x", "cx", "", True),
        ("[^ab]x", "cx", "", True),
        ("[!ab]x", "/x", "/", False),
        ("[a-c]x", "bx", "", True),
        ("[a-c]x", "dx", "", False),
        ("[a-]x", "-x", "", True),
        ("[]a]", "]", "", True),
        ("{dev,test}-*", "test-1", "", True),
        ("{dev,test}-*", "prod-1", "", False),
        ("a{,b}c", "ac", "", True),
        ("{a,b}{1,2}", "b2", "", True),
        ("a{b", "a{b", "", True),
        ("[a", "[a", "", True),
        (r"\*", "*", "", True),
        (r"\*", "a", "", False),
        (r"\{a,b}", "{a,b}", "", True),
        ("a.c", "abc", "", False),
        ("(a|b)", "a", "", False),
        ("Ä*", "Äx", "", True),
        ("*\n", "a\n", "", True),
    ],
)
def test_globs(pattern: str, text: str, separator: str, matches: bool) -> None:
    assert glob_match(pattern, text, separator) is matches


@given(SIMPLE, st.text("ab/.", max_size=10))
def test_without_a_separator_it_is_fnmatch(pattern: str, text: str) -> None:
    assert glob_match(pattern, text) is fnmatch.fnmatchcase(text, pattern)


@given(SIMPLE, st.text("ab/.", max_size=10))
def test_with_a_separator_it_is_the_regular_expression(pattern: str, text: str) -> None:
    pieces = re.findall(r"\*\*+|.", pattern)
    words = {"*": "[^/]*", "?": "[^/]"}
    expression = "".join(words.get(p, ".*" if p.startswith("*") else re.escape(p)) for p in pieces)
    expected = pattern == "*" or re.fullmatch(expression, text) is not None
    assert glob_match(pattern, text, "/") is expected


@given(st.text(max_size=30), st.text(max_size=30))
def test_anything_in(pattern: str, text: str) -> None:
    assert glob_match(pattern, text, "/") in (True, False)


def test_every_text_without_special_characters_matches_itself_only() -> None:
    assert glob_match("https://github.com/org/repo", "https://github.com/org/repo")
    assert not glob_match("https://github.com/org/repo", "https://github.com/org/repo2")


@pytest.mark.parametrize("pattern", ["*a" * 200 + "b", "**a" * 200 + "b", "[ab]*" * 200 + "c", "{a,b}" * 200])
def test_no_pattern_takes_long(pattern: str) -> None:
    began = time.process_time()
    assert not glob_match(pattern, "a" * 1000, "/")
    assert time.process_time() - began < 2


@pytest.mark.parametrize(("pattern", "text"), [("*" + "a" * 3000, "a" * 3000), ("a*", "a" * 3000)])
def test_what_is_too_long_never_matches(pattern: str, text: str) -> None:
    assert not glob_match(pattern, text)
