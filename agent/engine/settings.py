"""The system-wide settings as the agent uses them: `data` of Argo CD's ConfigMap argocd-cm, read key by key.

What cannot be read is told, and has no effect; everything else has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from agent.engine.compare_settings import CompareSettings, read_compare_settings
from agent.engine.customizations import PREFIX, CustomizationError, ReadYaml, patterns
from agent.engine.filters import ResourceFilter, read_filter
from agent.engine.health.overrides import NO_OVERRIDES, Overrides
from agent.engine.health.settings import health_overrides
from agent.engine.resource import GroupKind

if TYPE_CHECKING:
    from agent.engine.actions.settings import CustomActions

T = TypeVar("T")

_ABOUT_HEALTH: Final = ("health", "useOpenLibs")
_ABOUT_ACTIONS: Final = ("actions", "useOpenLibs")
_NO_ACTIONS: Final[CustomActions] = patterns([])


@dataclass(frozen=True, slots=True)
class SystemSettings:
    """What is set for every application of this cluster."""

    data: Mapping[str, str] = field(default_factory=dict)
    health: Overrides = NO_OVERRIDES
    compare: CompareSettings = CompareSettings()
    filter: ResourceFilter = ResourceFilter()
    actions: CustomActions = _NO_ACTIONS
    problems: tuple[str, ...] = ()
    """What of the data cannot be read."""

    def judges(self, kind: GroupKind) -> bool:
        """Tell whether the settings say how objects of a kind are."""
        return self.health.find(*kind) is not None


def read_settings(
    data: Mapping[str, str],
    clusters: tuple[str, ...],
    read_yaml: ReadYaml,
    before: SystemSettings | None = None,
) -> SystemSettings:
    """Read the data. `read_yaml` raises ValueError with what is wrong; nothing else raises.

    `clusters` are the names this cluster goes by. Checks of health that are the same as `before` are taken from there,
    and so can be told from other ones by identity.
    """
    compare = read_compare_settings(data, read_yaml)
    chosen, filter_problems = read_filter(data, clusters, read_yaml)
    said = _about(_ABOUT_HEALTH, data)
    if before is not None and _about(_ABOUT_HEALTH, before.data) == said:
        health, problems = before.health, [p for p in before.problems if p.startswith(_HEALTH_PROBLEM)]
    else:
        health, found = tolerant(lambda part: health_overrides(part, read_yaml), said, NO_OVERRIDES)
        problems = [f"{_HEALTH_PROBLEM}{problem}" for problem in found]
    actions, found = _actions(_about(_ABOUT_ACTIONS, data), read_yaml)
    problems += [f"actions: {problem}" for problem in found]
    return SystemSettings(data, health, compare, chosen, actions, (*problems, *compare.problems, *filter_problems))


_HEALTH_PROBLEM: Final = "health checks: "


def _actions(data: Mapping[str, str], read_yaml: ReadYaml) -> tuple[CustomActions, list[str]]:
    if not data:
        return _NO_ACTIONS, []
    # Loaded where there are any: an agent at rest is counted by what it holds.
    from agent.engine.actions.settings import custom_actions

    return tolerant(lambda part: custom_actions(part, read_yaml), data, _NO_ACTIONS)


def tolerant(read: Callable[[Mapping[str, str]], T], data: Mapping[str, str], nothing: T) -> tuple[T, list[str]]:
    """Read customizations, without the keys that `read` cannot: one that is wrong is to take no other with it."""
    if not data:
        return nothing, []
    try:
        return read(data), []
    except (CustomizationError, ValueError):
        good, problems = {}, []
    for key, text in data.items():
        try:
            read({key: text})
        except CustomizationError as error:
            problems.append(str(error))
        except ValueError as error:
            problems.append(f"{key} cannot be read: {error}")
        else:
            good[key] = text
    return read(good), problems


def _about(sorts: tuple[str, ...], data: Mapping[str, str]) -> dict[str, str]:
    starts = tuple(f"{PREFIX}.{sort}." for sort in sorts)
    return {key: text for key, text in data.items() if key == PREFIX or key.startswith(starts)}
