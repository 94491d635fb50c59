"""Domain dataclasses ⇄ JSON text, in one place, so that every table reads and writes documents alike.

Encoding is orjson's native walk over dataclasses; decoding is pydantic's, which builds the same frozen dataclasses.
Whatever `encode` accepts, `decode` reads back: both libraries bound the nesting, so the tighter bound (pydantic's) is
enforced on the way in.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from types import GenericAlias
from typing import Any, TypeVar

import orjson
from pydantic import ConfigDict, TypeAdapter, ValidationError

from hub.errors import HubError, Invalid

T = TypeVar("T")

# orjson takes 254 levels, pydantic reads 200. Encoding inside this many lists leaves a document 198.
_WRAPS = 56

_READERS: dict[object, TypeAdapter[Any]] = {}


def encode(value: Any) -> str:
    """Return a value's JSON text. Raises Invalid for what JSON cannot say: an integer over 64 bits, a lone surrogate,
    a key that is not text, or more than 198 levels of nesting."""
    nested = value
    for _ in range(_WRAPS):
        nested = (nested,)
    try:
        text = orjson.dumps(nested, default=_plain)
    except TypeError as error:
        raise Invalid(f"{_name(type(value))}: a value in it cannot be stored as JSON: {error}") from error
    return text[_WRAPS:-_WRAPS].decode()


def decode(kind: type[T], text: str) -> T:
    """Build a value from what `encode` returned. Raises HubError when the text is something else."""
    try:
        value: T = _reader(kind).validate_json(f"[{text}]")[0]
    except ValidationError as error:
        # The error quotes its input, which may hold secrets: only its first line, a count, is repeated.
        raise HubError(f"a stored {_name(kind)} cannot be read: {str(error).splitlines()[0]}") from None
    return value


def encode_checked(kind: type[T], value: T) -> str:
    """Encode something that came from outside, sure that it can be read back: a field of the wrong type is found
    here, and not when a list of everything is read. Raises Invalid."""
    text = encode(value)
    try:
        decode(kind, text)
    except HubError as error:
        cause = error.__context__
        where = (
            ".".join(str(part) for part in cause.errors()[0]["loc"][1:]) if isinstance(cause, ValidationError) else ""
        )
        raise Invalid(f"{_name(kind)}: {where or 'a field'} has a value of the wrong type") from None
    return text


def _reader(kind: object) -> TypeAdapter[Any]:
    reader = _READERS.get(kind)
    if reader is None:
        # A dataclass takes no configuration through its adapter, but takes on that of a tuple around it.
        shape: Any = GenericAlias(tuple, (kind,))
        reader = _READERS[kind] = TypeAdapter(shape, config=ConfigDict(val_json_bytes="base64"))
    return reader


def _plain(value: Any) -> Any:
    """What orjson does not write itself: named tuples, bytes, and mappings that are not dicts."""
    match value:
        case bytes():
            return urlsafe_b64encode(value).decode()
        case tuple():
            return list(value)
        case Mapping():
            return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _name(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind))
