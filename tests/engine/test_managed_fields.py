from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.managed_fields import Item, Step, owned_paths, read_entries
from tests.engine.strategies import json_values

LIVE = {
    "metadata": {"finalizers": ["keep", "other"], "annotations": {"example.org/a": "1"}},
    "spec": {
        "replicas": 3,
        "selector": {"app": "web"},
        "containers": [
            {"name": "proxy", "image": "p"},
            {"name": "web", "image": "w", "ports": [{"containerPort": 80, "protocol": "TCP"}]},
        ],
        "args": ["x", "y"],
    },
}


def entry(tree: Any, manager: str = "m", **fields: Any) -> dict[str, Any]:
    return {"manager": manager, "operation": "Update", "time": "2026-03-01T10:00:00Z", "fieldsV1": tree, **fields}


def place(*tokens: str) -> tuple[Step, ...]:
    """Walk into LIVE."""
    value: Any = LIVE
    steps: list[Step] = []
    for token in tokens:
        value = value[int(token)] if isinstance(value, list) else value[token]
        steps.append(Item(int(token), value) if token.isdigit() else token)
    return tuple(steps)


@pytest.mark.parametrize(
    ("tree", "tokens", "depth"),
    [
        ({"f:spec": {"f:replicas": {}}}, ("spec", "replicas"), 2),
        ({"f:spec": {"f:replicas": {}}}, ("spec",), 1),
        ({"f:spec": {"f:replicas": {}}}, ("spec", "args"), 0),
        ({"f:spec": {"f:selector": {}}}, ("spec", "selector", "app"), 2),
        ({"f:spec": {"f:selector": {".": {}}}}, ("spec", "selector"), 2),
        ({"f:spec": {"f:selector": {".": {}}}}, ("spec", "selector", "app"), 0),
        ({"f:metadata": {"f:annotations": {"f:example.org/a": {}}}}, ("metadata", "annotations", "example.org/a"), 3),
        ({"f:metadata": {"f:finalizers": {".": {}, 'v:"other"': {}}}}, ("metadata", "finalizers", "1"), 3),
        ({"f:metadata": {"f:finalizers": {".": {}, 'v:"other"': {}}}}, ("metadata", "finalizers", "0"), 0),
        ({"f:spec": {"f:containers": {"k:{": {}}}}, ("spec", "containers", "0"), 0),
        ({"f:spec": {"f:containers": {"k:[]": {}}}}, ("spec", "containers", "0"), 0),
        ({"f:spec": {"f:args": {"i:1": {}}}}, ("spec", "args", "1"), 3),
        ({"f:spec": {"f:args": {}}}, ("spec", "args", "1"), 2),
        (
            {"f:spec": {"f:containers": {'k:{"name":"web"}': {".": {}, "f:image": {}}}}},
            ("spec", "containers", "1", "image"),
            4,
        ),
        ({"f:spec": {"f:containers": {'k:{"name":"web"}': {"f:image": {}}}}}, ("spec", "containers", "0", "image"), 0),
        (
            {
                "f:spec": {
                    "f:containers": {
                        ".": {},
                        'k:{"name":"web"}': {"f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {}}},
                    }
                }
            },
            ("spec", "containers", "1", "ports", "0", "containerPort"),
            5,
        ),
    ],
)
def test_how_exactly_a_place_is_owned(tree: Any, tokens: tuple[str, ...], depth: int) -> None:
    (owner,) = read_entries([entry(tree)])
    assert owner.depth(place(*tokens)) == depth


def test_owned_paths() -> None:
    tree = {
        "f:metadata": {"f:finalizers": {'v:"keep"': {}}},
        "f:spec": {
            "f:replicas": {},
            "f:gone": {},
            "f:containers": {'k:{"name":"web"}': {".": {}, "f:image": {}}, 'k:{"name":"gone"}': {"f:image": {}}},
        },
    }
    entries = read_entries([entry(tree), entry({"f:spec": {"f:selector": {}}}, manager="other")])
    paths = {("metadata", "finalizers", "0"), ("spec", "replicas"), ("spec", "containers", "1", "image")}
    assert set(owned_paths(entries, {"m"}, LIVE)) == paths
    assert set(owned_paths(entries, {"other", "nobody"}, LIVE)) == {("spec", "selector")}


def test_entries_of_another_form_are_passed_over() -> None:
    good = entry({"f:spec": {}}, time=None, subresource=7)
    found = read_entries([None, 3, {}, {"manager": 1, "fieldsV1": {"f:a": {}}}, entry({}), entry([]), good])
    assert [(e.manager, e.time, e.subresource) for e in found] == [("m", "", "")]
    assert read_entries(None) == read_entries({"a": 1}) == read_entries("x") == []


TREES: st.SearchStrategy[Any] = st.recursive(
    st.just({}) | json_values(3),
    lambda inner: st.dictionaries(
        st.sampled_from(
            ["f:spec", "f:containers", "f:a", ".", 'k:{"name":"web"}', "k:{", "k:[]", 'v:"x"', "v:", "i:0", "i:", "x"]
        ),
        inner,
        max_size=3,
    ),
)


@given(TREES, json_values())
def test_any_tree_is_borne(tree: Any, obj: Any) -> None:
    for found in read_entries([entry(tree)]):
        for tokens in [("spec",), ("spec", "containers", "1", "image"), ("spec", "args", "0")]:
            assert 0 <= found.depth(place(*tokens)) <= len(tokens)
        for path in owned_paths([found], {"m"}, obj):
            assert path


def test_a_deep_tree_is_borne() -> None:
    tree: Any = {}
    obj: Any = 1
    for _ in range(3000):
        tree, obj = {"f:a": tree}, {"a": obj}
    assert list(owned_paths(read_entries([entry(tree)]), {"m"}, obj)) == []


def test_long_lists_take_no_long_time() -> None:
    items = [{"name": f"n{i}", "value": i} for i in range(20_000)]
    tree: dict[str, Any] = {"f:items": {f'k:{{"name":"n{i}"}}': {"f:value": {}} for i in range(20_000)}}
    started = time.process_time()
    assert len(list(owned_paths(read_entries([entry(tree)]), {"m"}, {"items": items}))) == 20_000
    assert time.process_time() - started < 2
