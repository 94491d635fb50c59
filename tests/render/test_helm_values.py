from __future__ import annotations

from typing import Any

import helm_python
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.application import NameValue
from hub.render.errors import RenderError
from hub.render.helm_values import large_integers, merged, set_content, set_parameter


def setting(name: str, value: str, into: dict[str, Any] | None = None, *, as_text: bool = False) -> dict[str, Any]:
    values = into if into is not None else {}
    set_parameter(values, name, value, as_text=as_text)
    return values


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("a", "x", {"a": "x"}),
        ("a.b.c", "x", {"a": {"b": {"c": "x"}}}),
        (r"a\.b", "x", {"a.b": "x"}),
        (r"node\.kubernetes\.io/role", "x", {"node.kubernetes.io/role": "x"}),
        ("a[0]", "x", {"a": ["x"]}),
        ("a[1].b", "x", {"a": [None, {"b": "x"}]}),
        ("a[0][1]", "x", {"a": [[None, "x"]]}),
        ("a", "1", {"a": 1}),
        ("a", "-1", {"a": -1}),
        ("a", "0", {"a": 0}),
        ("a", "0755", {"a": "0755"}),
        ("a", "1.50", {"a": "1.50"}),
        ("a", "99999999999999999999", {"a": "99999999999999999999"}),
        ("a", "true", {"a": True}),
        ("a", "True", {"a": True}),
        ("a", "null", {"a": None}),
        ("a", "", {"a": ""}),
        ("a", "{x,1,true}", {"a": ["x", 1, True]}),
        ("a", "{}", {"a": []}),
        # As Argo CD does it: commas belong to the value.
        ("a", "x,y=z", {"a": "x,y=z"}),
        ("a", r"x\,y", {"a": "x,y"}),
        ("a", "k=v", {"a": "k=v"}),
    ],
)
def test_parameters(name: str, value: str, expected: dict[str, Any]) -> None:
    assert setting(name, value) == expected


def test_parameters_that_are_to_be_text() -> None:
    assert setting("a", "1", as_text=True) == {"a": "1"}
    assert setting("a", "{1,true}", as_text=True) == {"a": ["1", "true"]}


def test_parameters_change_what_value_files_gave() -> None:
    given = {"servers": [{"port": 1, "name": "a"}, {"port": 2}], "keep": {"x": 1}}
    values = merged({}, given)
    setting("servers[0].port", "80", values)
    setting("keep.y", "2", values)
    setting("keep.x.z", "3", values)
    assert values == {"servers": [{"port": 80, "name": "a"}, {"port": 2}], "keep": {"x": {"z": 3}, "y": 2}}
    assert given == {"servers": [{"port": 1, "name": "a"}, {"port": 2}], "keep": {"x": 1}}


@pytest.mark.parametrize(
    "name", ["", ".", "a.", ".a", "a..b", "[0]", "a[", "a[x]", "a[-1]", "a[99999999]", "a." * 40 + "b"]
)
def test_names_that_mean_nothing(name: str) -> None:
    with pytest.raises(RenderError) as caught:
        setting(name, "x")
    assert caught.value.code == "invalid-source"


def test_a_files_content_is_text_whatever_it_looks_like() -> None:
    values: dict[str, Any] = {}
    set_content(values, "a.b", "{1,2}\ntrue,\\x")
    assert values == {"a": {"b": "{1,2}\ntrue,\\x"}}


def test_merging() -> None:
    below = {"a": {"x": 1, "y": 2}, "list": [1, 2], "gone": {"z": 1}}
    above = {"a": {"y": 3}, "list": [9], "gone": None, "new": {"b": 1}}
    assert merged(below, above) == {"a": {"x": 1, "y": 3}, "list": [9], "gone": None, "new": {"b": 1}}
    assert below["a"] == {"x": 1, "y": 2}


def test_integers_that_lose_their_spelling() -> None:
    values = ["999999", "1000000", "-1000000", "0100000000", "1e9", "10000000000000000000000"]
    given = [NameValue(f"p{value}", value) for value in values] + [NameValue("text", "1000000", True)]
    assert [value for _, value in large_integers(given)] == ["1000000", "-1000000"]


NAMES = st.lists(st.sampled_from(["a", "b", "image", "x-y"]), min_size=1, max_size=3).map(".".join)
INDEXED = st.tuples(NAMES, st.integers(0, 3)).map(lambda pair: f"{pair[0]}[{pair[1]}]")
VALUES = st.text(alphabet="abT17.-:/ =true0null", max_size=8)


@given(NAMES | INDEXED, VALUES)
def test_helm_reads_parameters_the_same_way(name: str, value: str) -> None:
    assert setting(name, value) == helm_python.parse_set_string(f"{name}={value}")


@given(NAMES, st.lists(st.text(alphabet="ab17 .", max_size=4), min_size=1, max_size=3))
def test_helm_reads_lists_the_same_way(name: str, items: list[str]) -> None:
    text = "{" + ",".join(items) + "}"
    if text != "{}":
        assert setting(name, text) == helm_python.parse_set_string(f"{name}={text}")
