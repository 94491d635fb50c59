"""What the settings of Argo CD (`data` of the ConfigMap argocd-cm) say about kinds of resources.

There are two forms: one key for each, `resource.customizations.health.<group>_<kind>`, and the older single key
`resource.customizations`, a YAML map of "<group>/<kind>", which may hold `*`. Of a kind in both the first counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import translate
from typing import Any, Final, Generic, TypeVar

from agent.engine.resource import GroupKind

PREFIX: Final = "resource.customizations"
ReadYaml = Callable[[str], Any]
"""Reads a text of YAML; raises an error of its own that names the place."""


T = TypeVar("T")


class CustomizationError(Exception):
    """A setting cannot be read; the message names its key."""


@dataclass(frozen=True, slots=True)
class Patterns(Generic[T]):
    """Something by kind. What names a kind exactly counts before a pattern that covers it."""

    exact: Mapping[GroupKind, T]
    covering: tuple[tuple[re.Pattern[str], T], ...] = ()
    """Over "<group>/<kind>", the more exact ones first."""

    def find(self, group: str, kind: str) -> T | None:
        found = self.exact.get(GroupKind(group, kind))
        if found is None and self.covering:
            name = f"{group}/{kind}"
            found = next((value for pattern, value in self.covering if pattern.fullmatch(name)), None)
        return found


def patterns(given: Iterable[tuple[GroupKind, T]]) -> Patterns[T]:
    """Gather what is said of kinds, whose group and kind may hold `*`. The last for a kind counts."""
    exact: dict[GroupKind, T] = {}
    covering: dict[str, T] = {}
    for (group, kind), value in given:
        if "*" in group or "*" in kind:
            covering[f"{group}/{kind}"] = value
        else:
            exact[GroupKind(group, kind)] = value
    ordered = sorted(covering.items(), key=lambda item: (-len(item[0].replace("*", "")), item[0]))
    return Patterns(exact, tuple((_compiled(text), value) for text, value in ordered))


def _compiled(text: str) -> re.Pattern[str]:
    """Compile a pattern in which only `*` means something."""
    return re.compile(translate(re.sub(r"[?\[]", r"[\g<0>]", re.sub(r"\*+", "*", text))))


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


def opened_kinds(data: Mapping[str, str]) -> frozenset[GroupKind]:
    """Return the kinds whose scripts may use more libraries: `resource.customizations.useOpenLibs.<group>_<kind>`."""
    return frozenset(kind for kind, value in by_kind(data, "useOpenLibs") if value.strip().lower() == "true")
