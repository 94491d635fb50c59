"""The actions of one object: those the settings give its kind, and those that are built in."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Final

from agent.engine.actions import operators, scripts, workloads
from agent.engine.actions.model import Action, ActionError, BuiltIn, Change, Moment
from agent.engine.actions.settings import NO_CUSTOM_ACTIONS, CustomActions
from agent.engine.resource import GroupKind, Object, split_api_version

BUILT_IN: Final[dict[GroupKind, dict[str, BuiltIn]]] = {**operators.ACTIONS, **workloads.ACTIONS}


def discover(obj: Object, custom: CustomActions = NO_CUSTOM_ACTIONS) -> list[Action]:
    """Return the actions of a live object, by name. Raises ActionError when a discovery script fails."""
    kind = _kind_of(obj)
    settings = custom.find(*kind)
    found: dict[str, Action] = {}
    if settings is not None and settings.discovery is not None:
        found = {action.name: action for action in scripts.discover(settings.discovery, obj)}
    if settings is None or settings.discovery is None or settings.merge:
        found = {name: action.action(name, obj) for name, action in BUILT_IN.get(kind, {}).items()} | found
    return [found[name] for name in sorted(found)]


def run(
    obj: Object, name: str, params: Mapping[str, str], moment: Moment, custom: CustomActions = NO_CUSTOM_ACTIONS
) -> list[Change]:
    """Return what an action changes. `obj` stays as it is.

    Raises ActionError when there is no such action, when it is disabled for this object, or fails.
    """
    actions = {action.name: action for action in discover(obj, custom)}
    action = actions.get(name)
    kind = _kind_of(obj)
    if action is None:
        there = f"there are {', '.join(actions)}" if actions else "it has none"
        raise ActionError(f"a {kind.kind} has no action {name!r}: {there}")
    if action.disabled:
        raise ActionError(f"the action {name!r} makes no sense on this {kind.kind} as it stands")
    given = {p.name: p.default or p.value for p in action.params if p.default or p.value} | dict(params)
    if unknown := sorted(set(params) - {p.name for p in action.params}):
        raise ActionError(f"the action {name!r} has no parameter {', '.join(map(repr, unknown))}")
    settings = custom.find(*kind)
    if settings is not None and name in settings.definitions:
        return scripts.run(settings.definitions[name], obj, given)
    built_in = BUILT_IN.get(kind, {}).get(name)
    if built_in is None:
        raise ActionError(f"the action {name!r} is listed and not defined")
    return built_in.run(copy.deepcopy(obj), given, moment)


def _kind_of(obj: Object) -> GroupKind:
    api_version, kind = obj.get("apiVersion"), obj.get("kind")
    if not isinstance(api_version, str) or not isinstance(kind, str):
        raise ActionError("the object does not say what it is: it has no apiVersion or kind")
    return GroupKind(split_api_version(api_version)[0], kind)
