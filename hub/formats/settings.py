"""Argo CD's ConfigMap `argocd-cm` ⇄ hub.domain.settings.SystemSettings.

Most of that ConfigMap is about the parts that Argo CD is made of, and means nothing here; those keys are told by name.
What is served is YAML inside of text for the most part, and is looked through before it is stored: a mistake in it
would otherwise be found by every agent of the fleet, one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hub.domain.settings import SystemSettings
from hub.formats import served
from hub.formats.errors import FormatError, shown
from hub.formats.fields import Fields, Parsed, Problems, described, did_you_mean
from hub.formats.limits import Document, Limits
from hub.formats.metadata import as_document, display_name, worded_kind
from hub.formats.yaml import load_document

API_VERSION = "v1"
KIND = "ConfigMap"
NAME = "argocd-cm"
DATA_BYTES = 1024 * 1024
"""Of all that is served of it: it goes to every agent, and stays in its memory."""

EXCLUSIONS = "resource.exclusions"
_CUSTOMIZATIONS = "resource.customizations"
_LIMITS = Limits(bytes=DATA_BYTES, documents=1, depth=50, nodes=100_000)
_METADATA = ("name", "namespace", "labels", "annotations")
_FLAGS = ("true", "false")
_FILTER = ("apiGroups", "kinds", "clusters")
_ACTIONS = ("discovery.lua", "definitions", "mergeBuiltinActions")
_STATUS_FIELDS = ("all", "crd", "none", "off", "false")
_Check = Callable[[Fields, str, str], None]


def is_settings(value: Any) -> bool:
    """Tell whether an object is the ConfigMap that holds the settings."""
    if not isinstance(value, Mapping) or (value.get("apiVersion"), value.get("kind")) != (API_VERSION, KIND):
        return False
    metadata = value.get("metadata")
    return isinstance(metadata, Mapping) and metadata.get("name") == NAME


def parse_settings(document: Document | Mapping[str, Any], *, strict: bool = False) -> Parsed[SystemSettings]:
    """Read the ConfigMap. Raises FormatError with everything that is wrong with it; see `parse_application`."""
    source = as_document(document)
    value = source.value
    if not is_settings(value):
        what = worded_kind(value) if isinstance(value, Mapping) else described(value)
        raise FormatError(
            f"this is {what}, but {API_VERSION} {KIND} {NAME} is wanted", name=source.name, line=source.line
        )
    problems = Problems()
    top = Fields(value, "", problems)
    data = read_data(top.child("data") or Fields({}, "data", problems))
    # Where it lies and how it is labelled is Argo CD's own affair.
    top.ignore("apiVersion", "kind", "metadata", "immutable")
    top.unserved({"binaryData": "settings are text, in data"})
    top.finish()
    return problems.conclude(
        SystemSettings(data), strict=strict, of=display_name(value, KIND), name=source.name, line=source.line
    )


def parse_data(data: Mapping[str, str], *, strict: bool = False) -> Parsed[SystemSettings]:
    """Read the data alone. Raises FormatError."""
    problems = Problems()
    found = read_data(Fields(data, "data", problems))
    return problems.conclude(SystemSettings(found), strict=strict, of=f'{KIND} "{NAME}"', name="", line=0)


def dump_settings(settings: SystemSettings) -> dict[str, Any]:
    """Return the ConfigMap that holds these settings."""
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": NAME}, "data": dict(settings.data)}


def read_data(fields: Fields) -> dict[str, str]:
    """Return what is served of the data, and note what is wrong with it or not served."""
    found: dict[str, str] = {}
    for key in fields.value:
        check = _check_of(key)
        if check is None:
            _unserved(fields, key)
            continue
        text = fields.text(key)
        if not text.strip() and key != EXCLUSIONS:
            # It says nothing. Exclusions that say nothing take the place of the default ones all the same.
            continue
        found[key] = text
        check(fields, key, text)
    size = sum(len(key.encode()) + len(text.encode()) for key, text in found.items())
    if size > DATA_BYTES:
        fields.fail("", f"has {size:,} bytes; at most {DATA_BYTES:,} are taken")
    return found


def _unserved(fields: Fields, key: str) -> None:
    fields.ignore(key)
    if not fields.given(key):
        return
    start = max((start for start in served.SETTINGS if f"{key}.".startswith(f"{start}.")), key=len, default="")
    if start:
        fields.problems.unserved.append(f"{fields.at(shown(key))} is not served: {served.SETTINGS[start]}")
    else:
        near = did_you_mean(key, (*_CHECKS, *(f"{_CUSTOMIZATIONS}.{sort}" for sort in _SORTS)))
        fields.problems.unserved.append(f"{fields.at(shown(key))} is not served{near}")


def _check_of(key: str) -> _Check | None:
    """Return how the text of a key is looked through; None for a key that is not served."""
    if key in _CHECKS:
        return _CHECKS[key]
    sort, dot, _ = key.removeprefix(f"{_CUSTOMIZATIONS}.").partition(".")
    return _SORTS.get(sort) if dot and key.startswith(f"{_CUSTOMIZATIONS}.") else None


# --- the single keys


def _one_map(fields: Fields, key: str, text: str) -> None:
    """The older form: one map of <group>/<kind> to everything that is said of the kind."""
    value = _loaded(fields, key, text)
    if value is None:
        return
    if not isinstance(value, Mapping):
        fields.fail(key, f"is {described(value)}, but a mapping of <group>/<kind> is wanted")
        return
    for name, said in value.items():
        place = f"{key}[{shown(name)}]"
        _kind_problem(fields, place, name)
        if not isinstance(said, Mapping):
            fields.fail(place, f"is {described(said)}, but a mapping is wanted")
            continue
        child = Fields(said, fields.at(place), fields.problems)
        child.text("health.lua")
        child.flag("health.lua.useOpenLibs")
        for field in _IGNORED:
            given = child.get(field)
            if isinstance(given, str):
                given = _loaded(child, field, given)
            if given is not None:
                _ignored_value(child, field, given)
        given = child.get("actions")
        if isinstance(given, str):
            given = _loaded(child, "actions", given)
        if given is not None:
            _actions_value(child, "actions", given)
        child.unserved({sort: served.SETTINGS[f"{_CUSTOMIZATIONS}.{sort}"] for sort in ("knownTypeFields",)})
        child.finish()


def _compare_options(fields: Fields, key: str, text: str) -> None:
    child = _mapping(fields, key, _loaded(fields, key, text))
    if child is None:
        return
    for name in ("ignoreAggregatedRoles", "ignoreDifferencesOnResourceUpdates"):
        if child.get(name) not in _FLAGS:
            child.flag(name)
    status = child.get("ignoreResourceStatusField")
    if status is not None and status is not False and status not in _STATUS_FIELDS:
        child.fail("ignoreResourceStatusField", f"is {described(status)}, but all, crd or none is wanted")
    child.finish()


def _flag(fields: Fields, key: str, text: str) -> None:
    if text.strip().lower() not in _FLAGS:
        fields.fail(key, f'is {described(text)}, but "true" or "false" is wanted')


def _filters(fields: Fields, key: str, text: str) -> None:
    """Exclusions and inclusions: a list of what is meant by API groups, kinds and clusters, all of them globs."""
    value = _loaded(fields, key, text)
    if value is None:
        return
    if not isinstance(value, list):
        fields.fail(key, f"is {described(value)}, but a list is wanted")
        return
    for index, item in enumerate(value):
        place = f"{key}[{index}]"
        child = _mapping(fields, place, item)
        if child is None:
            continue
        for name in _FILTER:
            child.texts(name)
        if not any(child.value.get(name) for name in _FILTER):
            fields.fail(
                place, f"is about every object of every cluster: name {', '.join(_FILTER[:-1])} or {_FILTER[-1]}"
            )
        for name in child.value:
            if name not in _FILTER:
                # Without what was meant by it the entry would be about far more objects.
                child.fail(shown(name), f"is not a known field{did_you_mean(name, _FILTER)}")


# --- one key for each kind


def _script(fields: Fields, key: str, text: str) -> None:
    _kind_of_key(fields, key)


def _open_libraries(fields: Fields, key: str, text: str) -> None:
    _kind_of_key(fields, key)
    _flag(fields, key, text)


def _ignored(fields: Fields, key: str, text: str) -> None:
    _kind_of_key(fields, key)
    value = _loaded(fields, key, text)
    if value is not None:
        _ignored_value(fields, key, value)


def _ignored_value(fields: Fields, key: str, value: Any) -> None:
    child = _mapping(fields, key, value)
    if child is not None:
        for name in ("jsonPointers", "jqPathExpressions", "managedFieldsManagers"):
            child.texts(name)
        child.finish()


def _actions(fields: Fields, key: str, text: str) -> None:
    _kind_of_key(fields, key)
    value = _loaded(fields, key, text)
    if value is not None:
        _actions_value(fields, key, value)


def _actions_value(fields: Fields, place: str, value: Any) -> None:
    """The same words as agents read: how the actions of a kind are found, and what each does, in Lua."""
    child = _mapping(fields, place, value)
    if child is None:
        return
    if child.get("discovery.lua") is not None:
        child.required("discovery.lua")
    child.flag("mergeBuiltinActions")
    for definition in child.children("definitions"):
        definition.required("name")
        definition.required("action.lua")
        definition.finish()
    for name in child.value:
        if name not in _ACTIONS:
            # An agent takes none of the kind's actions where it does not know all that is said of them.
            child.fail(shown(name), f"is not a known field{did_you_mean(name, _ACTIONS)}")


def _kind_of_key(fields: Fields, key: str) -> None:
    _kind_problem(fields, key, key.split(".", 3)[3])


def _kind_problem(fields: Fields, place: str, name: str) -> None:
    """The same words as agents read: "<group>_<kind>", "<group>/<kind>", or the kind alone for the core group."""
    group, _, kind = name.replace("/", "_").rpartition("_")
    if not kind or "_" in group:
        fields.fail(place, "names no kind: it ends in <group>_<kind>, as in argoproj.io_Rollout")


def _mapping(fields: Fields, place: str, value: Any) -> Fields | None:
    if isinstance(value, Mapping):
        return Fields(value, fields.at(place), fields.problems)
    if value is not None:
        fields.fail(place, f"is {described(value)}, but a mapping is wanted")
    return None


def _loaded(fields: Fields, key: str, text: str) -> Any:
    """Return what a text of YAML holds, None where it holds nothing or cannot be read."""
    try:
        return load_document(text, name="", limits=_LIMITS)
    except FormatError as error:
        fields.fail(key, f"cannot be read: {error.message}")
        return None


_IGNORED = ("ignoreDifferences", "ignoreResourceUpdates")
_CHECKS: Mapping[str, _Check] = {
    _CUSTOMIZATIONS: _one_map,
    "resource.compareoptions": _compare_options,
    EXCLUSIONS: _filters,
    "resource.ignoreResourceUpdatesEnabled": _flag,
    "resource.inclusions": _filters,
}
_SORTS: Mapping[str, _Check] = {
    "actions": _actions,
    "health": _script,
    "ignoreDifferences": _ignored,
    "ignoreResourceUpdates": _ignored,
    "useOpenLibs": _open_libraries,
}
"""What `resource.customizations.<sort>.<group>_<kind>` may be."""
