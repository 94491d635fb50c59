"""What the system-wide settings say about comparing: the keys of Argo CD's ConfigMap `argocd-cm`.

    resource.compareoptions                                    see compare_options
    resource.customizations.ignoreDifferences.<group>_<kind>   ignored in every application; `all` for every kind
    resource.customizations.ignoreResourceUpdates.<group>_<kind>
    resource.customizations                                    the older single map of "<group>/<kind>" to all of these
    resource.ignoreResourceUpdatesEnabled                      "false" has every update looked at

What cannot be read is told in `problems` and has no effect; the rest has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from agent.engine.assignment import IgnoreDifference
from agent.engine.compare_options import DEFAULT_OPTIONS, CompareOptions, read_compare_options
from agent.engine.customizations import PREFIX, CustomizationError, ReadYaml, by_kind, in_one_map
from agent.engine.ignore import IgnoreRules, compile_ignores
from agent.engine.resource import GroupKind
from agent.engine.updates import DEFAULT_UPDATES

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


def read_compare_settings(given: Mapping[str, Any], parse: ReadYaml) -> CompareSettings:
    """Read the `data` of the settings. `parse` raises ValueError with what is wrong; nothing else raises."""
    reader = _Reader(parse)
    data = {key: text for key, text in given.items() if isinstance(text, str)}
    reader.problems += [f"{key} is not a text" for key in given if key not in data and _is_read(key)]
    options, problems = read_compare_options(reader.value(data.get(_COMPARE_OPTIONS), _COMPARE_OPTIONS))
    reader.problems += problems
    differences: list[IgnoreDifference] = []
    updates = {GroupKind(entry.group, entry.kind): entry for entry in DEFAULT_UPDATES}
    for place, what, kind, text in _customizations(data, reader):
        entry = reader.entry(text, place, kind)
        if entry is None:
            continue
        if what == _DIFFERENCES:
            differences.append(entry)
        else:
            updates[kind] = entry
    enabled = str(data.get(_UPDATES_ENABLED, "true")).strip().lower()
    if enabled not in ("true", "false"):
        reader.problems.append(f"{_UPDATES_ENABLED} is true or false, not {enabled!r}")
    return CompareSettings(
        options, tuple(differences), tuple(updates.values()), enabled != "false", tuple(reader.problems)
    )


def _is_read(key: str) -> bool:
    kinds = tuple(f"{PREFIX}.{what}." for what in (_DIFFERENCES, _UPDATES))
    return key in (PREFIX, _COMPARE_OPTIONS, _UPDATES_ENABLED) or key.startswith(kinds)


def _customizations(data: Mapping[str, str], reader: _Reader) -> Iterator[tuple[str, str, GroupKind, Any]]:
    """Yield (where it stands, which of the two, the kind, the rules) for what is ignored; the old map first."""
    try:
        for kind, settings in in_one_map(data, reader.parse):
            for what in (_DIFFERENCES, _UPDATES):
                if settings.get(what) is not None:
                    yield f"{PREFIX}: {what} of {kind.group}/{kind.kind}", what, _any(kind), settings[what]
    except CustomizationError as error:
        reader.problems.append(str(error))
    except ValueError as error:
        reader.problems.append(f"{PREFIX} cannot be read: {error}")
    for what in (_DIFFERENCES, _UPDATES):
        try:
            for kind, text in by_kind(data, what):
                yield f"{PREFIX}.{what}.{kind.group}_{kind.kind}".replace("._", "."), what, _any(kind), text
        except CustomizationError as error:
            reader.problems.append(str(error))


def _any(kind: GroupKind) -> GroupKind:
    return GroupKind("*", "*") if kind == GroupKind("", _ALL) else kind


class _Reader:
    """Reads values, and gathers what is wrong."""

    def __init__(self, parse: ReadYaml) -> None:
        self.parse = parse
        self.problems: list[str] = []

    def value(self, text: Any, place: str) -> Any:
        """Return what a text says, None where it says nothing or cannot be read. What is no text is itself."""
        if not isinstance(text, str):
            return text
        try:
            return self.parse(text)
        except ValueError as error:
            self.problems.append(f"{place} cannot be read: {error}")
            return None

    def entry(self, text: Any, place: str, kind: GroupKind) -> IgnoreDifference | None:
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
        return IgnoreDifference(kind.group, kind.kind, "", "", *lists.values())
