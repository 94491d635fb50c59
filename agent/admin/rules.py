"""Reading what is to be ignored: an Application's entries, and the settings of the whole system."""

from __future__ import annotations

import re
from collections.abc import Iterator
from json import JSONDecoder
from typing import Any, Final

import click

from agent.admin.objects import READER, Document, Misuse, Reader, read_documents
from agent.engine.assignment import IgnoreDifference
from agent.engine.compare_settings import CompareSettings, read_compare_settings
from agent.engine.resource import Object

_TEXTS: Final = ("group", "kind", "name", "namespace")
_SYNC_OPTIONS: Final = "argocd.argoproj.io/sync-options"
_IN_OPTIONS: Final = re.compile(r"\bIgnoreDifferences=\s*")
_LISTS: Final = ("jsonPointers", "jqPathExpressions", "managedFieldsManagers")


def read_ignores(path: str) -> Iterator[IgnoreDifference]:
    """Read ignoreDifferences from a file of Applications, or of lists of entries. Raises click.ClickException."""
    for document in read_documents(path):
        for entry in _entries(document):
            yield _entry(entry, document.place)


def _entries(document: Document) -> list[Any]:
    value = document.value
    _check_kind(document, "Application", "ignoreDifferences are read from an Application, or a list of entries")
    annotated: list[Any] = []
    if isinstance(value, dict):
        annotated = list(_annotated(value, document.place))
        spec = value.get("spec")
        value = (spec if isinstance(spec, dict) else value).get("ignoreDifferences", [])
    if not isinstance(value, list):
        raise Misuse(f"{document.place}: this is neither an Application nor a list of ignoreDifferences")
    return value + annotated


def _check_kind(document: Document, kind: str, what: str) -> None:
    """Raises Misuse for an object of another kind, in which nothing of it would be found."""
    given = document.value.get("kind", kind) if isinstance(document.value, dict) else kind
    if given != kind:
        raise Misuse(f"{document.place}: {what}, and this is {given!r}")


def _annotated(application: Object, place: str) -> Iterator[Any]:
    """Yield what stands behind IgnoreDifferences= in an Application's sync options, JSON that holds commas itself."""
    metadata = application.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    text = annotations.get(_SYNC_OPTIONS) if isinstance(annotations, dict) else None
    position = 0
    while isinstance(text, str) and (found := _IN_OPTIONS.search(text, position)):
        try:
            value, position = JSONDecoder().raw_decode(text, found.end())
        except (ValueError, RecursionError) as error:
            raise Misuse(f"{place}: behind IgnoreDifferences= in {_SYNC_OPTIONS} stands no JSON: {error}") from None
        yield value


def _entry(entry: Any, place: str) -> IgnoreDifference:
    if not isinstance(entry, dict):
        raise Misuse(f"{place}: an entry of ignoreDifferences is a mapping")
    unknown = [key for key in entry if key not in (*_TEXTS, *_LISTS)]
    if unknown:
        raise Misuse(f"{place}: an entry of ignoreDifferences has no field {unknown[0]!r}")
    texts: list[Any] = [entry.get(key) or "" for key in _TEXTS]
    lists = [entry.get(key) or [] for key in _LISTS]
    if not all(isinstance(text, str) for text in texts):
        raise Misuse(f"{place}: {', '.join(_TEXTS)} of an entry of ignoreDifferences are texts")
    if not all(isinstance(items, list) and all(isinstance(item, str) for item in items) for items in lists):
        raise Misuse(f"{place}: {', '.join(_LISTS)} of an entry of ignoreDifferences are lists of texts")
    if not entry.get("kind"):
        raise Misuse(f"{place}: an entry of ignoreDifferences needs a kind; * is every kind")
    group, kind, name, namespace = texts
    return IgnoreDifference(group, kind, name, namespace, *map(tuple, lists))


def read_settings(path: str) -> CompareSettings:
    """Read the settings of the whole system: a ConfigMap, or its data. Raises click.ClickException."""
    data: dict[str, Any] = {}
    for document in read_documents(path):
        if not isinstance(document.value, dict):
            raise Misuse(f"{document.place}: settings are a ConfigMap")
        _check_kind(document, "ConfigMap", "settings are a ConfigMap")
        value = document.value
        inner = value.get("data") if "kind" in value or "data" in value else value
        if not isinstance(inner, dict | None):
            raise Misuse(f"{document.place}: the data of a ConfigMap are a mapping")
        data |= inner or {}
    reader: Reader = click.get_current_context().meta[READER]

    def parse(text: str) -> Any:
        try:
            documents = list(reader(text.encode(), "it"))
        except click.ClickException as error:
            raise ValueError(error.format_message()) from error
        return documents[0].value if documents else None

    return read_compare_settings(data, parse)
