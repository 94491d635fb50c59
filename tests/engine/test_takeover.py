"""Taking over from another tool: what it had applied is this agent's, what others manage stays theirs."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agent.engine.resource import FIELD_MANAGER
from agent.engine.takeover import take_over, union

trees: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.just({}), lambda below: st.dictionaries(st.sampled_from(["f:a", "f:b", "f:c", "."]), below, max_size=3)
)


def entry(manager: str, tree: dict[str, Any], operation: str = "Update", **more: str) -> dict[str, Any]:
    return {
        "manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": tree,
        "time": "2026-01-01T00:00:00Z", **more,
    }  # fmt: skip


def managed(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "managedFields": list(entries)}}


def owned(tree: dict[str, Any], path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """Return the places a tree names: those without anything below, and those that say "." of themselves."""
    if not tree:
        return {path}
    places = set()
    for name, below in tree.items():
        places |= {path} if name == "." else owned(below, (*path, name))
    return places


def test_what_predecessors_applied_is_joined_in_one_entry() -> None:
    obj = managed(
        entry("argocd-controller", {"f:data": {"f:a": {}}}),
        entry("kubectl-client-side-apply", {"f:data": {".": {}, "f:b": {}}}),
        entry("argocd-application-controller", {"f:data": {"f:b": {}}}),
        entry("somebody", {"f:data": {"f:c": {}}}),
        entry("argocd-controller", {"f:status": {}}, subresource="status"),
    )
    taken = take_over(obj)
    assert taken is not None
    first, *rest = taken["metadata"]["managedFields"]
    assert (first["manager"], first["operation"]) == (FIELD_MANAGER, "Apply")
    assert first["fieldsV1"] == {"f:data": {".": {}, "f:a": {}, "f:b": {}}}
    assert [(e["manager"], e.get("subresource")) for e in rest] == [
        ("somebody", None),
        ("argocd-controller", "status"),
    ]
    assert len(obj["metadata"]["managedFields"]) == 5, "nothing is changed in place"


def test_an_object_this_agent_applied_before_is_not_taken_over_again() -> None:
    mine = entry(FIELD_MANAGER, {"f:data": {}}, "Apply")
    assert take_over(managed(mine, entry("helm", {"f:data": {"f:a": {}}}))) is None


def test_people_and_controllers_are_no_predecessors() -> None:
    assert (
        take_over(managed(entry("kubectl-edit", {"f:data": {}}), entry("kube-controller-manager", {"f:x": {}}))) is None
    )
    assert take_over({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}) is None


def test_trees_of_another_version_are_left() -> None:
    other = {**entry("helm", {"f:spec": {"f:b": {}}}), "apiVersion": "v2"}
    taken = take_over(managed(entry("argocd-controller", {"f:spec": {"f:a": {}}}), other))
    assert taken is not None
    assert [(e["manager"], e["apiVersion"]) for e in taken["metadata"]["managedFields"]] == [
        (FIELD_MANAGER, "v1"),
        ("helm", "v2"),
    ]


@given(st.lists(st.one_of(st.none(), st.dictionaries(st.text(max_size=8), st.integers())), max_size=3))
def test_entries_of_another_form_are_passed_over(entries: list[Any]) -> None:
    obj = managed()
    obj["metadata"]["managedFields"] = entries
    assert take_over(obj) is None


@given(trees.filter(bool), trees.filter(bool))
def test_a_union_names_what_either_names(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert owned(union(one, other)) == owned(one) | owned(other) == owned(union(other, one))
