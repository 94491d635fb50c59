"""Which item of one list answers to which item of another.

Comparing lists position by position turns one container put in front into a difference of every container after it.
Items are paired the way a person would: by name where they have one, else by what stayed the same around the change.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any, Final

from agent.engine.normalize import canonical

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

_ALIGNMENT_LIMIT: Final = 250_000
"""Longest product of two list lengths that is aligned; beyond it items are paired by position. About 0.1 s at worst."""


def pair_items(assigned: Sequence[Any], live: Sequence[Any]) -> list[Pair]:
    """Pair the items of two lists: the assigned list's order, then what is live only. Each item appears once."""
    for fields in _KEYS:
        keys = _identities(assigned, fields), _identities(live, fields)
        if keys[0] is not None and keys[1] is not None:
            return _by_identity(keys[0], keys[1])
    return _by_alignment([canonical(item) for item in assigned], [canonical(item) for item in live])


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


def _by_alignment(assigned: list[bytes], live: list[bytes]) -> list[Pair]:
    """Pair equal items in order, and what lies between two equal items by position."""
    start = 0
    while start < min(len(assigned), len(live)) and assigned[start] == live[start]:
        start += 1
    end = 0
    while end < min(len(assigned), len(live)) - start and assigned[-1 - end] == live[-1 - end]:
        end += 1
    a_end, b_end = len(assigned) - end, len(live) - end
    pairs: list[Pair] = [(i, i) for i in range(start)]
    if (a_end - start) * (b_end - start) > _ALIGNMENT_LIMIT:
        pairs += _by_position(range(start, a_end), range(start, b_end))
    else:
        matcher = SequenceMatcher(None, assigned[start:a_end], live[start:b_end], autojunk=False)
        for _, a1, a2, b1, b2 in matcher.get_opcodes():
            pairs += _by_position(range(start + a1, start + a2), range(start + b1, start + b2))
    return pairs + [(a_end + i, b_end + i) for i in range(end)]


def _by_position(assigned: range, live: range) -> list[Pair]:
    shared = min(len(assigned), len(live))
    pairs: list[Pair] = list(zip(assigned[:shared], live[:shared], strict=True))
    return pairs + [(i, None) for i in assigned[shared:]] + [(None, j) for j in live[shared:]]
