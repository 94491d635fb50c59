"""The values a chart is rendered with, put together as Argo CD and Helm do.

Later ones win: value files in their order, the source's `values` or `valuesObject`, file parameters, parameters. A
parameter is one of Helm's `--set` expressions: `a.b[0]=c`, with numbers, booleans and null recognised.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Any

from hub.domain.application import NameValue
from hub.render.errors import RenderError

_MAX_INDEX = 65_536
_MAX_NESTING = 30
_INTEGER = re.compile(r"[+-]?(0|[1-9][0-9]*)")
_UNESCAPED_COMMA = re.compile(r"([^\\]),")
_EXACT = 10**6
"""From here on Helm prints a number that came from JSON in scientific notation."""


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge mappings deeply, `above` over `below`; lists and null replace, as in Helm."""
    result = dict(below)
    for key, value in above.items():
        before = result.get(key)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            value = merged(before, value)
        result[key] = value
    return result


def set_parameter(values: dict[str, Any], name: str, value: str, *, as_text: bool) -> None:
    """Set one parameter, as `--set` (or `--set-string`, `as_text`) does. Raises RenderError."""
    path = _path(name)
    try:
        _set(values, path, _value(value, as_text=as_text))
    except ValueError as error:
        raise RenderError(f"The parameter {name[:100]!r} {error}.", code="invalid-source") from error


def set_content(values: dict[str, Any], name: str, content: str) -> None:
    """Set a value to a file's content, as `--set-file` does."""
    try:
        _set(values, _path(name), content)
    except ValueError as error:
        raise RenderError(f"The file parameter {name[:100]!r} {error}.", code="invalid-source") from error


def large_integers(parameters: Iterable[NameValue]) -> list[tuple[str, str]]:
    """Return (name, value) of parameters that are integers which Helm prints as 1e+06 unless they come by `--set`."""
    return [(p.name, p.value) for p in parameters if not p.force_string and _is_large(p.value)]


def _is_large(text: str) -> bool:
    return _INTEGER.fullmatch(text) is not None and _EXACT <= abs(int(text[:20])) < 2**63


def _value(text: str, *, as_text: bool) -> Any:
    """Read a value. `{a,b}` is a list; commas elsewhere belong to the text, as Argo CD takes them."""
    if text.startswith("{") and text.endswith("}"):
        inner = text[1:-1]
        return [_typed(part, as_text=as_text) for part in _split(inner, ",")] if inner else []
    return _typed(_UNESCAPED_COMMA.sub(r"\1\\,", text), as_text=as_text)


def _typed(escaped: str, *, as_text: bool) -> Any:
    text = _unescaped(escaped)
    if as_text:
        return text
    word = text.lower()
    if word in ("true", "false"):
        return word == "true"
    if word == "null":
        return None
    # A leading zero makes it text: 0755 is a mode, 0123 an account.
    if _INTEGER.fullmatch(text) and -(2**63) <= int(text) < 2**63:
        return int(text)
    return text


def _path(name: str) -> list[str | int]:
    """Read "a.b[0].c" into its steps; a backslash takes a character as it is."""
    steps: list[str | int] = []
    for part in _split(name, "."):
        head, *indexes = _split(part, "[")
        if head or not indexes:
            steps.append(_unescaped(head))
        steps.extend(_index(index, name) for index in indexes)
    if len(steps) > _MAX_NESTING:
        raise RenderError(f"The parameter {name[:100]!r} is nested too deep.", code="invalid-source")
    if not steps or not isinstance(steps[0], str) or not all(step != "" for step in steps):
        raise RenderError(f"{name[:100]!r} is no parameter's name: write a.b or a[0].b.", code="invalid-source")
    return steps


def _index(text: str, name: str) -> int:
    number = text.removesuffix("]")
    if not text.endswith("]") or not number.isascii() or not number.isdigit() or int(number[:9]) > _MAX_INDEX:
        raise RenderError(f"The parameter {name[:100]!r} has an index that is none.", code="invalid-source")
    return int(number)


def _split(text: str, separator: str) -> list[str]:
    """Split at separators that are not escaped; escapes stay."""
    parts, start, position = [], 0, 0
    while position < len(text):
        if text[position] == "\\":
            position += 1
        elif text[position] == separator:
            parts.append(text[start:position])
            start = position + 1
        position += 1
    return [*parts, text[start:]]


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def _set(container: Any, steps: list[str | int], value: Any) -> None:
    for step, following in itertools.pairwise(steps):
        wanted = list if isinstance(following, int) else dict
        inner = _get(container, step)
        if not isinstance(inner, wanted):
            inner = wanted()
        # A copy: what value files gave may be shared.
        inner = inner.copy()
        _put(container, step, inner)
        container = inner
    _put(container, steps[-1], value)


def _get(container: Any, step: str | int) -> Any:
    if isinstance(step, int):
        return container[step] if step < len(container) else None
    return container.get(step)


def _put(container: Any, step: str | int, value: Any) -> None:
    if isinstance(step, int):
        container.extend([None] * (step + 1 - len(container)))
    container[step] = value
