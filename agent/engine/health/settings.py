"""The health checks of the settings: `resource.customizations.health.<group>_<kind>`, and the single older key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agent.engine.customizations import (
    PREFIX,
    CustomizationError,
    ReadYaml,
    by_kind,
    in_one_map,
    opened_kinds,
    patterns,
)
from agent.engine.health.overrides import Judge, Overrides, from_text
from agent.engine.resource import GroupKind


def health_overrides(data: Mapping[str, str], read_yaml: ReadYaml) -> Overrides:
    """Return the health checks of the settings. Raises CustomizationError, and what `read_yaml` raises."""
    return patterns([*_from_map(data, read_yaml), *_from_keys(data)])


def _from_map(data: Mapping[str, str], read_yaml: ReadYaml) -> Iterator[tuple[GroupKind, Judge]]:
    for kind, settings in in_one_map(data, read_yaml):
        script = settings.get("health.lua")
        if isinstance(script, str):
            yield kind, from_text(script, open_libs=settings.get("health.lua.useOpenLibs") is True)
        elif script is not None:
            raise CustomizationError(f"{PREFIX}: health.lua of {kind.group}/{kind.kind} is no text")


def _from_keys(data: Mapping[str, str]) -> Iterator[tuple[GroupKind, Judge]]:
    opened = opened_kinds(data)
    for kind, script in by_kind(data, "health"):
        yield kind, from_text(script, open_libs=kind in opened)
