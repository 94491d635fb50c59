"""Frozen dataclasses to JSON and back, for what the agent keeps on disk.

orjson writes dataclasses by itself; reading needs the types. A field that is absent takes its default, and one that is
unknown is passed over, so that an agent reads what the version before it or after it wrote.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from enum import Enum
from functools import cache
from typing import Any, TypeVar

import orjson

T = TypeVar("T")


def encode(value: Any) -> bytes:
    """Encode a dataclass as JSON, equal values to equal bytes."""
    return orjson.dumps(value, default=_as_list, option=orjson.OPT_SORT_KEYS)


def _as_list(value: Any) -> list[Any]:
    if isinstance(value, tuple):  # a NamedTuple: orjson writes plain tuples only
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot be kept on disk")


def decode(cls: type[T], content: bytes) -> T:
    """Read what `encode` wrote. Raises ValueError when it does not fit the type."""
    try:
        value: T = _build(cls, orjson.loads(content))
    except (TypeError, KeyError, AttributeError, IndexError) as error:
        raise ValueError(f"not a {cls.__name__}: {error}") from error
    return value


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _build(hint: Any, value: Any) -> Any:
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        inner = next(a for a in typing.get_args(hint) if a is not type(None))
        return _build(inner, value)
    if origin is tuple:
        item = typing.get_args(hint)[0]
        return tuple(_build(item, v) for v in value)
    if not isinstance(hint, type):
        return value
    if dataclasses.is_dataclass(hint):
        hints = _hints(hint)
        known = {f.name for f in dataclasses.fields(hint)}
        return hint(**{k: _build(hints[k], v) for k, v in value.items() if k in known})
    if issubclass(hint, tuple):
        return hint(*value)
    if issubclass(hint, Enum):
        return hint(value)
    return value
