"""Actions in Lua: what their scripts are given, and what is made of what they return."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.engine.actions.model import Action, ActionError, Change, Operation, Parameter
from agent.engine.lua import LuaError, Script
from agent.engine.resource import Object


def discover(script: Script, obj: Object) -> list[Action]:
    """Return the actions that a discovery script lists: a table by name. Raises ActionError."""
    found = _run(script, "the discovery script", obj=obj)
    if found == []:
        return []
    if not isinstance(found, dict):
        raise ActionError("the discovery script returned no table of actions by their names")
    return [_action(name, said) for name, said in found.items()]


def run(script: Script, obj: Object, params: Mapping[str, str]) -> list[Change]:
    """Return what an action's script changes: the object it returns, or a list of operations. Raises ActionError."""
    returned = _run(script, "the action script", obj=obj, actionParams=dict(params))
    if isinstance(returned, dict):
        return [Change(Operation.PATCH, _restored(returned, obj))]
    if not isinstance(returned, list):
        raise ActionError("the action script returned neither the object nor a list of operations")
    return [_change(item, obj) for item in returned]


def _run(script: Script, what: str, **given: Any) -> Any:
    try:
        return script.run(**given)
    except LuaError as error:
        raise ActionError(f"{what} failed: {error}") from None


def _action(name: str, said: Any) -> Action:
    if said == []:
        said = {}
    if not isinstance(said, dict):
        raise ActionError(f"the discovery script says nothing that can be read about {name!r}")
    listed = said.get("params") or []
    params = tuple(_parameter(name, item) for item in (listed if isinstance(listed, list) else [listed]))
    display, icon = (_text(said.get(field)) for field in ("displayName", "iconClass"))
    return Action(name, said.get("disabled") is True, display, icon, params)


def _parameter(action: str, item: Any) -> Parameter:
    if not isinstance(item, dict) or not _text(item.get("name")):
        raise ActionError(f"the discovery script gives {action!r} a parameter without a name")
    return Parameter(*(_text(item.get(field)) for field in ("name", "value", "type", "default")))


def _text(value: Any) -> str:
    return "" if value is None or isinstance(value, dict | list) else str(value)


def _change(item: Any, obj: Object) -> Change:
    resource = item.get("resource") if isinstance(item, dict) else None
    if not isinstance(resource, dict):
        raise ActionError("the action script returned an operation without a resource")
    try:
        operation = Operation(item.get("operation"))
    except ValueError:
        raise ActionError(
            f"the action script returned the operation {item.get('operation')!r}; there are create and patch"
        ) from None
    if operation is Operation.PATCH:
        return Change(operation, _restored(resource, obj))
    return Change(operation, _with_maps(resource, _empty_maps(obj)))


def _restored(new: Any, old: Any) -> Any:
    """Give back what Lua cannot hold: empty maps (which come back as lists), large numbers, and null."""
    if isinstance(old, dict):
        if new == []:
            return {}
        if isinstance(new, dict):
            kept = {name: None for name, value in old.items() if value is None and name not in new}
            return {name: _restored(value, old.get(name)) for name, value in new.items()} | kept
    if isinstance(old, list) and isinstance(new, list):
        known = [*old, *([None] * (len(new) - len(old)))]
        return [_restored(value, before) for value, before in zip(new, known, strict=False)]
    if isinstance(old, int) and not isinstance(old, bool) and new == float(old):
        return old
    return new


def _empty_maps(value: Any) -> set[str]:
    """Return the names of the fields that are empty maps in an object, as `emptyDir: {}`."""
    if isinstance(value, list):
        return set().union(*map(_empty_maps, value)) if value else set()
    if not isinstance(value, dict):
        return set()
    return {name for name, item in value.items() if item == {}}.union(*map(_empty_maps, value.values()))


def _with_maps(value: Any, names: set[str]) -> Any:
    """Make empty maps again of the fields so called, in an object made from parts of another."""
    if isinstance(value, list):
        return [_with_maps(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: {} if item == [] and name in names else _with_maps(item, names) for name, item in value.items()}
