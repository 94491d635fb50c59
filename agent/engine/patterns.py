"""Regular expressions that people write into an application, bounded in what they can cost.

Python's matcher tries every way a text can be divided; a pattern of twenty characters keeps it busy for years. What is
taken here cannot: nothing that repeats stands in something that repeats, and few things repeat at all.
"""

from __future__ import annotations

import re
import warnings
from typing import Final

MAX_PATTERN: Final = 200
MAX_TEXT: Final = 253
"""Characters of a text that is looked at, as many as a name has. A longer one matches nothing."""
MAX_COUNT: Final = 100
_MAX_WAYS: Final = 1 << 20
"""Ways in which a text can be divided, at most: two for every choice, one for each character for every repetition."""

_FLAGS: Final = {"g": 0, "i": re.IGNORECASE, "x": re.VERBOSE, "s": re.DOTALL, "n": 0, "l": 0}
_PIECE: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]|\{(\d*)(,?)(\d*)\}|.", re.DOTALL)


def pattern(text: str, flags: str = "") -> re.Pattern[str]:
    """Compile a regular expression. Raises ValueError for what is none, or could cost too much."""
    if len(text) > MAX_PATTERN:
        raise ValueError(f"it has more than {MAX_PATTERN} characters")
    unknown = flags.strip("".join(_FLAGS))
    if unknown:
        raise ValueError(f"there is no flag {unknown[0]!r}")
    _check(text)
    value = 0
    for flag in flags:
        value |= _FLAGS[flag]
    try:
        with warnings.catch_warnings():
            # What means something else to others than to Python: a set in a set.
            warnings.simplefilter("error", FutureWarning)
            return re.compile(text, value)
    except (re.error, OverflowError, RecursionError, FutureWarning) as error:
        raise ValueError(str(error)) from None


def matches(text: str, compiled: re.Pattern[str]) -> bool:
    """Say whether a pattern is found in a text."""
    return len(text) <= MAX_TEXT and compiled.search(text) is not None


def _check(text: str) -> None:
    ways = 1
    before = ""
    for match in _PIECE.finditer(text):
        piece = match[0]
        if before == "(" and piece == "?":
            if not text.startswith(("?:", "?i)"), match.start()):
                raise ValueError("groups of this kind are not served")
        elif piece in ("?", "|"):
            ways *= 2
        if piece[0] == "\\" and piece[1:].isdigit() and piece != "\\0":
            raise ValueError("references to groups are not served")
        count = _repeats(piece, match)
        if count > 1 and before == ")":
            raise ValueError("a group that repeats is not served")
        ways *= count
        before = piece
    if ways > _MAX_WAYS:
        raise ValueError("it has too many choices and repetitions")


def _repeats(piece: str, match: re.Match[str]) -> int:
    """Return in how many ways a piece repeats what stands before it; 1 where it does not repeat it."""
    if piece in ("*", "+"):
        return MAX_TEXT
    if piece[0] != "{" or not (match[1] or match[2]):
        return 1
    low, comma, high = int(match[1] or 0), match[2], match[3]
    if max(low, int(high or 0)) > MAX_COUNT:
        raise ValueError(f"nothing may be repeated more than {MAX_COUNT} times")
    if not comma:
        return 1
    return max(int(high) - low, 1) + 1 if high else MAX_TEXT
