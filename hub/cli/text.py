"""Words on a terminal: harmless, aligned, and coloured only where somebody can see it.

Much of what is shown comes from Git, from clusters and from other people; a control character in it must not reach the
terminal, where it could hide or forge lines.
"""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import IO, Any

import click

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_BLOCK_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")

_COLOURS: Mapping[str, str] = {
    **dict.fromkeys(("Synced", "Healthy", "Connected", "Succeeded", "created", "configured", "Pruned"), "green"),
    **dict.fromkeys(
        (
            "OutOfSync",
            "Progressing",
            "Running",
            "Terminating",
            "Missing",
            "Suspended",
            "NeverConnected",
            "PruneSkipped",
        ),
        "yellow",
    ),
    **dict.fromkeys(("Degraded", "Failed", "Error", "SyncFailed", "Unreachable", "warning"), "red"),
    "Unknown": "magenta",
}


def clean(text: object) -> str:
    """Return text for one line of output."""
    return _CONTROL.sub(lambda match: " " if match[0] in "\n\r\t" else "\N{REPLACEMENT CHARACTER}", str(text))


def clean_block(text: str) -> str:
    """Return text of several lines without anything else that steers a terminal."""
    return _BLOCK_CONTROL.sub(lambda match: "" if match[0] == "\r" else "\N{REPLACEMENT CHARACTER}", text)


def has_colour(stream: IO[Any]) -> bool:
    """Tell whether a stream is a terminal that shows colours to somebody who wants them."""
    return bool(stream.isatty()) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, word: str = "") -> str:
    """Return text in the colour of a status word (its own else), where standard output shows colours."""
    colour = _COLOURS.get(word or text.strip())
    return click.style(text, fg=colour) if colour and has_colour(sys.stdout) else text


def bold(text: str) -> str:
    return click.style(text, bold=True) if has_colour(sys.stdout) else text


def width(text: str) -> int:
    """Return how many columns a line takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def table(titles: Sequence[str], rows: Iterable[Sequence[str]], *, indent: str = "") -> list[str]:
    """Return aligned lines, the titles first. Cells are made harmless here."""
    cells = [[clean(cell) for cell in row] for row in rows]
    widths = [max([width(title), *(width(row[i]) for row in cells)]) for i, title in enumerate(titles)]
    lines = [indent + _line(titles, widths, coloured=False)]
    return lines + [indent + _line(row, widths, coloured=True) for row in cells]


def _line(row: Sequence[str], widths: Sequence[int], *, coloured: bool) -> str:
    padded = [cell + " " * (size - width(cell)) for cell, size in zip(row, widths, strict=True)]
    padded[-1] = padded[-1].rstrip()
    shown = [paint(cell) for cell in padded] if coloured else padded
    return "   ".join(shown).rstrip()


def fields(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Return "Name:   value" lines with the values below each other; a pair without a value is left out."""
    given = [(f"{name}:", value) for name, value in pairs if value]
    size = max((len(name) for name, _ in given), default=0)
    return [f"{name:<{size}}  {value}" for name, value in given]


def now() -> datetime:
    return datetime.now(UTC)


def age(at: str | None) -> str:
    """Return how long ago an RFC 3339 time was, in its largest unit ("3m"); "" when there is none."""
    if not at:
        return ""
    try:
        then = datetime.fromisoformat(at)
    except ValueError:
        return clean(at)
    return duration(max(0, int((now() - then.astimezone(UTC)).total_seconds())))


def ago(at: str | None) -> str:
    passed = age(at)
    return f"{passed} ago" if passed else ""


def duration(seconds: int) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size or (seconds >= size and unit != "m"):
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def plural(count: int, noun: str, nouns: str = "") -> str:
    return f"{count} {noun if count == 1 else nouns or noun + 's'}"
