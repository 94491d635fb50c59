"""What the settings of Argo CD (`data` of the ConfigMap argocd-cm) say about kinds of resources.

There are two forms: one key for each, `resource.customizations.health.<group>_<kind>`, and the older single key
`resource.customizations`, a YAML map of "<group>/<kind>", which may hold `*`. Of a kind in both the first counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from agent.engine.health.overrides import Judge, Overrides, from_text, overrides
from agent.engine.resource import GroupKind

PREFIX: Final = "resource.customizations"
ReadYaml = Callable[[str], Any]
"""Reads a text of YAML; raises an error of its own that names the place."""


class CustomizationError(Exception):
    """A setting cannot be read; the message names its key."""


def health_overrides(data: Mapping[str, str], read_yaml: ReadYaml) -> Overrides:
    """Return the health checks of the settings. Raises CustomizationError, and what `read_yaml` raises."""
    checks = [*_from_map(data, read_yaml), *_from_keys(data)]
    return overrides(checks)


def split_kind(text: str) -> GroupKind:
    """Read "argoproj.io_Rollout", "*.crossplane.io/*", or "Pod", which is in the core group. Raises ValueError."""
    group, _, kind = text.replace("/", "_").rpartition("_")
    if not kind or "_" in group:
        raise ValueError(f"{text!r} is not <group>_<kind>")
    return GroupKind(group, kind)


def by_kind(data: Mapping[str, str], sort: str) -> Iterator[tuple[GroupKind, str]]:
    """Yield what the keys `resource.customizations.<sort>.<group>_<kind>` hold. Raises CustomizationError."""
    start = f"{PREFIX}.{sort}."
    for key in sorted(data):
        if key.startswith(start):
            try:
                yield split_kind(key.removeprefix(start)), data[key]
            except ValueError as error:
                raise CustomizationError(f"{key}: {error}") from None


def in_one_map(data: Mapping[str, str], read_yaml: ReadYaml) -> Iterator[tuple[GroupKind, dict[str, Any]]]:
    """Yield what the single key `resource.customizations` holds, kind by kind. Raises CustomizationError."""
    held = read_yaml(data[PREFIX]) if data.get(PREFIX) else None
    if held is None:
        return
    if not isinstance(held, dict):
        raise CustomizationError(f"{PREFIX}: it is no map of <group>/<kind>")
    for name, settings in held.items():
        if not isinstance(settings, dict):
            raise CustomizationError(f"{PREFIX}: {name} is no map")
        try:
            yield split_kind(name), settings
        except ValueError as error:
            raise CustomizationError(f"{PREFIX}: {error}") from None


def _from_map(data: Mapping[str, str], read_yaml: ReadYaml) -> Iterator[tuple[GroupKind, Judge]]:
    for kind, settings in in_one_map(data, read_yaml):
        script = settings.get("health.lua")
        if isinstance(script, str):
            yield kind, from_text(script, open_libs=settings.get("health.lua.useOpenLibs") is True)
        elif script is not None:
            raise CustomizationError(f"{PREFIX}: health.lua of {kind.group}/{kind.kind} is no text")


def _from_keys(data: Mapping[str, str]) -> Iterator[tuple[GroupKind, Judge]]:
    opened = {kind for kind, value in by_kind(data, "useOpenLibs") if value.strip().lower() == "true"}
    for kind, script in by_kind(data, "health"):
        yield kind, from_text(script, open_libs=kind in opened)
