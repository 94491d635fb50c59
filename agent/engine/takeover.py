"""Taking the place of another tool that applied an object before, in the account of who manages which field.

Server-side apply removes a field that its applier has no more, unless somebody else manages it too. A tool that this
agent takes the place of would go on to be that somebody for ever, and what Git has no more would stay. So when an
object is taken over, what such a tool had applied is put down to this agent, once.
"""

from __future__ import annotations

from typing import Any, Final

from agent.engine.resource import FIELD_MANAGER, Object

PREDECESSORS: Final = frozenset(
    {
        "argocd-application-controller",
        "argocd-controller",
        "before-first-apply",
        "helm",
        "helm-controller",
        "kubectl-client-side-apply",
        "kustomize-controller",
    }
)
"""Managers that apply whole manifests from where Git is the truth now. People and controllers are none."""


def take_over(obj: Object) -> Object | None:
    """Return the object with what predecessors applied put down to this agent; None where nothing is to be taken over.

    Only an object that this agent has never applied is taken over. Nothing is changed in place.
    """
    metadata = obj["metadata"]
    entries = [entry for entry in metadata.get("managedFields") or () if isinstance(entry, dict)]
    if any(entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply" for entry in entries):
        return None
    taken = [entry for entry in entries if _is_predecessor(entry)]
    # Trees of different versions of a kind cannot be joined: a field may be called something else in the other.
    taken = [entry for entry in taken if entry.get("apiVersion") == taken[0].get("apiVersion")]
    if not taken:
        return None
    tree: dict[str, Any] = {}
    for entry in taken:
        tree = union(tree, entry["fieldsV1"])
    mine = {**taken[0], "manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": tree}
    rest = [entry for entry in entries if entry not in taken]
    return {**obj, "metadata": {**metadata, "managedFields": [mine, *rest]}}


def _is_predecessor(entry: dict[str, Any]) -> bool:
    tree = entry.get("fieldsV1")
    return (
        entry.get("manager") in PREDECESSORS
        and not entry.get("subresource")
        and entry.get("fieldsType") == "FieldsV1"
        and isinstance(tree, dict)
        and bool(tree)
    )


def union(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of either `fieldsV1` tree. An empty tree is its place itself, which "." says beside others."""
    result = dict(one)
    for name, below in other.items():
        before = result.get(name)
        if before is None:
            result[name] = below
        elif before != below:
            result[name] = union(_opened(before), _opened(below))
    return result


def _opened(tree: dict[str, Any]) -> dict[str, Any]:
    return tree or {".": {}}
