"""Reads a few texts out of JSON of any size, without making anything of the rest.

A push may come with megabytes of commits, of which nothing is wanted; as Python objects they would take twenty times
their size. What is passed over is checked for its brackets and quotes only.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

TEXT: Final = "text"
"""In place of a value: a text is wanted."""

Wanted = Any
"""What is wanted of a value: TEXT, a mapping of keys to what is wanted of theirs, or a list of what is wanted of each
element."""

_MOST_TEXT = 4096
"""Characters of a text, quotes and escapes included where it is large. Longer ones are passed over."""
_MOST_ITEMS = 100
"""Of a list; the rest is passed over."""
_MOST_STEPS = 1_000_000
"""From bracket to bracket of one list or object that is passed over: about a second's work."""

_SPACE = re.compile(rb"[ \t\r\n]*+")
_STRING = re.compile(rb'"(?:[^"\\\x00-\x1f]++|\\[\x20-\x7e])*+"')
_SCALAR = re.compile(rb"(?:true|false|null|-?[0-9][0-9.eE+-]*+)(?=[ \t\r\n,\]}]|\Z)")
_FLAT = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\\x00-\x1f]++|\\[\x20-\x7e])*+")++')
"""What stands between brackets."""
_BRACKETS = re.compile(rb"[\[\]{}]++")


class Unreadable(ValueError):
    """It is not JSON."""


SMALL = 1024 * 1024
"""Bytes that are made Python objects of without a thought: that is ten times as fast, and tells every mistake."""


def read(data: bytes | bytearray, wanted: Mapping[str, Wanted]) -> dict[str, Any]:
    """Return what is wanted of an object and is there; what is of another kind than wanted is left out. Raises
    Unreadable."""
    if len(data) > SMALL:
        return skim(data, wanted)
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Unreadable from error
    if not isinstance(value, dict):
        raise Unreadable
    found = _picked(value, wanted)
    assert isinstance(found, dict)
    return found


def _picked(value: Any, wanted: Wanted) -> Any:
    if isinstance(value, dict) and isinstance(wanted, Mapping):
        picked = ((key, _picked(value[key], inner)) for key, inner in wanted.items() if key in value)
        return {key: item for key, item in picked if item is not None}
    if isinstance(value, list) and isinstance(wanted, list):
        found = (_picked(item, wanted[0]) for item in value)
        return list(itertools.islice((item for item in found if item is not None), _MOST_ITEMS))
    if isinstance(value, str) and wanted is TEXT:
        return value if len(value) <= _MOST_TEXT else None
    return None


def skim(data: bytes | bytearray, wanted: Mapping[str, Wanted]) -> dict[str, Any]:
    """Do the same in little memory, with less of an eye for mistakes in what is passed over. Raises Unreadable."""
    reader = _Reader(data)
    reader.space()
    if reader.next() != b"{":
        raise Unreadable
    found = reader.value(wanted)
    reader.space()
    if reader.position != len(data):
        raise Unreadable
    assert isinstance(found, dict)
    return found


class _Reader:
    """At the beginning of a value before each call, behind it afterwards."""

    def __init__(self, data: bytes | bytearray) -> None:
        self._data = data
        self.position = 0

    def next(self) -> bytes:
        return bytes(self._data[self.position : self.position + 1])

    def space(self) -> None:
        self._take(_SPACE)

    def value(self, wanted: Wanted) -> Any:
        """Return what is wanted of the value, None where there is nothing."""
        first = self.next()
        if first == b"{" and isinstance(wanted, Mapping):
            return self._object(wanted)
        if first == b"[" and isinstance(wanted, list):
            return self._list(wanted[0])
        if first == b'"':
            return self._text() if wanted is TEXT else self._take(_STRING) and None
        if first in (b"{", b"["):
            self._skip()
        else:
            self._take(_SCALAR)
        return None

    def _object(self, wanted: Mapping[str, Wanted]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self.position += 1
        self.space()
        if self._ends(b"}"):
            return found
        while True:
            if self.next() != b'"':
                raise Unreadable
            key = self._text()
            self.space()
            self._expect(b":")
            self.space()
            value = self.value(wanted.get(key) if key is not None else None)
            if value is not None and key is not None:
                found[key] = value
            elif key is not None:
                # Written twice: the last counts, whatever it is.
                found.pop(key, None)
            self.space()
            if self._ends(b"}"):
                return found
            self._expect(b",")
            self.space()

    def _list(self, wanted: Wanted) -> list[Any]:
        found: list[Any] = []
        self.position += 1
        self.space()
        if self._ends(b"]"):
            return found
        while True:
            value = self.value(wanted if len(found) < _MOST_ITEMS else None)
            if value is not None:
                found.append(value)
            self.space()
            if self._ends(b"]"):
                return found
            self._expect(b",")
            self.space()

    def _text(self) -> str | None:
        """Return a text, None for one that is too long."""
        start = self.position
        self._take(_STRING)
        if self.position - start > _MOST_TEXT:
            return None
        try:
            text = orjson.loads(self._data[start : self.position])
        except orjson.JSONDecodeError as error:
            raise Unreadable from error
        assert isinstance(text, str)
        return text

    def _skip(self) -> None:
        """Pass over a list or an object."""
        depth = 0
        for _ in range(_MOST_STEPS):
            brackets = _BRACKETS.match(self._data, self.position)
            if brackets is None:
                self._take(_FLAT)
                continue
            for place, bracket in enumerate(brackets[0], brackets.start()):
                depth += 1 if bracket in b"{[" else -1
                if not depth:
                    self.position = place + 1
                    return
            self.position = brackets.end()
        raise Unreadable

    def _take(self, pattern: re.Pattern[bytes]) -> bool:
        found = pattern.match(self._data, self.position)
        if found is None:
            raise Unreadable
        self.position = found.end()
        return True

    def _ends(self, bracket: bytes) -> bool:
        if self.next() != bracket:
            return False
        self.position += 1
        return True

    def _expect(self, mark: bytes) -> None:
        if not self._ends(mark):
            raise Unreadable
