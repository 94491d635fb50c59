"""Unified diff of two texts, in bounded time whatever they hold.

difflib's own takes half a minute for two texts of 20,000 lines that repeat themselves in an unlucky way, and the agent
has one thread. Here lines are aligned by those that are unique (`pairing`), and difflib only sees the small gaps left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from agent.engine.pairing import align

_GAP_LIMIT: Final = 10_000
"""Largest product of the lengths of two blocks that is looked into for lines they share."""


@dataclass(frozen=True, slots=True)
class _Edit:
    mark: str
    """" " for a line of both texts, "-" for one of the old, "+" for one of the new."""
    line: str


def unified_hunks(old: list[str], new: list[str], context: int) -> Iterator[str]:
    """Yield the lines of the hunks that lead from the old text to the new one; nothing when they are equal."""
    before, after = _shared(old, new, context)
    edits = list(_edits(old[before : len(old) - after], new[before : len(new) - after]))
    changed = [n for n, edit in enumerate(edits) if edit.mark != " "]
    starts = [before, before]
    position = 0
    for first, last in _windows(changed, context, len(edits)):
        for edit in edits[position:first]:
            _count(edit, starts)
        sizes = [0, 0]
        for edit in edits[first:last]:
            _count(edit, sizes)
        yield f"@@ -{_range(starts[0], sizes[0])} +{_range(starts[1], sizes[1])} @@"
        yield from (edit.mark + edit.line for edit in edits[first:last])
        starts = [start + size for start, size in zip(starts, sizes, strict=True)]
        position = last


def _shared(old: list[str], new: list[str], context: int) -> tuple[int, int]:
    """Return how many lines at the beginning and at the end are the same in both, but for those to be shown."""
    length = min(len(old), len(new))
    before = next((n for n in range(length) if old[n] != new[n]), length)
    rest = length - before
    after = next((n for n in range(rest) if old[-1 - n] != new[-1 - n]), rest)
    return max(before - context, 0), max(after - context, 0)


def _windows(changed: list[int], context: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the stretches of edits to show: the changed ones and the lines around them, joined where they meet."""
    first = last = -1
    for n in changed:
        if first >= 0 and n - context > last:
            yield first, last
            first = -1
        if first < 0:
            first = max(n - context, 0)
        last = min(n + 1 + context, end)
    if first >= 0:
        yield first, last


def _count(edit: _Edit, counts: list[int]) -> None:
    counts[0] += edit.mark != "+"
    counts[1] += edit.mark != "-"


def _range(start: int, size: int) -> str:
    if size == 1:
        return str(start + 1)
    return f"{start + 1 if size else start},{size}"


def _edits(old: list[str], new: list[str]) -> Iterator[_Edit]:
    """Yield every line of both texts once, shared ones once for both."""
    removed: list[str] = []
    added: list[str] = []
    for i, j in align(old, new):
        if i is not None and j is not None and old[i] == new[j]:
            yield from _block(removed, added)
            removed, added = [], []
            yield _Edit(" ", old[i])
            continue
        if i is not None:
            removed.append(old[i])
        if j is not None:
            added.append(new[j])
    yield from _block(removed, added)


def _block(removed: list[str], added: list[str]) -> Iterator[_Edit]:
    """Yield a block that was replaced by another, with the lines they still share."""
    if not 0 < len(removed) * len(added) <= _GAP_LIMIT:
        codes = [("replace", 0, len(removed), 0, len(added))]
    else:
        codes = list(SequenceMatcher(None, removed, added, autojunk=False).get_opcodes())
    for tag, i1, i2, j1, j2 in codes:
        if tag == "equal":
            yield from (_Edit(" ", line) for line in removed[i1:i2])
        else:
            yield from (_Edit("-", line) for line in removed[i1:i2])
            yield from (_Edit("+", line) for line in added[j1:j2])
