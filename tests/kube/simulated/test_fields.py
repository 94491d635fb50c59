"""Sets of fields obey the laws of sets, however they are nested."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.kube.simulated.fields import (
    SELF,
    BadElement,
    FieldSet,
    difference,
    element_key,
    intersection,
    paths,
    union,
    whole,
)
from agent.kube.simulated.schema import OPEN, SCALAR, Node, Shape, keyed


def members(fields: FieldSet, prefix: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """The plain set of paths that a field set stands for."""
    result: set[tuple[str, ...]] = set()
    for key, under in fields.items():
        if key == SELF:
            result.add(prefix)
            continue
        if not under:
            result.add((*prefix, key))
        result |= members(under, (*prefix, key))
    return result


def tree(paths_: set[tuple[str, ...]]) -> FieldSet:
    """The field set of plain paths."""
    result: FieldSet = {}
    for path in sorted(paths_):
        place = result
        for key in path:
            place = place.setdefault(key, {})
        place[SELF] = {}
    return _leaves(result)


def _leaves(fields: FieldSet) -> FieldSet:
    if fields.keys() == {SELF}:
        return {}
    return {key: under if key == SELF else _leaves(under) for key, under in fields.items()}


keys = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"y"'])
sets = st.sets(st.lists(keys, min_size=1, max_size=4).map(tuple), max_size=8)


@given(sets)
def test_the_two_spellings_agree(paths_: set[tuple[str, ...]]) -> None:
    assert members(tree(paths_)) == paths_


@given(sets, sets)
def test_union(left: set[tuple[str, ...]], right: set[tuple[str, ...]]) -> None:
    assert members(union(tree(left), tree(right))) == left | right


@given(sets, sets)
def test_difference(left: set[tuple[str, ...]], right: set[tuple[str, ...]]) -> None:
    assert difference(tree(left), tree(right)) == tree(left - right)


@given(sets, sets)
def test_intersection(left: set[tuple[str, ...]], right: set[tuple[str, ...]]) -> None:
    assert intersection(tree(left), tree(right)) == tree(left & right)


@given(sets, sets)
def test_nothing_is_changed_in_place(left: set[tuple[str, ...]], right: set[tuple[str, ...]]) -> None:
    ours, theirs = tree(left), tree(right)
    union(ours, theirs)
    difference(ours, theirs)
    intersection(ours, theirs)
    assert (ours, theirs) == (tree(left), tree(right))


def test_paths_read_as_the_servers_do() -> None:
    fields = {
        "f:spec": {
            "f:replicas": {},
            "f:containers": {'k:{"name":"a"}': {SELF: {}, "f:image": {}}},
            "f:finalizers": {'v:"x"': {}},
        }
    }
    assert list(paths(fields)) == [
        ".spec.replicas",
        '.spec.containers[name="a"]',
        '.spec.containers[name="a"].image',
        '.spec.finalizers[="x"]',
    ]


def test_whole_marks_containers_only_when_asked() -> None:
    value = {"a": {"b": 1}, "empty": {}, "list": [1, 2]}
    assert whole(value, OPEN) == {"f:a": {"f:b": {}}, "f:empty": {}, "f:list": {}}
    assert whole(value, OPEN, mark=True) == {SELF: {}, "f:a": {SELF: {}, "f:b": {}}, "f:empty": {}, "f:list": {}}


PORTS = keyed(OPEN, {"containerPort": None, "protocol": "TCP"})


def test_elements_are_named_by_their_keys() -> None:
    assert element_key({"containerPort": 80, "name": "web"}, PORTS) == 'k:{"containerPort":80,"protocol":"TCP"}'
    assert element_key("x", Node(Shape.SET, element=SCALAR)) == 'v:"x"'
    assert element_key({"name": 'quo"te'}, keyed(OPEN, {"name": None})) == 'k:{"name":"quo\\"te"}'


def test_an_element_without_its_key_is_refused() -> None:
    with pytest.raises(BadElement, match="name"):
        element_key({"image": "x"}, keyed(OPEN, {"name": None}))
    with pytest.raises(BadElement):
        element_key({}, keyed(OPEN, {"a": None, "b": None}))
