"""Where a live object departs from what was assigned: which fields, from what to what, who wrote them and when.

`compare` is given what a server-side-apply dry run of the assigned manifest returned, so that defaults, admission and
the spelling of quantities are on both sides alike and what differs is what an apply would change. `attribute` then
reads `managedFields` to say who did it. Secret values are masked before anything is compared: a difference never
holds one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final, NamedTuple

from agent.engine.compare_options import DEFAULT_OPTIONS, CompareOptions
from agent.engine.fields import ABSENT, MAX_DEPTH, NOWHERE, Path, PathTree, format_pointer
from agent.engine.ignore import ObjectIgnores
from agent.engine.managed_fields import Entry, Item, Step, read_entries
from agent.engine.mask import is_secret, mask_pair
from agent.engine.normalize import alike, canonical, comparable, content_hash, same
from agent.engine.pairing import pair_items
from agent.engine.resource import FIELD_MANAGER, Object

__all__ = [
    "ABSENT",
    "MAX_DIFFERENCES",
    "FieldDifference",
    "FieldDrift",
    "attribute",
    "compare",
    "content_hash",
    "stated",
]

MAX_DIFFERENCES: Final = 100
"""Differences told of one object. One that has more has been replaced rather than edited."""

MAX_VALUE_BYTES: Final = 1024
MAX_PATH_CHARS: Final = 1024


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One field that differs. Either value may be ABSENT, not both."""

    path: Path
    """Where it is in the live object; in the assigned one, for an item of a list that is not live."""
    assigned: Any
    live: Any
    place: tuple[Step, ...] = ()
    """The same way with the list items passed on it, for reading the live object's managedFields."""
    assigned_place: tuple[Step, ...] = ()
    """The same for those of the assigned object."""


@dataclass(frozen=True, slots=True)
class FieldDrift:
    """One field that departed, ready to be kept and sent: bounded, masked, and made of text only."""

    path: str
    """JSON pointer, cut with "…" after `MAX_PATH_CHARS`."""
    assigned: str
    """JSON, cut with "…" after `MAX_VALUE_BYTES`; "" when the assigned manifest has no such field."""
    live: str
    manager: str | None = None
    """The field manager that wrote it, None when managedFields does not tell."""
    changed_at: str | None = None
    """When that manager last wrote, RFC 3339 as the API server gives it."""
    likely: bool = False
    """The manager is inferred, not recorded: nobody owns a field that is gone."""


def compare(
    predicted: Object, live: Object, ignore: ObjectIgnores, options: CompareOptions = DEFAULT_OPTIONS
) -> list[FieldDifference]:
    """Return what an apply would change, `MAX_DIFFERENCES` at most, in the order of the object.

    `predicted` is the answer of a dry run, `live` the object as it is. Neither is changed.
    """
    hidden_live, hidden_predicted = ignore.trees(live, predicted)
    assigned, present = comparable(predicted, options), comparable(live, options)
    if is_secret(assigned) or is_secret(present):
        assigned, present = mask_pair(assigned, present)
    spot = _Spot(assigned, present, hidden_predicted, hidden_live, (), (), ())
    return list(islice(_walk(spot), MAX_DIFFERENCES))


def stated(differences: Iterable[FieldDifference], predicted: Object, live: Object) -> list[FieldDifference]:
    """Return the differences in what this agent applies, or has applied.

    The rest is the server's doing: what admission would put beside the manifest if the object were written now. A
    webhook that writes the time, or one that was set up after the object was made, would be drift that no sync ends.
    An answer that does not tell who manages what leaves nothing out.
    """
    now = _applied(predicted)
    if not now:
        return list(differences)
    before = _applied(live)
    return [
        difference
        for difference in differences
        if any(entry.depth(difference.assigned_place) for entry in now)
        or any(entry.depth(difference.place) for entry in before)
    ]


def _applied(obj: Object) -> list[Entry]:
    metadata = obj.get("metadata")
    entries = read_entries(metadata.get("managedFields") if isinstance(metadata, dict) else None)
    mine = [entry for entry in entries if entry.manager == FIELD_MANAGER and not entry.subresource]
    if is_secret(obj):
        # What was applied as text is owned by that name, and stands under another.
        mine += [replace(entry, tree={"f:data": entry.tree[_TEXT]}) for entry in mine if _TEXT in entry.tree]
    return mine


_TEXT: Final = "f:stringData"


class _Spot(NamedTuple):
    """A place where both objects are looked at, with the ignored places below it on either side.

    A tuple because one is made for every member of an object that differs.
    """

    assigned: Any
    live: Any
    hidden_assigned: PathTree
    hidden_live: PathTree
    path: Path
    assigned_place: tuple[Step, ...]
    place: tuple[Step, ...]

    @property
    def hidden(self) -> bool:
        return self.hidden_assigned.whole or self.hidden_live.whole

    @property
    def one_sided(self) -> bool:
        return self.assigned is ABSENT or self.live is ABSENT

    def difference(self) -> FieldDifference | None:
        """Return the difference here without what is ignored inside it; None when nothing is left of it."""
        assigned = self.hidden_assigned.prune(self.assigned)
        live = self.hidden_live.prune(self.live)
        if assigned is ABSENT and live is ABSENT:
            return None
        return FieldDifference(self.path, assigned, live, self.place, self.assigned_place)


def _walk(root: _Spot) -> Iterator[FieldDifference]:
    """Yield the differences below a place, in the order of the object. Goes no deeper than `MAX_DEPTH`."""
    stack = [root]
    while stack:
        spot = stack.pop()
        if spot.hidden:
            continue
        differs = False
        if len(spot.path) >= MAX_DEPTH:
            differs = spot.one_sided or canonical(spot.assigned) != canonical(spot.live)
        elif isinstance(spot.assigned, dict) and isinstance(spot.live, dict):
            stack += reversed(list(_members(spot)))
        elif isinstance(spot.assigned, list) and isinstance(spot.live, list):
            items, in_order = _items(spot)
            stack += reversed(items)
            differs = not in_order
        else:
            differs = not same(spot.assigned, spot.live)
        difference = spot.difference() if differs else None
        if difference is not None:
            yield difference


def _members(spot: _Spot) -> Iterator[_Spot]:
    ours, theirs = spot.assigned, spot.live
    hidden_assigned, hidden_live = spot.hidden_assigned, spot.hidden_live
    for name in (*ours, *(name for name in theirs if name not in ours)):
        assigned, live = ours.get(name, ABSENT), theirs.get(name, ABSENT)
        kind = type(assigned)
        if kind is type(live) and (alike(assigned, live) if kind in _CONTAINERS else assigned == live):
            continue
        yield _Spot(
            assigned,
            live,
            hidden_assigned.child(name) if hidden_assigned is not NOWHERE else NOWHERE,
            hidden_live.child(name) if hidden_live is not NOWHERE else NOWHERE,
            (*spot.path, name),
            (*spot.assigned_place, name),
            (*spot.place, name),
        )


_CONTAINERS: Final = frozenset({dict, list})


def _items(spot: _Spot) -> tuple[list[_Spot], bool]:
    """Return the pairs of items that count and differ, and whether those on both sides stand in the same order."""
    spots = []
    last, in_order = -1, True
    for i, j in pair_items(spot.assigned, spot.live):
        position = i if j is None else j
        assigned = ABSENT if i is None else spot.assigned[i]
        live = ABSENT if j is None else spot.live[j]
        item = _Spot(
            assigned,
            live,
            spot.hidden_assigned.child(str(i)),
            spot.hidden_live.child(str(j)),
            (*spot.path, str(position)),
            spot.assigned_place if i is None else (*spot.assigned_place, Item(i, assigned)),
            spot.place if j is None else (*spot.place, Item(j, live)),
        )
        if item.hidden:
            continue
        if i is not None and j is not None:
            in_order, last = in_order and j > last, j
            if alike(assigned, live):
                continue
        spots.append(item)
    return spots, in_order


def attribute(differences: Iterable[FieldDifference], managed_fields: Any) -> list[FieldDrift]:
    """Say who wrote each differing field, and when. `managed_fields` are the live object's; any JSON is borne.

    A field that is live belongs to the manager whose tree names it most exactly; among several, to the one that is
    not this agent, and among those to the one that wrote last.

    A field that is not live has no owner. Whoever took it away wrote after this agent had applied it, so it is put
    down, as likely, to the manager that wrote last and not before this agent did. Writers of the status are left out.
    """
    entries = read_entries(managed_fields)
    remover = _likely_remover(entries)
    drifts = []
    for difference in differences:
        gone = difference.live is ABSENT
        owner = remover if gone else _owner(entries, difference.place)
        drifts.append(
            FieldDrift(
                path=_cut(format_pointer(difference.path), MAX_PATH_CHARS),
                assigned=_render(difference.assigned),
                live=_render(difference.live),
                manager=owner.manager if owner else None,
                changed_at=owner.time or None if owner else None,
                likely=gone and owner is not None,
            )
        )
    return drifts


def _owner(entries: list[Entry], place: tuple[Step, ...]) -> Entry | None:
    ranked = [(entry.depth(place), entry.manager != FIELD_MANAGER, entry.time, entry) for entry in entries]
    best = max(ranked, key=lambda r: r[:3], default=None)
    return best[3] if best is not None and best[0] > 0 else None


def _likely_remover(entries: list[Entry]) -> Entry | None:
    applied = max((e.time for e in entries if e.manager == FIELD_MANAGER), default="")
    others = [e for e in entries if e.manager != FIELD_MANAGER and e.subresource != "status" and e.time >= applied]
    return max(others, key=lambda e: e.time, default=None)


def _render(value: Any) -> str:
    """Return a value as JSON of at most `MAX_VALUE_BYTES` and an ellipsis; "" for ABSENT."""
    if value is ABSENT:
        return ""
    encoded = canonical(value)
    if len(encoded) <= MAX_VALUE_BYTES:
        return encoded.decode("utf-8", "replace")
    return encoded[:MAX_VALUE_BYTES].decode("utf-8", "ignore") + "…"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:limit] + "…"
