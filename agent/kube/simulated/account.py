"""Who set what in a live object of which there is nothing but itself.

Its managedFields say it, but for what a client-side tool applied: by them such a tool owns the defaults as well, and
the annotation in which it keeps what it applied knows better. `kubectl get` leaves managedFields out, and then the
annotation is all there is.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from agent.engine.fields import MAX_DEPTH
from agent.engine.normalize import LAST_APPLIED, fold_string_data
from agent.engine.resource import FIELD_MANAGER, Object
from agent.engine.takeover import PREDECESSORS
from agent.kube.simulated.fields import BadElement, FieldSet, element_key, union
from agent.kube.simulated.kinds import Resource
from agent.kube.simulated.merge import DuplicateElement, index, merge
from agent.kube.simulated.schema import Node, Shape, child
from agent.kube.simulated.types import schemaless
from agent.kube.simulated.writes import configuration

_MANY_SHAPES: Final = "HorizontalPodAutoscaler"
"""The kind whose versions have other fields: an account in one says nothing of the other."""


class Account:
    """Who set what in a live object: what an apply may take away, and what it has to leave."""

    __slots__ = ("claims", "known", "last_applied", "mine")

    def __init__(self, live: Object, resource: Resource) -> None:
        entries = _entries(live)
        if resource.kind.kind == _MANY_SHAPES:
            entries = [entry for entry in entries if entry.get("apiVersion") == resource.kind.api_version]
        applied = [e for e in entries if e["manager"] == FIELD_MANAGER and e.get("operation") == "Apply"]
        wrote: list[Object] = []
        if not applied:
            # Only what this agent has never applied is it still to take over.
            applied = [e for e in entries if e["manager"] in PREDECESSORS and e.get("operation") == "Apply"]
            wrote = [e for e in entries if e["manager"] in PREDECESSORS and e.get("operation") != "Apply"]
        self.last_applied: Object = {} if applied else _last_applied(live) or {}
        self.known = bool(entries)
        """Whether there is any account of the object's managers."""
        self.mine: FieldSet = {}
        if self.last_applied:
            # A client-side tool owns, by managedFields, the defaults as well: the annotation is more exact.
            self.mine = _fields(self.last_applied, live, resource)
        else:
            for entry in (*applied, *wrote):
                self.mine = union(self.mine, entry["fieldsV1"])
        self.claims: FieldSet = {}
        for entry in entries:
            if entry not in applied and entry not in wrote:
                self.claims = union(self.claims, entry["fieldsV1"])


def _entries(live: Object) -> list[Object]:
    """Return the entries of managedFields that can be read, but for those of the status."""
    metadata = live.get("metadata")
    raw = metadata.get("managedFields") if isinstance(metadata, dict) else None
    return [
        entry
        for entry in (raw if isinstance(raw, list) else ())
        if isinstance(entry, dict)
        and isinstance(entry.get("manager"), str)
        and _is_set(entry.get("fieldsV1"))
        and entry.get("subresource") != "status"
    ]


def _is_set(fields: Any) -> bool:
    """Say whether a value is a set of fields: maps of maps, of a bounded depth."""
    level = [fields]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if type(item) is not dict:
                return False
            if item:
                below += item.values()
        if not below:
            return True
        level = below
    return False


def _last_applied(live: Object) -> Object | None:
    """Return the last applied configuration; None where there is none."""
    annotations = (live.get("metadata") or {}).get("annotations")
    text = annotations.get(LAST_APPLIED) if isinstance(annotations, dict) else None
    try:
        applied = orjson.loads(text) if isinstance(text, str) else None
    except orjson.JSONDecodeError:
        return None
    if not isinstance(applied, dict) or not isinstance(applied.get("metadata"), dict):
        return None
    if applied.get("kind") == "Secret":
        fold_string_data(applied)
    return applied


def _fields(applied: Object, live: Object, resource: Resource) -> FieldSet:
    patch = configuration(applied, resource)
    try:
        return _with_aliases(merge({}, _without_hollow(patch, live, resource.rules), resource.rules))
    except (DuplicateElement, BadElement):
        return merge({}, _without_hollow(patch, live, schemaless()), schemaless())


def _with_aliases(fields: FieldSet) -> FieldSet:
    """Return the fields with those that the server keeps under an older name as well."""
    result = {key: _with_aliases(under) if under else under for key, under in fields.items()}
    if "f:serviceAccountName" in result:
        result["f:serviceAccount"] = {}
    return result


def _without_hollow(applied: Any, live: Any, rules: Node) -> Any:
    """Return what was applied without the maps and lists that were empty then, and that others have filled since.

    kubectl always writes `annotations: {}`. To own that would be to own the annotations of everybody.
    """
    if type(applied) is dict and type(live) is dict:
        return {
            key: _without_hollow(value, live.get(key), child(rules, key))
            for key, value in applied.items()
            if value or type(value) not in (dict, list) or not live.get(key)
        }
    if type(applied) is list and type(live) is list and rules.shape is Shape.KEYED:
        theirs = index(live, rules)
        return [_without_hollow(item, theirs.get(element_key(item, rules)), rules.element) for item in applied]
    return applied
