"""Actions that the settings give a kind: `resource.customizations.actions.<group>_<kind>`, and the single older key.

discovery.lua: |
  return {restart = {disabled = false}}
definitions:
- name: restart
  action.lua: |
    obj.spec.restart = true
    return obj
mergeBuiltinActions: true
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from agent.engine.customizations import (
    PREFIX,
    CustomizationError,
    Patterns,
    ReadYaml,
    by_kind,
    in_one_map,
    opened_kinds,
    patterns,
)
from agent.engine.lua import Script
from agent.engine.resource import GroupKind

_KNOWN: Final = frozenset({"discovery.lua", "definitions", "mergeBuiltinActions"})


@dataclass(frozen=True, slots=True)
class KindActions:
    """What the settings say about the actions of one kind."""

    discovery: Script | None
    definitions: Mapping[str, Script]
    merge: bool
    """Whether the built-in actions stay beside them."""


CustomActions = Patterns[KindActions]
NO_CUSTOM_ACTIONS: Final[CustomActions] = patterns([])


def custom_actions(data: Mapping[str, str], read_yaml: ReadYaml) -> CustomActions:
    """Read the actions of all kinds. Raises CustomizationError, and what `read_yaml` raises."""
    return patterns(_read_all(data, read_yaml))


def _read_all(data: Mapping[str, str], read_yaml: ReadYaml) -> Iterator[tuple[GroupKind, KindActions]]:
    for kind, settings in in_one_map(data, read_yaml):
        if (actions := settings.get("actions")) is not None:
            # A map inside the map, or its text.
            held = read_yaml(actions) if isinstance(actions, str) else actions
            open_libs = settings.get("health.lua.useOpenLibs") is True
            yield kind, _read(held, f"{PREFIX}: actions of {kind.group}/{kind.kind}", open_libs)
    opened = opened_kinds(data)
    for kind, text in by_kind(data, "actions"):
        name = f"{kind.group}_{kind.kind}" if kind.group else kind.kind
        yield kind, _read(read_yaml(text), f"{PREFIX}.actions.{name}", kind in opened)


def _read(held: Any, where: str, open_libs: bool) -> KindActions:
    if not isinstance(held, dict):
        raise CustomizationError(f"{where}: it is no map")
    if unknown := sorted(set(held) - _KNOWN):
        raise CustomizationError(f"{where}: {', '.join(unknown)} is not known; there are {', '.join(sorted(_KNOWN))}")
    merge, listed = held.get("mergeBuiltinActions") or False, held.get("definitions") or []
    if not isinstance(merge, bool):
        raise CustomizationError(f"{where}: mergeBuiltinActions is not true or false")
    if not isinstance(listed, list):
        raise CustomizationError(f"{where}: definitions is no list")
    definitions = dict(_definition(item, f"{where}: definitions[{i}]", open_libs) for i, item in enumerate(listed))
    discovery = held.get("discovery.lua")
    if discovery is None:
        return KindActions(None, definitions, merge)
    return KindActions(Script(_text(discovery, f"{where}: discovery.lua"), open_libs), definitions, merge)


def _definition(item: Any, where: str, open_libs: bool) -> tuple[str, Script]:
    if not isinstance(item, dict):
        raise CustomizationError(f"{where} is no map")
    name = _text(item.get("name"), f"{where}: name")
    return name, Script(_text(item.get("action.lua"), f"{where}: action.lua"), open_libs)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise CustomizationError(f"{where} is no text")
    return value
