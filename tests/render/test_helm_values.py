from __future__ import annotations

from typing import Any

import helm_python
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.application import NameValue
from hub.render.errors import RenderError
from hub.render.helm_values import merged, with_parameters
from hub.render.strvals import SetInteger


def setting(name: str, value: str, into: dict[str, Any] | None = None, *, as_text: bool = False) -> dict[str, Any]:
    return with_parameters(into or {}, [NameValue(name, value, as_text)], [])


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
        ("a", "{}", {"a": [""]}),
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
    values = setting("servers[0].port", "80", values)
    values = setting("keep.y", "2", values)
    assert values == {"servers": [{"port": 80, "name": "a"}, {"port": 2}], "keep": {"x": 1, "y": 2}}
    assert given == {"servers": [{"port": 1, "name": "a"}, {"port": 2}], "keep": {"x": 1}}


@pytest.mark.parametrize(
    "name", ["", ".", "a.", ".a", "a..b", "[0]", "a[", "a[x]", "a[-1]", "a[99999999]", "a." * 40 + "b"]
)
def test_names_that_mean_nothing(name: str) -> None:
    with pytest.raises(RenderError) as caught:
        setting(name, "x")
    assert caught.value.code == "invalid-source"


def test_a_files_content_is_text_whatever_it_looks_like() -> None:
    assert with_parameters({}, [], [("a.b", "{1,2}\ntrue,\\x")]) == {"a": {"b": "{1,2}\ntrue,\\x"}}


def test_merging() -> None:
    below = {"a": {"x": 1, "y": 2}, "list": [1, 2], "gone": {"z": 1}}
    above = {"a": {"y": 3}, "list": [9], "gone": None, "new": {"b": 1}}
    assert merged(below, above) == {"a": {"x": 1, "y": 3}, "list": [9], "gone": None, "new": {"b": 1}}
    assert below["a"] == {"x": 1, "y": 2}


def test_text_and_files_win_over_what_stands_after_them() -> None:
    given = [NameValue("a", "1", True), NameValue("a", "2"), NameValue("b", "1")]
    assert with_parameters({}, given, [("b", "file")]) == {"a": "1", "b": "file"}


@pytest.mark.parametrize("value", ["{a", "{a}b}"])
def test_values_that_mean_nothing(value: str) -> None:
    with pytest.raises(RenderError, match="parameter 'a'"):
        setting("a", value)


def test_what_is_no_mapping_takes_no_step() -> None:
    with pytest.raises(RenderError, match="sets something in 'x', which is no mapping"):
        setting("x.y", "1", {"x": 1})
    with pytest.raises(RenderError, match="an index into 'x', which is no list"):
        setting("x[0]", "1", {"x": {}})


def test_integers_are_told_apart_from_those_of_files() -> None:
    values = setting("a", "5", {"b": 5})
    assert isinstance(values["a"], SetInteger) and not isinstance(values["b"], SetInteger)


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
