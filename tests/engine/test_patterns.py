from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.patterns import MAX_TEXT, matches, pattern


@pytest.mark.parametrize(
    ("text", "flags", "found", "missed"),
    [
        ("^istio-", "", "istio-proxy", "my-istio-proxy"),
        ("^(web|log)$", "", "log", "logs"),
        (r"^app-\d{1,3}\.x$", "", "app-12.x", "app-1234.x"),
        ("proxy", "i", "My-PROXY", "my-prox"),
        ("(?:a|b)c", "", "bc", "c"),
        ("[*+?(|]{2}", "", "*(", "*a"),
        (r"^.*-sidecar-\w+$", "", "x-sidecar-1", "sidecar"),
        ("a{,2}b", "", "aab", "aaa"),
    ],
)
def test_patterns(text: str, flags: str, found: str, missed: str) -> None:
    compiled = pattern(text, flags)
    assert matches(found, compiled) and not matches(missed, compiled)


def test_a_text_that_is_too_long_matches_nothing() -> None:
    assert matches("a" * MAX_TEXT, pattern("a"))
    assert not matches("a" * (MAX_TEXT + 1), pattern("a"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("(a+)+", "a group that repeats"),
        ("(a|b){2,}", "a group that repeats"),
        ("a*b*c*", "too many"),
        ("a?" * 30, "too many"),
        ("(a|a)" * 21, "too many"),
        ("a{0,50}b{0,50}c{0,50}d{0,50}", "too many"),
        ("a{101}", "more than 100"),
        (r"(a)\1", "references"),
        ("(?=a)", "groups of this kind"),
        ("(?P<n>a)", "groups of this kind"),
        ("(", "unterminated"),
        ("[a", "unterminated"),
        ("a" * 201, "more than 200"),
        ("[a||b]", "set union"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        pattern(text)


def test_flags() -> None:
    pattern("a", "gixsnl")
    with pytest.raises(ValueError, match="no flag 'z'"):
        pattern("a", "gz")


@given(st.text("ab?*+(){}|[]^\\\\12,.:=", max_size=24), st.text("ab", max_size=MAX_TEXT))
def test_whatever_is_taken_costs_little(text: str, subject: str) -> None:
    try:
        compiled = pattern(text)
    except ValueError:
        return
    matches(subject + "c", compiled)
