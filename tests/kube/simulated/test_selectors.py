"""Label selectors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.kube.errors import Rejected
from agent.kube.simulated.selectors import MAX_SELECTOR, matches, parse

LABELS = {"app.kubernetes.io/name": "web", "tier": "front", "empty": ""}


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("", True),
        ("tier=front", True),
        ("tier==front", True),
        ("tier=back", False),
        ("tier!=back", True),
        ("missing!=x", True),
        ("app.kubernetes.io/name=web,tier=front", True),
        ("app.kubernetes.io/name=web,tier=back", False),
        ("tier in (front,back)", True),
        ("tier in (back)", False),
        ("tier notin (back)", True),
        ("missing notin (x)", True),
        ("missing in (x)", False),
        ("tier", True),
        ("missing", False),
        ("!missing", True),
        ("! tier", False),
        ("empty=", True),
        ("empty in (,x)", True),
        (" tier = front , !missing ", True),
        ("in in (a)", False),
    ],
)
def test_matching(selector: str, selected: bool) -> None:
    assert matches(parse(selector), LABELS) is selected


@pytest.mark.parametrize(
    "selector", ["a in (", "=x", "a=b=c", "a b", "a in ()b", "((", "a=b,,c=d", "x" * (MAX_SELECTOR + 1)]
)
def test_what_is_no_selector(selector: str) -> None:
    with pytest.raises(Rejected):
        parse(selector)


@given(st.text(max_size=40))
def test_any_text_is_a_selector_or_is_rejected(selector: str) -> None:
    try:
        terms = parse(selector)
    except Rejected:
        return
    matches(terms, LABELS)
