"""Globs of kinds, names: `*`, `?`, `[ab]`, `[!ab]`, `{a,b}`. Python's own know no braces, which are written out here.

Whoever writes an Application or an AppProject chooses them, so what one may cost is bounded.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from itertools import product
from typing import Final

MAX_ALTERNATIVES: Final = 64
MAX_PATTERN: Final = 256


def glob_matches(patterns: tuple[str, ...], text: str) -> bool:
    """Say whether any of what `glob_patterns` returned matches the whole of a text."""
    return any(pattern == "*" or fnmatchcase(text, pattern) for pattern in patterns)


def glob_patterns(pattern: str) -> tuple[str, ...]:
    """Return what a glob stands for without braces: "{x,y}.io" is "x.io" or "y.io". Raises ValueError."""
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"a pattern has at most {MAX_PATTERN} characters")
    pieces: list[list[str]] = []
    rest = pattern
    while rest:
        plain, brace, rest = rest.partition("{")
        pieces.append([plain])
        if brace:
            inside, closed, rest = rest.partition("}")
            if not closed or "{" in inside:
                raise ValueError('in a pattern every "{" has its "}", and none stands in another')
            pieces.append(inside.split(","))
    count = 1
    for piece in pieces:
        count *= len(piece)
    if count > MAX_ALTERNATIVES:
        raise ValueError(f"it stands for more than {MAX_ALTERNATIVES} patterns")
    return tuple("".join(choice) for choice in product(*pieces))
