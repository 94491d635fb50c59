"""How much of a text is read, and what reading gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Limits:
    """What one text may hold; a text beyond any of these is refused while it is read."""

    bytes: int = 50_000_000
    documents: int = 100_000
    depth: int = 100
    """Mappings and lists inside one another. Beyond some 200 the reader's own stack is the limit."""
    nodes: int = 5_000_000
    """Values, with aliases resolved."""


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a text: JSON values only (dict with str keys, list, str, int, float, bool, None)."""

    value: Any
    name: str
    """The text's name, as the reader was given it."""
    line: int
    """Where the document's content begins, from 1."""
