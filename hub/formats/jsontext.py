"""Reading JSON documents: the fast way in for texts that begin with a brace or a bracket.

JSON is what machines write, often megabytes of it, and the YAML reader needs five times as long. The promises are the
YAML reader's: a doubled key is an error with its line, the limits hold, and numbers mean what Kubernetes makes of them.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from hub.formats.errors import FormatError, shown
from hub.formats.limits import Document, Limits
from hub.formats.scalars import resolve_plain

_SPACE = re.compile(r"[ \t\r\n]*")
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]')
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_SMALL_INTEGER = 18
"""Digits, and sign, that always fit 64 bits."""


class NotJson(Exception):
    """The text is not JSON. It may well be YAML."""

    def __init__(self, problem: str, line: int = 0, column: int = 0) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line
        self.column = column

    def as_format_error(self, name: str) -> FormatError:
        return FormatError(self.problem, name=name, line=self.line, column=self.column)


class _DoubledKey(Exception):
    pass


def read_documents(text: str, *, name: str, limits: Limits) -> list[Document]:
    """Read the JSON documents of a text, one after another. Null is left out, as in YAML.

    Raises NotJson when the text is something else, FormatError when it is JSON that is not acceptable.
    """
    if text.count(",") > limits.nodes:
        raise NotJson("there are too many values to read them all at once")
    decoder = json.JSONDecoder(
        object_pairs_hook=_mapping, parse_int=_integer, parse_float=resolve_plain, parse_constant=_constant
    )
    documents: list[Document] = []
    line = 1
    end = 0
    while (start := _after_space(text, end)) < len(text):
        line += text.count("\n", end, start)
        value, end = _decode(decoder, text, start, name, limits)
        if value is not None:
            documents.append(Document(value, name, line))
        if len(documents) > limits.documents:
            raise FormatError(f"there are more than {limits.documents:,} documents", name=name, line=line)
        line += text.count("\n", start, end)
    _measure(documents, name, limits)
    if _SURROGATE.search(text):
        _check_characters(documents)
    return documents


def _decode(decoder: json.JSONDecoder, text: str, start: int, name: str, limits: Limits) -> tuple[Any, int]:
    try:
        return decoder.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise NotJson(error.msg, error.lineno, error.colno) from None
    except _DoubledKey:
        raise _doubled(text, start, name) from None
    except RecursionError:
        line = text.count("\n", 0, start) + 1
        raise FormatError(f"values are nested deeper than {limits.depth}", name=name, line=line) from None


def _after_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _DoubledKey
    return result


def _integer(digits: str) -> Any:
    return int(digits) if len(digits) <= _SMALL_INTEGER else resolve_plain(digits)


def _constant(word: str) -> NoReturn:
    # JSON has no NaN or Infinity; in YAML they are text.
    raise NotJson(f"{word} is not JSON")


def _doubled(text: str, start: int, name: str) -> FormatError:
    """Find the doubled key that decoding met but has no position for. What comes before it is JSON."""
    stack: list[dict[str, int] | None] = []
    previous: re.Match[str] | None = None
    for found in _PIECE.finditer(text, start):
        piece = found.group()
        if piece in "{[":
            stack.append({} if piece == "{" else None)
        elif piece in "}]":
            stack.pop()
        elif piece == ":" and previous is not None and stack and (keys := stack[-1]) is not None:
            key = json.loads(previous.group())
            at = previous.start()
            if key in keys:
                return _doubled_at(text, name, key, at, keys[key])
            keys[key] = at
        previous = found
    return FormatError("a key is written twice in one mapping", name=name)


def _doubled_at(text: str, name: str, key: str, at: int, first: int) -> FormatError:
    first_line = text.count("\n", 0, first) + 1
    return FormatError(
        f'the key "{shown(key)}" is written twice in one mapping, first on line {first_line}',
        name=name,
        line=text.count("\n", 0, at) + 1,
        column=at - text.rfind("\n", 0, at),
        advice="Remove one of them",
    )


def _measure(documents: list[Document], name: str, limits: Limits) -> None:
    """Hold values to the limits on depth and number."""
    nodes = 0
    level: list[Any] = [document.value for document in documents]
    depth = 0
    while level:
        nodes += len(level)
        if nodes > limits.nodes:
            raise FormatError(f"there are more than {limits.nodes:,} values", name=name)
        level = [v for v in level if type(v) is dict or type(v) is list]
        depth += 1
        if level and depth > limits.depth:
            raise FormatError(f"values are nested deeper than {limits.depth}", name=name)
        level = [item for v in level for item in (v.values() if type(v) is dict else v)]


def _check_characters(documents: list[Document]) -> None:
    try:
        for document in documents:
            json.dumps(document.value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise NotJson("a character is half of a surrogate pair") from None
