"""Globs as AppProjects use them.

`*` matches any run of characters but the separator, `**` any run at all, `?` one character, `[a-z]` and `[!a-z]` one of
a class, `{a,b}` either, and a backslash makes the next character plain. Whoever writes a project chooses the patterns,
so matching takes time in proportion to pattern times text and never more: no backtracking.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

_LONGEST = 2048
_MOST_ALTERNATIVES = 256
_SPECIAL = re.compile(r"[*?\[{\\]")
_PIECE = re.compile(r"\*\*+|\*|\?|\[(?P<not>[!^]?)(?P<class>\]?[^\]]*)\]|\\(?P<plain>.)|(?P<other>.)", re.DOTALL)


class _Piece(NamedTuple):
    repeats: bool
    negated: bool
    characters: frozenset[str]
    """The characters it matches, or when negated does not."""

    def accepts(self, character: str) -> bool:
        return (character in self.characters) is not self.negated


@lru_cache(maxsize=65_536)
def glob_match(pattern: str, text: str, separator: str = "") -> bool:
    """Tell whether the whole text matches. A lone `*` matches everything, separators too, as in Argo CD."""
    if pattern == "*":
        return True
    if not _SPECIAL.search(pattern):
        return pattern == text
    if len(pattern) > _LONGEST or len(text) > _LONGEST:
        return False
    return any(_matches(pieces, text) for pieces in _compiled(pattern, separator))


def _matches(pieces: tuple[_Piece, ...], text: str) -> bool:
    """Follow all ways through the pattern at once; a state is the number of pieces done with."""
    states = _past_repeats(pieces, {0})
    for character in text:
        after = set()
        for state in states:
            if state < len(pieces) and pieces[state].accepts(character):
                after.add(state if pieces[state].repeats else state + 1)
        if not after:
            return False
        states = _past_repeats(pieces, after)
    return len(pieces) in states


def _past_repeats(pieces: tuple[_Piece, ...], states: set[int]) -> set[int]:
    """Add the states reached by repeating zero times."""
    result = set(states)
    for state in states:
        reached = state
        while reached < len(pieces) and pieces[reached].repeats:
            reached += 1
            result.add(reached)
    return result


@lru_cache(maxsize=4096)
def _compiled(pattern: str, separator: str) -> tuple[tuple[_Piece, ...], ...]:
    return tuple(tuple(_pieces(alternative, separator)) for alternative in _alternatives(pattern))


def _pieces(pattern: str, separator: str) -> Iterator[_Piece]:
    for found in _PIECE.finditer(pattern):
        text = found.group()
        if text.startswith("*"):
            yield _Piece(True, True, frozenset() if len(text) > 1 else frozenset(separator))
        elif text == "?":
            yield _Piece(False, True, frozenset(separator))
        elif found["class"] is not None:
            negated = bool(found["not"])
            yield _Piece(False, negated, _class(found["class"]) | frozenset(separator if negated else ""))
        else:
            yield _Piece(False, False, frozenset(found["plain"] or found["other"]))


def _class(text: str) -> frozenset[str]:
    characters: set[str] = set()
    position = 0
    while position < len(text):
        if text[position + 1 : position + 2] == "-" and position + 2 < len(text):
            first, last = ord(text[position]), ord(text[position + 2])
            # A range over all of Unicode is not what anybody writes for repositories or namespaces.
            characters.update(map(chr, range(first, min(last, first + 255) + 1)))
            position += 3
        else:
            characters.add(text[position])
            position += 1
    return frozenset(characters)


def _alternatives(pattern: str) -> list[str]:
    """Write out `{a,b}`; braces do not nest, and one without its pair is a plain character."""
    result = [""]
    position = 0
    for found in re.finditer(r"\\.|\{([^{}]*)\}", pattern, re.DOTALL):
        if found.group(1) is None:
            continue
        before = pattern[position : found.start()]
        result = [f"{start}{before}{choice}" for start in result for choice in found.group(1).split(",")]
        if len(result) > _MOST_ALTERNATIVES:
            return []
        position = found.end()
    return [start + pattern[position:] for start in result]
