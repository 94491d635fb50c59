"""The jq path expressions that are served. What they find is what jq 1.7 finds with `path(…)`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.fields import format_pointer, lookup
from agent.engine.jqparse import MAX_EXPRESSION, UnsupportedExpression, parse_path
from agent.engine.jqpath import find_paths
from tests.engine.strategies import json_values

OBJ: dict[str, Any] = {
    "metadata": {"name": "x", "annotations": {"a/b": "1", "c": "2"}},
    "spec": {
        "n": 3,
        "mode": "auto",
        "list": [1, 2, None, "s", True, [5]],
        "containers": [
            {"name": "web", "image": "w", "env": [{"name": "A", "value": "1"}, {"name": "B"}], "on": True},
            {"name": "istio-proxy", "image": "p", "on": False, "n": 7},
            {"name": "log", "n": None},
        ],
    },
}

C = "/spec/containers"
EVERY = [f"{C}/0", f"{C}/1", f"{C}/2"]


def found(expression: str, obj: Any = OBJ) -> set[str]:
    return {format_pointer(path) for path in find_paths(parse_path(expression), obj)}


@pytest.mark.parametrize(
    ("expression", "pointers"),
    [
        (".spec.n", ["/spec/n"]),
        ('.spec["n"]', ["/spec/n"]),
        ('.["spec"]."n"', ["/spec/n"]),
        ("( .spec ).n", ["/spec/n"]),
        (". | .spec | .n", ["/spec/n"]),
        ('.metadata.annotations["a/b"]', ["/metadata/annotations/a~1b"]),
        ('.metadata.annotations."a\\u002fb"', ["/metadata/annotations/a~1b"]),
        (".spec.list[0]", ["/spec/list/0"]),
        (".spec.list[-1]", ["/spec/list/5"]),
        (".spec.list[-9]", []),
        (".spec.list[99]", []),
        (".spec.list[5][]", ["/spec/list/5/0"]),
        (".metadata[].c?", ["/metadata/annotations/c"]),
        (".spec.nothing.at.all", []),
        (".spec.n.deeper", []),
        (".metadata.name, .spec | .n?", ["/spec/n"]),
        (".metadata.name, .spec.n", ["/metadata/name", "/spec/n"]),
        (".spec.containers[]?.image?", [f"{C}/0/image", f"{C}/1/image"]),
        (".. | .image?", [f"{C}/0/image", f"{C}/1/image"]),
        ('.spec.containers[] | select(.name == "web")', [f"{C}/0"]),
        ('.spec.containers[] | select("web" == .name) | .image', [f"{C}/0/image"]),
        ('(.spec.containers[] | select(.name == "web")).image', [f"{C}/0/image"]),
        ('.spec.containers[] | select(.name != "web")', [f"{C}/1", f"{C}/2"]),
        ('.spec.containers[] | select(.name | startswith("istio-"))', [f"{C}/1"]),
        ('.spec.containers[] | select(.name | startswith("istio-") | not)', [f"{C}/0", f"{C}/2"]),
        ('.spec.containers[] | select(.name | endswith("g"))', [f"{C}/2"]),
        ('.spec.containers[] | select(.name | contains("o"))', [f"{C}/1", f"{C}/2"]),
        ('.spec.containers[] | select(has("env") | not)', [f"{C}/1", f"{C}/2"]),
        ('.spec.containers[] | select(.env[]?.name == "A")', [f"{C}/0"]),
        ('.spec.containers[] | select(.env[]?.name == "A" | not)', [f"{C}/0"]),
        ('.spec.containers[].env[]? | select(.name == "B")', [f"{C}/0/env/1"]),
        (".spec.containers[].env[]? | select(.value)", [f"{C}/0/env/0"]),
        ('.spec.containers[] | select(.env[]? | select(.name == "B") | .name)', [f"{C}/0"]),
        (".spec.containers[] | select(.on)", [f"{C}/0"]),
        (".spec.containers[] | select(.on == null)", [f"{C}/2"]),
        (".spec.containers[] | select(.x.y.z == null)", EVERY),
        (".spec.containers[] | select(.n > 3)", [f"{C}/1"]),
        ('.spec.containers[] | select(.n < "a")', EVERY),
        ('.spec.containers[] | select(.name == "web" or .name == "log" and .n == 3)', [f"{C}/0"]),
        ('.spec.containers[] | select((.name == "web" or .name == "log") and .n == null)', [f"{C}/0", f"{C}/2"]),
        (".spec.list[] | select(. == 1)", ["/spec/list/0"]),
        (".spec.list[] | select(. == true)", ["/spec/list/4"]),
        (".spec.list[] | select(. >= 2)", ["/spec/list/1", "/spec/list/3", "/spec/list/5"]),
        ('.spec | select(.mode == "auto") | .list[0]', ["/spec/list/0"]),
        ('.spec | select(.mode == "manual") | .list[0]', []),
        (".spec.containers[] | select(true)", EVERY),
        (".spec.containers[] | select(false)", []),
        ('.spec.containers[] | select(.name | test("^(web|log)$"))', [f"{C}/0", f"{C}/2"]),
        ('.spec.containers[] | select(.name | test("ISTIO"; "i"))', [f"{C}/1"]),
        ('.spec.containers[] | select(.image | test("w")?)', [f"{C}/0"]),
        ('.spec.containers[] | select(.name | ascii_upcase == "WEB")', [f"{C}/0"]),
        ('.spec.containers[] | select(.name | IN("web", "log"))', [f"{C}/0", f"{C}/2"]),
        ('.spec.containers[] | select((.env // "none") == "none")', [f"{C}/1", f"{C}/2"]),
        ('.spec.containers[] | select(.env // .image | type == "array")', [f"{C}/0"]),
        (".spec.containers[] | select((.env | length) > 1)", [f"{C}/0"]),
        ('.spec.containers[] | select(any(.env[]?; .name == "A"))', [f"{C}/0"]),
        ('.spec.containers[] | select(all(.env[]?; .name == "A"))', [f"{C}/1", f"{C}/2"]),
        (".spec | select(.list | any(. == 2)) | .n", ["/spec/n"]),
        ('.spec.list[] | select(type == "number")', ["/spec/list/0", "/spec/list/1"]),
        ('.spec.list[] | select(type | IN("null", "boolean"))', ["/spec/list/2", "/spec/list/4"]),
        (".spec | select(.list | has(5)) | .n", ["/spec/n"]),
        (".spec | select(.list | has(6)) | .n", []),
        (".spec.list[1:3]", ["/spec/list/1", "/spec/list/2"]),
        (".spec.list[4:]", ["/spec/list/4", "/spec/list/5"]),
        (".spec.list[:-4][]", ["/spec/list/0", "/spec/list/1"]),
        (".spec.containers[1:][].n", [f"{C}/1/n", f"{C}/2/n"]),
    ],
)
def test_finds_what_jq_finds(expression: str, pointers: list[str]) -> None:
    assert found(expression) == set(pointers)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "its end"),
        (".", "whole object"),
        ('select(.kind == "Secret")', "whole object"),
        (".spec, .", "whole object"),
        ("spec.n", "'spec' is not one of the jq functions"),
        (".spec.replicas |= 1", "'= 1'"),
        ('.metadata.annotations | with_entries(select(.key != "a"))', "'with_entries'"),
        ('.spec.containers[] | select(.name | test("(a+)+$"))', "a group that repeats"),
        ('.spec.containers[] | select(.name | test("a*b*c*"))', "too many choices"),
        ('.spec.containers[] | select(.name | test("("))', "the pattern '('"),
        ('.spec.containers[] | select(.name | test("a"; "q"))', "no flag 'q'"),
        (".spec.containers[] | select(.name | test(.x))", "'.x'"),
        (".spec.containers[] | select(IN(.a))", "'.a'"),
        (".spec.containers[] | select(IN())", "')'"),
        ('getpath(["a"])', "'getpath'"),
        ("del(.spec)", "'del'"),
        (".a // .b", "'//'"),
        (".a | select(" + ".a // " * 30 + ".b)", "nested"),
        (".spec.list[:]", "']'"),
        (".spec.list[1:a]", "'a'"),
        (".a-b", 'go in quotes: ."a-b"'),
        (".a + 1", "'+ 1'"),
        (".$x", "'$x'"),
        (".a[.b]", "not understood"),
        (".a[1.5]", "not understood"),
        (".a[", "its end"),
        ("(.a", "its end"),
        (".a)", "')'"),
        (".a | select(.b == .c)", "one side of '=='"),
        (".a | select(.b, .c)", "','"),
        (".a | select(.. == 1)", "'..'"),
        (".a | select(startswith(.b))", "'.b'"),
        ('."a\\(1)"', "not a plain string"),
        ('."unclosed', "not understood"),
        ("(" * 30 + ".a" + ")" * 30, "nested"),
        (".a" * MAX_EXPRESSION, "longer"),
    ],
)
def test_refuses_the_rest_by_name(expression: str, reason: str) -> None:
    with pytest.raises(UnsupportedExpression) as caught:
        parse_path(expression)
    assert caught.value.expression == expression
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 500


PIECES = [".", "..", ".a", ".b", '."c"', "[]", "[0]", "[-1]", '["a"]', "?", "|", ",", "(", ")", "select(", "==", "and"]
PIECES += ["//", "[1:]", "any(", "all(", ";", "test(", "IN(", "type", "length"]
PIECES += ["or", "not", "1", '"x"', "null", "startswith(", "has(", " ", "$", "-"]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=20), json_values())
def test_any_text_is_served_or_refused(expression: str, obj: Any) -> None:
    try:
        node = parse_path(expression)
    except UnsupportedExpression:
        return
    for path in find_paths(node, obj):
        assert path
        lookup(obj, path)


def test_doubling_does_not_multiply() -> None:
    expression = "|".join(["(.,.)"] * 100) + "|.a"
    assert found(expression, {"a": 1}) == {"/a"}


def test_a_deep_object_is_borne() -> None:
    obj: Any = 1
    for _ in range(3000):
        obj = {"a": obj}
    assert len(found("..", obj)) == 100


def test_a_pattern_costs_little_whatever_it_is_laid_over() -> None:
    node = parse_path('.list[] | select(test("^(a|aa)?(a|aa)?(a|aa)?a*b$") | not)')
    texts = ["a" * length for length in (100, 253, 254, 10_000)]
    assert len(find_paths(node, {"list": texts})) == len(texts)
