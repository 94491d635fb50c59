from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.fields import ABSENT, MAX_DEPTH, PathTree, child, format_pointer, lookup, parse_pointer
from tests.engine.strategies import json_values

PATHS = st.lists(st.text(max_size=3), min_size=1, max_size=5).map(tuple)


@given(PATHS)
def test_pointers_are_read_as_written(path: tuple[str, ...]) -> None:
    assert parse_pointer(format_pointer(path)) == path


@pytest.mark.parametrize(
    ("pointer", "path"),
    [("/a/b", ("a", "b")), ("/a~1b/~0", ("a/b", "~")), ("/~01", ("~1",)), ("/", ("",)), ("/a/", ("a", ""))],
)
def test_escapes(pointer: str, path: tuple[str, ...]) -> None:
    assert parse_pointer(pointer) == path
    assert format_pointer(path) == pointer


@pytest.mark.parametrize("pointer", ["", "a/b", "spec", "/a~", "/a~2b", "/a" * (MAX_DEPTH + 1)])
def test_what_is_no_pointer_is_refused(pointer: str) -> None:
    with pytest.raises(ValueError, match=r"JSON pointer|deep|~"):
        parse_pointer(pointer)


@pytest.mark.parametrize(
    ("value", "token", "expected"),
    [
        ({"a": None}, "a", None),
        ({"a": 1}, "b", ABSENT),
        ([7, 8], "1", 8),
        ([7, 8], "2", ABSENT),
        ([7, 8], "-1", ABSENT),
        ([7, 8], "-", ABSENT),
        ([7, 8], "²", ABSENT),
        ([7, 8], "9" * 5000, ABSENT),
        ("text", "0", ABSENT),
        (None, "a", ABSENT),
    ],
)
def test_child(value: Any, token: str, expected: Any) -> None:
    assert child(value, token) == expected


def test_lookup() -> None:
    obj = {"spec": {"containers": [{"name": "web"}]}}
    assert lookup(obj, ("spec", "containers", "0", "name")) == "web"
    assert lookup(obj, ("spec", "containers", "1", "name")) is ABSENT
    assert lookup(obj, ()) is obj


class TestPathTree:
    def test_covers_all_below_its_paths(self) -> None:
        tree = PathTree([("a", "b")])
        assert not tree.child("a").whole
        assert tree.child("a").child("b").whole
        assert tree.child("a").child("b").child("c").child("d").whole
        assert not tree.child("x")
        assert tree and not PathTree()

    def test_keeps_outermost_paths(self) -> None:
        assert list(PathTree([("a", "b"), ("a",), ("c", "2"), ("c", "1")]).paths()) == [("a",), ("c", "1"), ("c", "2")]

    def test_leaves_out_what_is_too_deep(self) -> None:
        assert not PathTree([("a",) * (MAX_DEPTH + 1)])

    def test_prunes(self) -> None:
        value = {"a": {"b": 1}, "list": [{"x": 1, "y": 2}, {"x": 3}], "kept": {}}
        tree = PathTree([("a", "b"), ("list", "0", "x"), ("list", "1", "x"), ("no", "such"), ("kept", "z")])
        assert tree.prune(value) == {"list": [{"y": 2}], "kept": {}}
        assert value["a"] == {"b": 1}, "the value itself is not changed"
        assert PathTree([("a",)]).prune({"a": 1}) is ABSENT

    @given(json_values(), st.lists(PATHS, max_size=4))
    def test_nothing_is_left_at_its_paths(self, value: Any, paths: list[tuple[str, ...]]) -> None:
        dicts_only = PathTree(p for p in paths if _through_maps(value, p))
        left = dicts_only.prune(value)
        for path in dicts_only.paths():
            assert lookup(left, path) is ABSENT

    @given(json_values())
    def test_the_empty_tree_changes_nothing(self, value: Any) -> None:
        assert PathTree().prune(value) is value


def _through_maps(value: Any, path: tuple[str, ...]) -> bool:
    return all(not isinstance(lookup(value, path[:i]), list) for i in range(len(path)))
