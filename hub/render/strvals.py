"""Helm's `--set` expressions, read as Helm reads them: `a.b[0]=c,d={e,f}`, a backslash takes a character as it is.

A port, for Helm's own parser sets into nothing but what it parsed itself, and gives back no more than JSON, in which a
number of `--set` and one of a values file look the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

MOST_INDEX = 65_536
MOST_NESTING = 30

_INTEGER = re.compile(r"[+-]?[0-9]+")
_ENDS_KEY = frozenset("=[,.")
_ENDS_INDEX = frozenset("]")
_ENDS_ITEM = frozenset("[.=")
_ENDS_VALUE = frozenset(",")
_ENDS_LIST = frozenset(",}")


class SetInteger(int):
    """An integer that came by `--set`: templates see an int64, where those of values files are floats."""


Read = Callable[[str], Any]
"""What a value's text stands for."""


def typed(text: str) -> Any:
    """Read a value as `--set` does. A leading zero makes it text: 0755 is a mode, 0123 an account."""
    word = text.casefold()
    if word in ("true", "false"):
        return word == "true"
    if word == "null":
        return None
    if text == "0" or (text[:1] != "0" and len(text) < 25 and _INTEGER.fullmatch(text)):
        number = int(text)
        return SetInteger(number) if -(2**63) <= number < 2**63 else text
    return text


def parse_into(values: dict[str, Any], text: str, read: Read = typed) -> None:
    """Set what an expression says, in place. Raises ValueError, which says what is wrong with it."""
    parser = _Parser(text, read)
    while parser.more:
        parser.key(values, 0)


class _Parser:
    def __init__(self, text: str, read: Read) -> None:
        self._text = text
        self._read = read
        self._at = 0

    @property
    def more(self) -> bool:
        return self._at < len(self._text)

    def _until(self, stops: frozenset[str]) -> tuple[str, str]:
        """Return the text up to one of these, and which one it was; "" at the end."""
        found: list[str] = []
        while self._at < len(self._text):
            character = self._text[self._at]
            self._at += 1
            if character in stops:
                return "".join(found), character
            if character == "\\":
                if not self.more:
                    break
                character = self._text[self._at]
                self._at += 1
            found.append(character)
        return "".join(found), ""

    def key(self, values: dict[str, Any], nesting: int) -> bool:
        """Set one key. Says whether the text ends where a value should begin."""
        ended = False
        name, last = self._until(_ENDS_KEY)
        if last in ("", ","):
            raise ValueError(f"has no value for {name[:100]!r}")
        if name == "":
            # Helm passes over it, and sets nothing.
            raise ValueError("has a step without a name: write a.b or a[0].b")
        if last == "[":
            items = values.get(name, [])
            if not isinstance(items, list):
                raise ValueError(f"has an index into {name[:100]!r}, which is no list")
            values[name], ended = self._item(items, self._index(), nesting)
        elif last == "=":
            ended = not self.more
            values[name] = self._value()
        else:
            values[name], ended = self._inner(values.get(name, {}), name, nesting)
        return ended

    def _inner(self, inner: Any, name: str, nesting: int) -> tuple[dict[str, Any], bool]:
        if nesting >= MOST_NESTING:
            raise ValueError(f"is nested deeper than {MOST_NESTING}")
        if not isinstance(inner, dict):
            raise ValueError(f"sets something in {name[:100]!r}, which is no mapping")
        return inner, self.key(inner, nesting + 1)

    def _index(self) -> int:
        text, _ = self._until(_ENDS_INDEX)
        if not _INTEGER.fullmatch(text) or not 0 <= int(text[:20]) <= MOST_INDEX:
            raise ValueError(f"has an index that is none, or over {MOST_INDEX:,}")
        return int(text)

    def _item(self, items: list[Any], index: int, nesting: int) -> tuple[list[Any], bool]:
        ended = False
        text, last = self._until(_ENDS_ITEM)
        if text or not last:
            raise ValueError("has an index that nothing follows")
        before = items[index] if index < len(items) else None
        if last == "=":
            value: Any = self._value()
        elif nesting >= MOST_NESTING:
            raise ValueError(f"is nested deeper than {MOST_NESTING}")
        elif last == "[":
            if not isinstance(before, list | None):
                raise ValueError("has an index into what is no list")
            value, ended = self._item(before or [], self._index(), nesting + 1)
        else:
            value = before if isinstance(before, dict) else {}
            if index < len(items):
                items[index] = value
            ended = self.key(value, nesting + 1)
        if ended:
            # In Helm `a[0].b=` adds nothing to the list.
            return items, True
        items += [None] * (index + 1 - len(items))
        items[index] = value
        return items, False

    def _value(self) -> Any:
        if not self.more:
            return ""
        if self._text[self._at] == "{":
            self._at += 1
            return self._list()
        return self._read(self._until(_ENDS_VALUE)[0])

    def _list(self) -> list[Any]:
        found = []
        while True:
            text, last = self._until(_ENDS_LIST)
            if not last:
                raise ValueError("begins a list that is not closed: add '}', or a backslash before '{'")
            found.append(self._read(text))
            if last == "}":
                if self._text[self._at : self._at + 1] == ",":
                    self._at += 1
                return found
