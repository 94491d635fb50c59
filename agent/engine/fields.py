"""How the engine names a place inside an object.

A place is a `Path`: the tokens of a JSON pointer, list positions as decimal text. One spelling serves what people
write (JSON pointers, jq path expressions), what Kubernetes writes (managedFields) and what drift reports show, so that
the three can be laid over one another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any, Final

Path = tuple[str, ...]

MAX_DEPTH: Final = 100
"""Paths longer than this are not served: no Kubernetes type comes near, and it bounds every recursion over paths."""


class Absent(Enum):
    """The type of `ABSENT`, which stands where an object has no such field: null is a value, absence is not."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent.ABSENT


def parse_pointer(text: str) -> Path:
    """Read a JSON pointer (RFC 6901). Raises ValueError when it is none, or is deeper than `MAX_DEPTH`."""
    if not text.startswith("/"):
        raise ValueError('a JSON pointer begins with "/"')
    tokens = text[1:].split("/")
    if len(tokens) > MAX_DEPTH:
        raise ValueError(f"it is more than {MAX_DEPTH} levels deep")
    for token in tokens:
        if "~" in token.replace("~0", "").replace("~1", ""):
            raise ValueError('"~" is written "~0" and "/" is written "~1"')
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in tokens)


def format_pointer(path: Iterable[str]) -> str:
    """Write a path as a JSON pointer; the whole object is ""."""
    return "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in path)


def child(value: Any, token: str) -> Any:
    """Return the member of a map or the item of a list that a token names, or ABSENT."""
    if isinstance(value, dict):
        return value.get(token, ABSENT)
    if isinstance(value, list) and token.isascii() and token.isdigit() and len(token) < 10 and int(token) < len(value):
        return value[int(token)]
    return ABSENT


def lookup(value: Any, path: Iterable[str]) -> Any:
    """Return what stands at a path, or ABSENT."""
    for token in path:
        value = child(value, token)
        if value is ABSENT:
            return ABSENT
    return value


class PathTree:
    """A set of paths, each standing for everything below it too."""

    __slots__ = ("children", "whole")

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        self.children: dict[str, PathTree] = {}
        self.whole = False
        """Everything from here down belongs to the set."""
        for path in paths:
            self.add(path)

    def __bool__(self) -> bool:
        return self.whole or bool(self.children)

    def add(self, path: Path) -> None:
        """Add a path; one deeper than `MAX_DEPTH` is left out."""
        if len(path) > MAX_DEPTH:
            return
        node = self
        for token in path:
            node = node.children.setdefault(token, PathTree())
        node.whole = True

    def child(self, token: str) -> PathTree:
        """Return the part of the set below one token, seen from there."""
        if self.whole:
            return self
        return self.children.get(token, NOWHERE)

    def paths(self) -> Iterator[Path]:
        """Yield the paths, outermost only, in a stable order."""
        if self.whole:
            yield ()
            return
        for token in sorted(self.children):
            for path in self.children[token].paths():
                yield (token, *path)

    def prune(self, value: Any) -> Any:
        """Return a value without the places of the set; ABSENT when that leaves nothing.

        What is left is shared with the value, not copied. A map or list that was empty before stays.
        """
        if self.whole:
            return ABSENT
        if not self.children or not isinstance(value, dict | list):
            return value
        if isinstance(value, dict):
            pruned = ((k, self.child(k).prune(v)) for k, v in value.items())
            kept: Any = {k: v for k, v in pruned if v is not ABSENT}
        else:
            items = (self.child(str(i)).prune(v) for i, v in enumerate(value))
            kept = [v for v in items if v is not ABSENT]
        return kept if kept or not value else ABSENT


NOWHERE: Final = PathTree()
"""The empty set of paths. Nothing is ever added to it."""
