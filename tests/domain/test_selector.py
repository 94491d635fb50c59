from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.selector import LabelSelector, Operator, Requirement, parse_selector

EU = {"region": "eu", "tier": "a", "canary": ""}
NAMES = st.from_regex(r"[a-z]([a-z0-9.-]{0,5}[a-z0-9])?", fullmatch=True)
VALUES = NAMES | st.just("")
REQUIREMENTS = st.one_of(
    st.builds(
        Requirement,
        NAMES,
        st.sampled_from([Operator.IN, Operator.NOT_IN]),
        st.lists(VALUES, min_size=1, max_size=3).map(tuple),
    ),
    st.builds(Requirement, NAMES, st.sampled_from([Operator.EXISTS, Operator.DOES_NOT_EXIST])),
)


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("region=eu", True),
        ("region==eu", True),
        (" region = eu , tier=a ", True),
        ("region=us", False),
        ("region!=us", True),
        ("region!=eu", False),
        ("missing!=x", True),
        ("tier in (a,b)", True),
        ("tier in ( a , b )", True),
        ("tier in (b, c)", False),
        ("tier notin (b,c)", True),
        ("tier notin (a)", False),
        ("missing notin (a)", True),
        ("region", True),
        ("missing", False),
        ("!missing", True),
        ("! missing", True),
        ("!region", False),
        ("canary=", True),
        ("canary in (,x)", True),
        ("region=eu,tier in (a,b),!old,canary", True),
        ("region=eu,region=us", False),
        ("region=eu,region=eu", True),
        ("in in (in)", False),
        ("notin", False),
        ("app.kubernetes.io/name=x", False),
        ("app.kubernetes.io/name!=x", True),
    ],
)
def test_selectors_as_kubectl_takes_them(text: str, matches: bool) -> None:
    assert parse_selector(text).matches(EU) is matches


def test_plain_equality_becomes_match_labels() -> None:
    assert parse_selector("region=eu,tier in (a,b),!old,x!=y,region=us") == LabelSelector(
        {"region": "eu"},
        (
            Requirement("tier", Operator.IN, ("a", "b")),
            Requirement("old", Operator.DOES_NOT_EXIST),
            Requirement("x", Operator.NOT_IN, ("y",)),
            Requirement("region", Operator.IN, ("us",)),
        ),
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a b", "'a b' is not part of a label selector"),
        ("a=b,", "'' is not part of"),
        (",", "'' is not part of"),
        ("a in b", "is not part of"),
        ("a in (b", "is not part of"),
        ("a in (b),c)", "is not part of"),
        ("a>1", "is not part of"),
        ("=b", "is not part of"),
        ("a=b=c", "is not part of"),
        ("!", "is not part of"),
        ("-a=b", "'-a' is not a label key"),
        ("A_/b=c", "is not a label key: what stands before '/'"),
        ("a=b/c", "'b/c' is not a label value"),
        ("a in (b/c)", "'b/c' is not a label value"),
        ("a=" + "b" * 64, "is not a label value"),
        ("a" * 64, "is not a label key"),
        ("a=b," * 5000, "longer than"),
    ],
)
def test_what_is_none(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r"selector|label") as caught:
        parse_selector(text)
    assert problem in str(caught.value)


@given(st.dictionaries(NAMES, VALUES, max_size=3), st.lists(REQUIREMENTS, max_size=3).map(tuple))
def test_what_is_written_reads_back(labels: dict[str, str], requirements: tuple[Requirement, ...]) -> None:
    selector = LabelSelector(labels, requirements)
    assert parse_selector(str(selector)) == selector
    assert parse_selector(str(selector)).identity == selector.identity


def test_identity_does_not_depend_on_order() -> None:
    assert LabelSelector({"a": "1", "b": "2"}).identity == LabelSelector({"b": "2", "a": "1"}).identity
    assert LabelSelector({"a": "1"}).identity != LabelSelector({"a": "2"}).identity


@given(st.text(max_size=100))
def test_anything_in(text: str) -> None:
    try:
        parse_selector(text)
    except ValueError as error:
        assert str(error)
