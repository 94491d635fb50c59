"""From the bytes of a watch to its events. Pure: chunks come as the network cuts them, and nothing here waits.

A watch is one JSON document a line. A line may be megabytes (one object) and may arrive in any number of pieces; what
comes after the last line end when the stream stops is half an event and is never looked at.
"""

from __future__ import annotations

from typing import Any

import orjson

from agent.kube.client import EventType, WatchEvent
from agent.kube.cluster.errors import Target, from_status
from agent.kube.errors import Unreachable

MAX_LINE = 16 << 20
"""Bytes. etcd holds 1.5 MB an object unless told otherwise; JSON and managedFields add to that."""

_TYPES = {str(kind): kind for kind in EventType}


class LineTooLong(Exception):
    """A line exceeds the limit; the watch cannot go on."""


class LineSplitter:
    """Cuts a stream of bytes into lines, in time linear in their length and with no more than one of them held."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    @property
    def pending(self) -> bool:
        """Whether a line has begun and not ended."""
        return self._size > 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the lines that end in this chunk, less blank ones. Raises LineTooLong."""
        *ended, rest = chunk.split(b"\n")
        if ended and self._parts:
            self._check(len(ended[0]))
            self._parts.append(ended[0])
            ended[0] = b"".join(self._parts)
            self._parts.clear()
            self._size = 0
        if rest:
            self._check(len(rest))
            self._parts.append(rest)
            self._size += len(rest)
        return [line for line in ended if line]

    def _check(self, more: int) -> None:
        if self._size + more > self._limit:
            raise LineTooLong


def parse_event(target: Target, line: bytes) -> WatchEvent | None:
    """Return the event of a line, None for a type this version does not know.

    Raises the error that an ERROR event stands for, and Unreachable for what is no event at all.
    """
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Unreachable(f"{target}: the API server sent something that is not JSON") from error
    kind = document.get("type") if isinstance(document, dict) else None
    if kind == "ERROR":
        raise from_status(target, document.get("object"))
    obj: Any = document.get("object") if isinstance(document, dict) else None
    if not isinstance(obj, dict) or not isinstance(obj.get("metadata"), dict):
        raise Unreachable(f"{target}: the API server sent an event without an object")
    known = _TYPES.get(kind) if isinstance(kind, str) else None
    return WatchEvent(known, obj) if known is not None else None
