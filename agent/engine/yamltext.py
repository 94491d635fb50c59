"""Writes JSON values as YAML for people to read.

Small enough to be worth having: it needs no library in the agent, keeps the order people expect, never fails on depth,
and its text for a value is always the same, which a line-by-line comparison depends on.
"""

from __future__ import annotations

import re
from functools import lru_cache
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


def lines(value: Any) -> list[str]:
    """Return the lines of a value as YAML. Maps are sorted: apiVersion, kind, metadata, name, namespace, the rest."""
    out: list[str] = []
    if isinstance(value, dict) and value:
        _map(out, value, "", "", 0)
    elif isinstance(value, list) and value:
        _list(out, value, "", 0)
    else:
        out.append(_inline(value))
    return out


def _map(out: list[str], value: dict[str, Any], first: str, indent: str, depth: int) -> None:
    """Write the members of a map; `first` stands before the first line, `indent` before the others."""
    for key in sorted(value, key=_rank):
        _entry(out, f"{first}{_key(key)}:", value[key], indent, depth)
        first = indent


def _rank(key: str) -> tuple[int, str]:
    return _FIRST.get(key, len(_FIRST)), key


def _list(out: list[str], value: list[Any], indent: str, depth: int) -> None:
    for item in value:
        if isinstance(item, dict) and item and depth < _MAX_DEPTH:
            # The item's first member shares the line of the dash.
            _map(out, item, indent + "- ", indent + "  ", depth + 1)
        elif isinstance(item, list) and item and depth < _MAX_DEPTH:
            out.append(indent + "-")
            _list(out, item, indent + "  ", depth + 1)
        else:
            _entry(out, indent + "-", item, indent, depth)


def _entry(out: list[str], head: str, value: Any, indent: str, depth: int) -> None:
    """Write one member of a map or plain item of a list, after what introduces it."""
    if isinstance(value, str):
        block = _block_lines(value)
        if block is None:
            out.append(f"{head} {_key(value) if len(value) <= _SHORT else _text(value)}")
        else:
            out.append(f"{head} {_block_header(value)}")
            out += [f"{indent}  {line}" if line else "" for line in block]
    elif type(value) is int and -_PLAIN_INTEGER < value < _PLAIN_INTEGER:
        out.append(f"{head} {value}")
    elif isinstance(value, dict | list) and value and depth < _MAX_DEPTH:
        out.append(head)
        if isinstance(value, dict):
            _map(out, value, indent + "  ", indent + "  ", depth + 1)
        else:
            # As kubectl writes it, a list stands under its key, not to the right of it.
            _list(out, value, indent, depth + 1)
    else:
        out.append(f"{head} {_inline(value)}")


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


@lru_cache(maxsize=2048)
def _key(text: str) -> str:
    """The same for what comes again and again: names of fields, and short texts."""
    return _text(text)


_SHORT: Final = 32
_PLAIN_INTEGER: Final = 1 << 62


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _RESERVED:
        return text
    return canonical(text).decode("utf-8", "replace")
