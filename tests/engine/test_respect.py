from __future__ import annotations

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agent.engine.assignment import IgnoreDifference
from agent.engine.ignore import NO_IGNORES, ObjectIgnores, compile_ignores
from agent.engine.resource import FIELD_MANAGER, MANAGED_LABEL, TRACKING_ANNOTATION, ResourceKey
from agent.engine.respect import keep_ignored
from tests.engine.strategies import objects


def ignoring(*pointers: str, jq: tuple[str, ...] = ()) -> ObjectIgnores:
    entry = IgnoreDifference("*", "*", "", "", pointers, jq)
    return compile_ignores([entry]).for_object(ResourceKey("apps", "Deployment", "", "x"))


def obj(spec: Any, owners: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    managed = [{"manager": m, "time": "T", "fieldsV1": {"f:spec": tree}} for m, tree in (owners or {}).items()]
    return {"kind": "Deployment", "metadata": {"name": "x", "managedFields": managed, **metadata}, "spec": spec}


def kept(assigned: Any, live: Any, owners: dict[str, Any], *pointers: str, jq: tuple[str, ...] = ()) -> Any:
    return keep_ignored(obj(assigned), obj(live, owners), ignoring(*pointers, jq=jq)).get("spec")


REPLICAS: dict[str, Any] = {"f:replicas": {}}


def test_nothing_ignored_nothing_changed() -> None:
    manifest = obj({"replicas": 1})
    assert keep_ignored(manifest, obj({"replicas": 5}), NO_IGNORES) is manifest


def test_a_field_of_this_agent_alone_takes_the_live_value() -> None:
    assert kept({"replicas": 1, "x": 1}, {"replicas": 5, "x": 2}, {FIELD_MANAGER: REPLICAS}, "/spec/replicas") == {
        "replicas": 5,
        "x": 1,
    }
    assert kept({"replicas": 1}, {"replicas": 5}, {}, "/spec/replicas") == {"replicas": 5}


def test_a_field_that_somebody_else_owns_is_left_to_them() -> None:
    owners = {FIELD_MANAGER: REPLICAS, "hpa": REPLICAS}
    assert kept({"replicas": 1, "x": 1}, {"replicas": 5}, owners, "/spec/replicas") == {"x": 1}


def test_a_field_dropped_from_git_stays_while_this_agent_owns_it() -> None:
    assert kept({"x": 1}, {"replicas": 5}, {FIELD_MANAGER: REPLICAS}, "/spec/replicas") == {"x": 1, "replicas": 5}
    assert kept({"x": 1}, {"replicas": 5}, {"hpa": REPLICAS}, "/spec/replicas") == {"x": 1}


def test_a_field_that_is_not_live_is_left_out() -> None:
    assert kept({"a": 1, "b": {"c": 1, "d": 2}, "l": [1]}, {}, {}, "/spec/a", "/spec/b/c", "/spec/l") == {"b": {"d": 2}}


def test_items_are_found_by_name() -> None:
    assigned = {"c": [{"name": "web", "image": "1"}, {"name": "log", "image": "1"}]}
    live = {"c": [{"name": "proxy"}, {"name": "web", "image": "2"}, {"name": "log", "image": "2"}]}
    jq = ('.spec.c[] | select(.name == "web") | .image',)
    assert kept(assigned, live, {}, jq=jq) == {"c": [{"name": "web", "image": "2"}, {"name": "log", "image": "1"}]}
    assert assigned["c"][0]["image"] == "1"


def test_a_list_is_taken_whole() -> None:
    assert kept({"l": [1, 2]}, {"l": [3]}, {FIELD_MANAGER: {"f:l": {}}, "x": {"f:l": {}}}, "/spec/l") == {"l": [3]}


def test_members_of_a_map_are_settled_one_by_one() -> None:
    owners: dict[str, Any] = {FIELD_MANAGER: {"f:m": {"f:mine": {}}}, "x": {"f:m": {"f:theirs": {}}}}
    assert kept({"m": {"mine": 1}}, {"m": {"mine": 2, "theirs": 3}}, owners, "/spec/m") == {"m": {"mine": 2}}


def test_what_an_object_is_found_by_is_always_applied() -> None:
    metadata = {"labels": {MANAGED_LABEL: "true", "a": "1"}, "annotations": {TRACKING_ANNOTATION: "id"}}
    manifest = {"kind": "Deployment", "metadata": {"name": "x", **metadata}, "spec": {}}
    settled = keep_ignored(manifest, obj({}), ignoring("/metadata", "/kind", "/spec"))
    assert settled["kind"] == "Deployment"
    assert settled["metadata"] == {
        "name": "x",
        "labels": {MANAGED_LABEL: "true"},
        "annotations": {TRACKING_ANNOTATION: "id"},
    }


def test_depth_is_borne() -> None:
    one: Any = 1
    other: Any = 2
    for _ in range(3000):
        one, other = {"a": one}, {"a": other}
    keep_ignored(obj(one), obj(other), ignoring("/spec"))


@given(objects(), objects(), st.lists(st.sampled_from(["/spec", "/spec/a", "/spec/0", "/data/name"]), max_size=3))
def test_nothing_but_what_is_ignored_changes(
    manifest: dict[str, Any], live: dict[str, Any], pointers: list[str]
) -> None:
    before = copy.deepcopy((manifest, live))
    settled = keep_ignored(manifest, live, ignoring(*pointers))
    assert (manifest, live) == before
    assert settled["metadata"] == manifest["metadata"]
    if not pointers:
        assert settled is manifest
