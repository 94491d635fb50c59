"""The values a chart is rendered with, put together as Argo CD and Helm do.

Later ones win: value files in their order, the source's `values` or `valuesObject`, parameters, those that are text
(`forceString`), file parameters.
"""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from hub.domain.application import NameValue
from hub.render.errors import RenderError
from hub.render.strvals import Read, parse_into, typed

_UNESCAPED_COMMA = re.compile(r"(?<!\\),")


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge mappings deeply, `above` over `below`; lists and null replace, as in Helm."""
    result = dict(below)
    for key, value in above.items():
        before = result.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            value = merged(before, value)
        result[key] = value
    return result


def with_parameters(
    values: Mapping[str, Any], parameters: Sequence[NameValue], files: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """Return the values with parameters set over them, and file parameters: (name, content). Raises RenderError."""
    # What is set goes into what is there, and that may be shared.
    result: dict[str, Any] = copy.deepcopy(dict(values))
    for parameter in sorted(parameters, key=lambda parameter: parameter.force_string):
        _set(result, parameter.name, _escaped(parameter.value), str if parameter.force_string else typed)
    for name, content in files:
        _set(result, name, "content", functools.partial(_given, content))
    return result


def _given(content: str, _: str) -> str:
    return content


def _escaped(value: str) -> str:
    """Return a parameter's value as Argo CD hands it to `--set`: commas are text, but in a list `{a,b}`."""
    if value.startswith("{") and value.endswith("}"):
        return value
    return _UNESCAPED_COMMA.sub(r"\\,", value)


def _set(values: dict[str, Any], name: str, text: str, read: Read) -> None:
    try:
        parse_into(values, f"{name}={text}", read)
    except ValueError as error:
        raise RenderError(f"The parameter {name[:100]!r} {error}.", code="invalid-source") from error
