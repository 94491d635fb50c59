"""Which kinds of resources are left alone: `resource.exclusions` and `resource.inclusions` of the system-wide settings.

Objects that the cluster makes by itself are no desired state. Where the settings say nothing of exclusions, the ones
below are in force, as in Argo CD; where they do, theirs take the place of these. Some are left alone whatever is set.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import translate
from typing import Any, Final

from agent.engine.customizations import ReadYaml
from agent.engine.resource import GroupKind

EXCLUSIONS: Final = "resource.exclusions"
INCLUSIONS: Final = "resource.inclusions"
_MAX_PATTERN: Final = 256
_LISTS: Final = ("apiGroups", "kinds", "clusters")


@dataclass(frozen=True, slots=True)
class Selection:
    """Kinds by globs, on some clusters. An empty list is about all there are."""

    groups: tuple[re.Pattern[str], ...] = ()
    kinds: tuple[re.Pattern[str], ...] = ()
    clusters: tuple[re.Pattern[str], ...] = ()

    def matches(self, kind: GroupKind, clusters: tuple[str, ...]) -> bool:
        return _any(self.groups, (kind.group,)) and _any(self.kinds, (kind.kind,)) and _any(self.clusters, clusters)


def _any(patterns: tuple[re.Pattern[str], ...], texts: tuple[str, ...]) -> bool:
    return not patterns or any(pattern.fullmatch(text) for pattern in patterns for text in texts)


def selection(groups: list[str], kinds: list[str], clusters: list[str] | None = None) -> Selection:
    return Selection(*(tuple(map(_glob, texts)) for texts in (groups, kinds, clusters or [])))


def _glob(text: str) -> re.Pattern[str]:
    return re.compile(translate(text[:_MAX_PATTERN]))


ALWAYS: Final = (
    selection(["events.k8s.io", "metrics.k8s.io"], []),
    selection([""], ["Event"]),
    selection(["coordination.k8s.io"], ["Lease"]),
)
"""Excluded whatever is set: they change all the time, and nobody assigns them."""
BY_DEFAULT: Final = (
    selection(["", "discovery.k8s.io"], ["Endpoints", "EndpointSlice"]),
    selection(["authentication.k8s.io", "authorization.k8s.io"], []),
    selection(["certificates.k8s.io"], ["CertificateSigningRequest"]),
    selection(["cert-manager.io"], ["CertificateRequest"]),
)


@dataclass(frozen=True, slots=True)
class ResourceFilter:
    """What is left alone on one cluster."""

    exclusions: tuple[Selection, ...] = BY_DEFAULT
    inclusions: tuple[Selection, ...] = ()
    """Where there are any, everything else is left alone, too."""
    clusters: tuple[str, ...] = ()
    """The names by which this cluster goes."""
    _known: dict[GroupKind, bool] = field(default_factory=dict, compare=False, repr=False)

    def excludes(self, kind: GroupKind) -> bool:
        """Tell whether objects of a kind are left alone."""
        known = self._known.get(kind)
        if known is None:
            known = self._known[kind] = self._excludes(kind)
        return known

    def _excludes(self, kind: GroupKind) -> bool:
        if any(each.matches(kind, self.clusters) for each in (*ALWAYS, *self.exclusions)):
            return True
        return bool(self.inclusions) and not any(each.matches(kind, self.clusters) for each in self.inclusions)


def read_filter(
    data: Mapping[str, str], clusters: tuple[str, ...], read_yaml: ReadYaml
) -> tuple[ResourceFilter, list[str]]:
    """Read both keys, with what is wrong in them. What cannot be read has no effect: exclusions that cannot be read
    leave the default ones in force, for they keep the agent's hands off."""
    problems: list[str] = []
    excluded = _read(data, EXCLUSIONS, read_yaml, problems)
    included = _read(data, INCLUSIONS, read_yaml, problems)
    return ResourceFilter(BY_DEFAULT if excluded is None else excluded, included or (), clusters), problems


def _read(data: Mapping[str, str], key: str, read_yaml: ReadYaml, problems: list[str]) -> tuple[Selection, ...] | None:
    if key not in data:
        return None
    try:
        value = read_yaml(data[key])
    except ValueError as error:
        problems.append(f"{key} cannot be read: {error}")
        return None
    if value is None:
        return ()
    if not isinstance(value, list):
        problems.append(f"{key} is no list")
        return None
    found = []
    for index, item in enumerate(value):
        lists = _lists(item)
        if lists is None:
            problems.append(f"{key}[{index}] is no mapping of {', '.join(_LISTS)} to lists of texts")
        else:
            found.append(selection(*lists))
    return tuple(found)


def _lists(item: Any) -> tuple[list[str], list[str], list[str]] | None:
    """Return the three lists of an entry; None for one that says anything else, or nothing at all."""
    if not isinstance(item, dict) or not item or any(name not in _LISTS for name in item):
        return None
    groups, kinds, clusters = (item.get(name) or [] for name in _LISTS)
    for texts in (groups, kinds, clusters):
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            return None
    return (groups, kinds, clusters) if groups or kinds or clusters else None
