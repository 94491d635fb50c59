"""Writes JSON values as YAML for people to read.

Small enough to be worth having: it needs no library in the agent, keeps the order people expect, never fails on depth,
and its text for a value is always the same, which a line-by-line comparison depends on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from agent.engine.normalize import canonical

_FIRST: Final = {"apiVersion": 0, "kind": 1, "metadata": 2, "name": 3, "namespace": 4}

_MAX_DEPTH: Final = 64
"""Deeper values are written as JSON on one line, which is YAML too."""

_PLAIN: Final = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*(?::[A-Za-z0-9_./-]+)*", re.ASCII)
_RESERVED: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_BLOCK_LINE: Final = re.compile(
    r"[\t\x20-\x7e\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*"
)
"""What a literal block can hold in any reader."""


def lines(value: Any) -> Iterator[str]:
    """Yield the lines of a value as YAML. Maps are sorted: apiVersion, kind, metadata, name, namespace, the rest."""
    if isinstance(value, dict) and value:
        yield from _map(value, 0)
    elif isinstance(value, list) and value:
        yield from _list(value, 0)
    else:
        yield _inline(value)


def _map(value: dict[str, Any], depth: int) -> Iterator[str]:
    for key in sorted(value, key=lambda k: (_FIRST.get(k, len(_FIRST)), k)):
        yield from _entry(f"{_text(key)}:", value[key], depth)


def _list(value: list[Any], depth: int) -> Iterator[str]:
    for item in value:
        if isinstance(item, dict) and item and depth < _MAX_DEPTH:
            # The item's first member shares the line of the dash.
            mark = "- "
            for line in _map(item, depth + 1):
                yield mark + line
                mark = "  "
        else:
            yield from _entry("-", item, depth)


def _entry(head: str, value: Any, depth: int) -> Iterator[str]:
    """Yield one member of a map or item of a list, after what introduces it."""
    block = _block_lines(value) if isinstance(value, str) else None
    if block is not None:
        yield f"{head} {_block_header(value)}"
        yield from ("  " + line if line else "" for line in block)
    elif isinstance(value, dict | list) and value and depth < _MAX_DEPTH:
        yield head
        below = _map(value, depth + 1) if isinstance(value, dict) else _list(value, depth + 1)
        # As kubectl writes it, a list stands under its key, not to the right of it.
        indent = "" if isinstance(value, list) and head != "-" else "  "
        yield from (indent + line if line else "" for line in below)
    else:
        yield f"{head} {_inline(value)}"


def _block_lines(text: str) -> list[str] | None:
    """Return the lines of a text that can be written as a literal block, else None."""
    if "\n" not in text or text[0] in " \n":
        return None
    block = text.removesuffix("\n").split("\n")
    if not block[-1] or any(line.endswith(" ") or not _BLOCK_LINE.fullmatch(line) for line in block):
        return None
    return block


def _block_header(text: str) -> str:
    return "|" if text.endswith("\n") else "|-"


def _inline(value: Any) -> str:
    return _text(value) if isinstance(value, str) else canonical(value).decode("utf-8", "replace")


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _RESERVED:
        return text
    return canonical(text).decode("utf-8", "replace")
