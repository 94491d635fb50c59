"""Reading and writing fields of objects that may hold anything, as the built-in actions do."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Final

from agent.engine.actions.model import ActionError, Change, Moment, Operation, Run
from agent.engine.resource import Object

RESTARTED_AT: Final = "kubectl.kubernetes.io/restartedAt"
_MAX_NAME: Final = 63


def at(obj: Any, *path: str) -> Any:
    """Return a field, None where it or the way to it is not there."""
    for name in path:
        obj = obj.get(name) if isinstance(obj, dict) else None
    return obj


def a_map(obj: Any, *path: str) -> dict[str, Any]:
    """Return a map, an empty one where there is none."""
    found = at(obj, *path)
    return found if isinstance(found, dict) else {}


def put(obj: Object, path: tuple[str, ...], value: Any) -> None:
    """Set a field, and make the way to it; None removes it. Raises ActionError where the way is no map."""
    for name in path[:-1]:
        if obj.get(name) is None:
            obj[name] = {}
        if not isinstance(obj[name], dict):
            raise ActionError(f"{'.'.join(path)} cannot be set: {name} is no map")
        obj = obj[name]
    if value is None:
        obj.pop(path[-1], None)
    else:
        obj[path[-1]] = value


def patch(obj: Object) -> list[Change]:
    return [Change(Operation.PATCH, obj)]


def setting(*path: str, to: Any) -> Run:
    """Make an action that sets one field; `to` may be a function of the moment."""

    def run(obj: Object, params: Mapping[str, str], moment: Moment) -> list[Change]:
        put(obj, path, to(moment) if callable(to) else to)
        return patch(obj)

    return run


def annotating(name: str, to: str | Callable[[Moment], str]) -> Run:
    return setting("metadata", "annotations", name, to=to)


def now(moment: Moment) -> str:
    return moment.text


def restarting_pods(*template: str) -> Run:
    """Make an action that has a workload replace its pods, as `kubectl rollout restart` does."""
    return setting(*template, "metadata", "annotations", RESTARTED_AT, to=now)


def scale(obj: Object, params: Mapping[str, str], moment: Moment) -> list[Change]:
    text = params.get("scale", "")
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise ActionError(f"the parameter scale is {text!r}; it has to be a number of replicas, 0 or more")
    put(obj, ("spec", "replicas"), int(text))
    return patch(obj)


def made_from(
    owner: Object, *, api_version: str, kind: str, spec: Any, labels: Any, annotations: Any, moment: Moment
) -> Object:
    """Make an object that belongs to its owner, and is named after it and the moment."""
    metadata = a_map(owner, "metadata")
    suffix = f"-{moment.suffix}"
    made: Object = {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": str(metadata.get("name", ""))[: _MAX_NAME - len(suffix)] + suffix},
        "spec": copy.deepcopy(spec),
    }
    for name, value in (("labels", labels), ("annotations", annotations), ("namespace", metadata.get("namespace"))):
        if value:
            made["metadata"][name] = copy.deepcopy(value)
    reference = {"apiVersion": owner.get("apiVersion"), "kind": owner.get("kind"), "name": metadata.get("name")}
    made["metadata"]["ownerReferences"] = [reference | {"uid": metadata.get("uid", ""), "controller": True}]
    return made
