"""What the system-wide settings say about comparing: the keys of Argo CD's ConfigMap `argocd-cm`.

    resource.compareoptions                                    see compare_options
    resource.customizations.ignoreDifferences.<group>_<kind>   ignored in every application; `all` for every kind
    resource.customizations.ignoreResourceUpdates.<group>_<kind>
    resource.customizations                                    the older single map of "<group>/<kind>" to all of these
    resource.ignoreResourceUpdatesEnabled                      "false" has every update looked at

What cannot be read is told in `problems` and has no effect; the rest has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from agent.engine.assignment import IgnoreDifference
from agent.engine.compare_options import DEFAULT_OPTIONS, CompareOptions, read_compare_options
from agent.engine.ignore import IgnoreRules, compile_ignores
from agent.engine.updates import DEFAULT_UPDATES

Parse = Callable[[str], Any]
"""Reads YAML, for which this package has no library. Raises ValueError with what is wrong."""

_CUSTOMIZATIONS: Final = "resource.customizations"
_DIFFERENCES: Final = "ignoreDifferences"
_UPDATES: Final = "ignoreResourceUpdates"
_COMPARE_OPTIONS: Final = "resource.compareoptions"
_UPDATES_ENABLED: Final = "resource.ignoreResourceUpdatesEnabled"
_ALL: Final = "all"

_LISTS: Final = {
    "jsonPointers": "json_pointers",
    "jqPathExpressions": "jq_path_expressions",
    "managedFieldsManagers": "managed_fields_managers",
}


@dataclass(frozen=True, slots=True)
class CompareSettings:
    """What is set for the whole system."""

    options: CompareOptions = DEFAULT_OPTIONS
    differences: tuple[IgnoreDifference, ...] = ()
    """Ignored in every application, before its own entries."""
    updates: tuple[IgnoreDifference, ...] = DEFAULT_UPDATES
    """What an update may touch and still count for none; nothing of it is in force where `updates_enabled` is False."""
    updates_enabled: bool = True
    problems: tuple[str, ...] = ()

    def rules(self, own: tuple[IgnoreDifference, ...] = ()) -> IgnoreRules:
        """Compile what is ignored in an application that has entries of its own."""
        return compile_ignores((*self.differences, *own))

    def update_rules(self, own: tuple[IgnoreDifference, ...] = ()) -> IgnoreRules:
        """Compile what an update may touch and still count for none."""
        if not self.updates_enabled:
            return compile_ignores(())
        ignored = (*self.differences, *own) if self.options.ignore_differences_on_updates else ()
        return compile_ignores((*self.updates, *ignored))


def read_compare_settings(data: Mapping[str, Any], parse: Parse) -> CompareSettings:
    """Read the `data` of the settings. Never raises."""
    reader = _Reader(parse)
    options, problems = read_compare_options(reader.value(data.get(_COMPARE_OPTIONS), _COMPARE_OPTIONS))
    reader.problems += problems
    differences: list[IgnoreDifference] = []
    updates = {(entry.group, entry.kind): entry for entry in DEFAULT_UPDATES}
    for place, what, group, kind, text in _customizations(data, reader):
        entry = reader.entry(text, place, group, kind)
        if entry is None:
            continue
        if what == _DIFFERENCES:
            differences.append(entry)
        else:
            updates[group, kind] = entry
    enabled = str(data.get(_UPDATES_ENABLED, "true")).strip().lower()
    if enabled not in ("true", "false"):
        reader.problems.append(f"{_UPDATES_ENABLED} is true or false, not {enabled!r}")
    return CompareSettings(
        options, tuple(differences), tuple(updates.values()), enabled != "false", tuple(reader.problems)
    )


def _customizations(data: Mapping[str, Any], reader: _Reader) -> Iterator[tuple[str, str, str, str, Any]]:
    """Yield (where it stands, which of the two, group, kind, the rules) for what is ignored; the old map first."""
    old = reader.value(data.get(_CUSTOMIZATIONS), _CUSTOMIZATIONS)
    if old is not None and not isinstance(old, Mapping):
        reader.problems.append(f"{_CUSTOMIZATIONS} is not a mapping")
    for name, settings in sorted(old.items()) if isinstance(old, Mapping) else ():
        group, _, kind = str(name).rpartition("/")
        if name == _ALL:
            group, kind = "*", "*"
        for what in (_DIFFERENCES, _UPDATES) if isinstance(settings, Mapping) else ():
            if settings.get(what) is not None:
                yield f"{_CUSTOMIZATIONS}: {name}: {what}", what, group, kind, settings[what]
    for what in (_DIFFERENCES, _UPDATES):
        prefix = f"{_CUSTOMIZATIONS}.{what}."
        for key in sorted(data):
            if key.startswith(prefix):
                group, _, kind = key.removeprefix(prefix).rpartition("_")
                if kind == _ALL and not group:
                    group, kind = "*", "*"
                yield key, what, group, kind, data[key]


class _Reader:
    """Reads values, and gathers what is wrong."""

    def __init__(self, parse: Parse) -> None:
        self._parse = parse
        self.problems: list[str] = []

    def value(self, text: Any, place: str) -> Any:
        """Return what a text says, None where it says nothing or cannot be read. What is no text is itself."""
        if not isinstance(text, str):
            return text
        try:
            return self._parse(text)
        except ValueError as error:
            self.problems.append(f"{place} cannot be read: {error}")
            return None

    def entry(self, text: Any, place: str, group: str, kind: str) -> IgnoreDifference | None:
        value = self.value(text, place)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            self.problems.append(f"{place} is not a mapping")
            return None
        self.problems += [f"{place}: there is no field {key!r}" for key in value if key not in _LISTS]
        lists: dict[str, tuple[str, ...]] = dict.fromkeys(_LISTS.values(), ())
        for key, name in _LISTS.items():
            texts = value.get(key) or ()
            if isinstance(texts, list | tuple) and all(isinstance(item, str) for item in texts):
                lists[name] = tuple(texts)
            else:
                self.problems.append(f"{place}: {key} is not a list of texts")
        return IgnoreDifference(group, kind, "", "", *lists.values())
