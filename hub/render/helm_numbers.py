"""Lets templates see the integers of `--set` as what they are in Helm.

Helm's library takes values as JSON and makes every number a float, which templates print as 1e+06 and compare with no
integer. Helm's command line hands over int64. So a template of the hub's own is put into the chart, at such a depth
that it is rendered before all others; it prints nothing, and sets each of these integers again.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from hub.render.strvals import SetInteger

# Helm renders the deepest path first, and the last one of them by name.
PATH = "templates/" + "~/" * 40 + "~integers"


def template_for(values: Mapping[str, Any]) -> str:
    """Return the template, empty where nothing is to be set."""
    if not _concerned(values):
        return ""
    names = (f"$v{number}" for number in itertools.count())
    lines = list(_in_mapping("$v", values, names))
    shared = values.get("global")
    if isinstance(shared, Mapping) and _concerned(shared):
        # Each subchart has a copy of them.
        body = "".join(_in_mapping("$v", {"global": shared}, names))
        walk = '{{range .Subcharts}}{{template "~integers" .}}{{end}}'
        lines.append(f'{{{{define "~integers"}}}}{{{{$v := .Values}}}}{body}{walk}{{{{end}}}}{walk}')
    return "{{$v := .Values}}" + "".join(lines)


def _concerned(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_concerned, value.values()))
    return isinstance(value, SetInteger) or (isinstance(value, list) and any(map(_concerned, value)))


def _in_mapping(variable: str, mapping: Mapping[str, Any], names: Iterator[str]) -> Iterator[str]:
    """Yield what sets the integers of a mapping that a template's variable stands for."""
    for key, value in mapping.items():
        if not _concerned(value):
            continue
        place = f"{variable} {_quoted(key)}"
        if isinstance(value, SetInteger):
            # It is no number where the chart has a mapping, which wins.
            yield f'{{{{if kindIs "float64" (get {place})}}}}{{{{$_ := set {place} (int64 {value})}}}}{{{{end}}}}'
            continue
        inner = next(names)
        kind = "map" if isinstance(value, Mapping) else "slice"
        yield f'{{{{$_ := get {place}}}}}{{{{if kindIs "{kind}" $_}}}}{{{{{inner} := $_}}}}'
        if isinstance(value, Mapping):
            yield from _in_mapping(inner, value, names)
        else:
            yield from _in_list(inner, value, names)
            yield f"{{{{$_ := set {place} {_rebuilt(inner, value)}}}}}"
        yield "{{end}}"


def _in_list(variable: str, items: list[Any], names: Iterator[str]) -> Iterator[str]:
    for number, item in enumerate(items):
        if isinstance(item, Mapping | list) and _concerned(item):
            inner = next(names)
            yield f"{{{{{inner} := index {variable} {number}}}}}"
            yield from _in_mapping(inner, item, names) if isinstance(item, Mapping) else _in_list(inner, item, names)


def _rebuilt(variable: str, items: list[Any], *at: int) -> str:
    """Return an expression of a list like the one of a variable, for lists cannot be changed."""
    parts = []
    for number, item in enumerate(items):
        if isinstance(item, SetInteger):
            parts.append(f"(int64 {item})")
        elif isinstance(item, list) and _concerned(item):
            parts.append(_rebuilt(variable, item, *at, number))
        else:
            parts.append(f"(index {variable} {' '.join(map(str, (*at, number)))})")
    return f"(list {' '.join(parts)})"


def _quoted(text: str) -> str:
    """As a string of Go."""
    return json.dumps(text, ensure_ascii=False)
