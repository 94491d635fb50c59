"""JSON values into Lua's and back.

Lua has one kind of table for lists and maps, and one kind of number. What comes back is read as Argo CD reads it: a
table with text keys is a map, one with the keys 1 to n a list, and an empty one an empty list.
"""

from __future__ import annotations

import math
from typing import Any, Final

MAX_DEPTH: Final = 100
MAX_VALUES: Final = 1_000_000
_EXACT: Final = 2**53


class NoJson(Exception):
    """A value that cannot be passed: the message is the rest of a sentence about it."""


def to_lua(value: Any, depth: int = 0) -> Any:
    """Return a copy of JSON values that becomes plain Lua values: without null, and with whole numbers Lua can hold.

    Raises NoJson for what is nested too deep, or is no JSON value.
    """
    if depth > MAX_DEPTH:
        raise NoJson(f"is nested deeper than {MAX_DEPTH}")
    match value:
        case str():
            return value.encode("utf-8", "replace").decode() if not value.isascii() else value
        case bool() | float():
            return value
        case int():
            return value if -_EXACT <= value <= _EXACT else float(value) if abs(value) < 2**1000 else math.inf
        case dict():
            items = value.items()
            return {str(key): to_lua(item, depth + 1) for key, item in items if item is not None}
        case list():
            return [to_lua(item, depth + 1) for item in value if item is not None]
    raise NoJson(f"holds a {type(value).__name__}")


class Reader:
    """Reads what a script returned."""

    def __init__(self, lua_type: Any) -> None:
        self._lua_type = lua_type
        self._left = MAX_VALUES

    def read(self, value: Any, depth: int = 0) -> Any:
        """Return a Lua value as JSON values. Raises NoJson."""
        self._left -= 1
        if self._left < 0:
            raise NoJson(f"holds more than {MAX_VALUES:,} values")
        if depth > MAX_DEPTH:
            raise NoJson(f"is nested deeper than {MAX_DEPTH}, or contains itself")
        kind = self._lua_type(value)
        if kind == "table":
            return self._table(value, depth)
        if kind is not None:
            raise NoJson(f"holds a {kind}")
        if isinstance(value, float):
            if not math.isfinite(value):
                raise NoJson("holds a number that JSON cannot hold")
            return int(value) if value.is_integer() and abs(value) < _EXACT else value
        return value

    def _table(self, table: Any, depth: int) -> Any:
        items = [(key, self.read(item, depth + 1)) for key, item in table.items()]
        if all(isinstance(key, str) for key, _ in items):
            return dict(items) if items else []
        if not all(type(key) in (int, float) for key, _ in items):
            raise NoJson("mixes names and other values as keys of one table")
        found = dict(items)
        if set(found) != set(range(1, len(found) + 1)):
            raise NoJson("has a list with gaps")
        return [found[index] for index in range(1, len(found) + 1)]
