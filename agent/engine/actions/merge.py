"""What of a live object an action changes, as a JSON merge patch (RFC 7386): nothing else is written, nor owned.

A merge patch knows no null but to remove with, and replaces lists whole.
"""

from __future__ import annotations

from typing import Any, Final

from agent.engine.actions.model import ActionError
from agent.engine.resource import Object

_IDENTITY: Final = ("name", "namespace", "uid")
_EDITABLE: Final = ("annotations", "finalizers", "labels", "ownerReferences")
"""Of the metadata. The rest is the API server's, which takes no word about it."""


def merge_patch(before: Object, after: Object) -> Object:
    """Return the patch that makes one live object into another; an empty one where they are the same.

    Raises ActionError when they are not one object.
    """
    was, now = before["metadata"], after.get("metadata")
    same = isinstance(now, dict) and all(now.get(name) == was.get(name) for name in _IDENTITY)
    if not same or any(after.get(name) != before.get(name) for name in ("apiVersion", "kind")):
        raise ActionError("it returned another object to be patched: only the one it is run on can be")
    return _difference(_editable(before), _editable(after))


def _editable(obj: Object) -> Object:
    metadata = {name: value for name, value in obj["metadata"].items() if name in _EDITABLE}
    return {**obj, "metadata": metadata}


def _difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    patch: dict[str, Any] = {name: None for name, value in before.items() if value is not None and name not in after}
    for name, value in after.items():
        was = before.get(name)
        if isinstance(was, dict) and isinstance(value, dict):
            if nested := _difference(was, value):
                patch[name] = nested
        elif _differs(was, value) or (value is not None and name not in before):
            patch[name] = value
    return patch


def _differs(before: Any, after: Any) -> bool:
    """Tell true from 1, which Python takes for the same."""
    if isinstance(before, list) and isinstance(after, list):
        return len(before) != len(after) or any(map(_differs, before, after))
    if isinstance(before, dict) and isinstance(after, dict):
        return before.keys() != after.keys() or any(_differs(value, after[name]) for name, value in before.items())
    return isinstance(before, bool) != isinstance(after, bool) or bool(before != after)
