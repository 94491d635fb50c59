"""Which item of one list answers to which item of another.

Comparing lists position by position turns one container put in front into a difference of every container after it.
Items are paired the way a person would: by name where they have one, else by what stayed the same around the change.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any, Final

import orjson

Pair = tuple[int | None, int | None]
"""Positions in the assigned and in the live list; None where the other list has no counterpart."""

_KEYS: Final = (
    ("name",),
    ("containerPort", "protocol"),
    ("port", "protocol"),
    ("mountPath",),
    ("devicePath",),
    ("type",),
    ("key",),
    ("kind", "namespace", "name"),
    ("topologyKey", "whenUnsatisfiable"),
    ("ip",),
    ("host",),
    ("path",),
    ("id",),
    ("uid",),
)
"""Fields that tell items of a list apart, tried in order. The first field of each must be there, the others may be.

The list types of the API's schema are not used: custom resources seldom declare them, and what is wanted here is
output that reads well, which costs nothing when it guesses wrong.
"""


def pair_items(assigned: Sequence[Any], live: Sequence[Any]) -> list[Pair]:
    """Pair the items of two lists: the assigned list's order, then what is live only. Each item appears once."""
    for fields in _KEYS:
        keys = _identities(assigned, fields), _identities(live, fields)
        if keys[0] is not None and keys[1] is not None:
            return _by_identity(keys[0], keys[1])
    try:
        texts = [orjson.dumps(item, option=orjson.OPT_SORT_KEYS) for item in (*assigned, *live)]
    except TypeError:
        # Nested deeper than any real object: not worth the time that reading it again at every level would take.
        return _by_position(range(len(assigned)), range(len(live)))
    return align(texts[: len(assigned)], texts[len(assigned) :])


def _identities(items: Sequence[Any], fields: tuple[str, ...]) -> list[tuple[Any, ...]] | None:
    """Return what tells each item apart, or None where these fields do not."""
    identities = []
    for item in items:
        if not isinstance(item, dict):
            return None
        identity = tuple(item.get(field) for field in fields)
        if identity[0] is None or any(isinstance(part, dict | list | bool | float) for part in identity):
            return None
        identities.append(identity)
    return identities if len(set(identities)) == len(identities) else None


def _by_identity(assigned: list[tuple[Any, ...]], live: list[tuple[Any, ...]]) -> list[Pair]:
    positions = {identity: position for position, identity in enumerate(live)}
    pairs: list[Pair] = [(i, positions.pop(identity, None)) for i, identity in enumerate(assigned)]
    return pairs + [(None, j) for j in positions.values()]


def align(assigned: Sequence[Hashable], live: Sequence[Hashable]) -> list[Pair]:
    """Pair what stayed the same, and what lies between it by position. Positions grow on both sides.

    Only items that are unique in both lists are looked for (a patience diff), and equal ones next to those. That
    needs no more than n log n steps, whatever the lists hold.
    """
    pairs: list[Pair] = []
    i = j = 0
    for next_i, next_j in _anchors(assigned, live):
        pairs += _between(assigned, range(i, next_i), live, range(j, next_j))
        pairs.append((next_i, next_j))
        i, j = next_i + 1, next_j + 1
    return pairs + _between(assigned, range(i, len(assigned)), live, range(j, len(live)))


def _anchors(assigned: Sequence[Hashable], live: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Return the longest run of items, unique on both sides, that stand in the same order in both."""
    counts = Counter(assigned), Counter(live)
    where = {text: j for j, text in enumerate(live) if counts[1][text] == 1}
    common = [(i, where[text]) for i, text in enumerate(assigned) if text in where and counts[0][text] == 1]
    lowest: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    for n, (_, j) in enumerate(common):
        # The run ends with the lowest position known for its length, so that the most can still follow.
        length = bisect_left(lowest, j)
        before.append(ends[length - 1] if length else -1)
        lowest[length : length + 1] = [j]
        ends[length : length + 1] = [n]
    run = []
    n = ends[-1] if ends else -1
    while n >= 0:
        run.append(common[n])
        n = before[n]
    return run[::-1]


def _between(assigned: Sequence[Hashable], a: range, live: Sequence[Hashable], b: range) -> list[Pair]:
    """Pair the items between two anchors: equal ones at both ends, the rest by position."""
    start = 0
    while start < min(len(a), len(b)) and assigned[a[start]] == live[b[start]]:
        start += 1
    end = 0
    while end < min(len(a), len(b)) - start and assigned[a[-1 - end]] == live[b[-1 - end]]:
        end += 1
    a_middle, b_middle = a[start : len(a) - end], b[start : len(b) - end]
    head: list[Pair] = list(zip(a[:start], b[:start], strict=True))
    tail: list[Pair] = list(zip(a[len(a) - end :], b[len(b) - end :], strict=True))
    return head + _by_position(a_middle, b_middle) + tail


def _by_position(assigned: range, live: range) -> list[Pair]:
    shared = min(len(assigned), len(live))
    pairs: list[Pair] = list(zip(assigned[:shared], live[:shared], strict=True))
    return pairs + [(i, None) for i in assigned[shared:]] + [(None, j) for j in live[shared:]]
