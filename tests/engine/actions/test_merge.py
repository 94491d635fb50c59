"""The patch of an action: it makes of the object what the action says, and names nothing else."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given

from agent.engine.actions import ActionError
from agent.engine.actions.merge import merge_patch
from agent.kube.simulated.merge import merge_patch as lay_over
from tests.engine.strategies import json_values


def obj(**more: Any) -> dict[str, Any]:
    metadata = {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "7", **more.pop("metadata", {})}
    return {"apiVersion": "v1", "kind": "Thing", "metadata": metadata, **more}


@pytest.mark.parametrize(
    ("before", "after", "patch"),
    [
        ({"spec": {"a": 1, "b": 2}}, {"spec": {"a": 1, "b": 3}}, {"spec": {"b": 3}}),
        ({"spec": {"a": 1}, "status": {"x": 1}}, {"spec": {"a": 1}}, {"status": None}),
        ({"spec": {"a": {"b": 1}}}, {"spec": {"a": {}}}, {"spec": {"a": {"b": None}}}),
        ({"spec": {}}, {"spec": {"a": {}}}, {"spec": {"a": {}}}),
        ({"spec": {"a": None}}, {"spec": {}}, {}),
        ({"spec": {}}, {"spec": {"a": None}}, {}),
        ({"spec": {"l": [1, 2]}}, {"spec": {"l": [1]}}, {"spec": {"l": [1]}}),
        ({"spec": {"l": [{"a": 1}]}}, {"spec": {"l": [{"a": True}]}}, {"spec": {"l": [{"a": True}]}}),
        ({"spec": {"a": 1}}, {"spec": {"a": True}}, {"spec": {"a": True}}),
        ({"spec": {"a": 1}}, {"spec": {"a": 1.0}}, {}),
        ({"metadata": {"labels": {"a": "b"}}}, {}, {"metadata": {"labels": None}}),
        ({"metadata": {"generation": 3}}, {"metadata": {"resourceVersion": "8"}}, {}),
    ],
)
def test_patches(before: dict[str, Any], after: dict[str, Any], patch: dict[str, Any]) -> None:
    assert merge_patch(obj(**before), obj(**after)) == patch


@pytest.mark.parametrize(
    "after",
    [
        obj(metadata={"name": "other"}),
        obj(metadata={"namespace": "elsewhere"}),
        obj(metadata={"uid": "v"}),
        {**obj(), "kind": "Other"},
        {**obj(), "apiVersion": "v2"},
        {"apiVersion": "v1", "kind": "Thing"},
    ],
)
def test_another_object_is_none(after: dict[str, Any]) -> None:
    with pytest.raises(ActionError, match="another object"):
        merge_patch(obj(), after)


def without_nulls(value: Any) -> Any:
    """A merge patch cannot write null into a map."""
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    return value


@given(json_values(), json_values())
def test_laid_over_what_was_it_is_what_is_to_be(was: Any, now: Any) -> None:
    before, after = without_nulls(obj(spec={"v": was})), without_nulls(obj(spec={"v": now}))
    patch = merge_patch(before, after)
    found = copy.deepcopy(before)
    lay_over(found, patch)
    assert found == after
    assert merge_patch(after, copy.deepcopy(after)) == {}
