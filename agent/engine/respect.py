"""What to apply under `RespectIgnoreDifferences=true`, so that a sync leaves the ignored fields as they are.

Under server-side apply it is not enough to leave such a field out of the manifest: one that this agent owns would be
removed, and the replicas that an autoscaler has set would fall back to one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from agent.engine.fields import ABSENT, MAX_DEPTH, Path, PathTree
from agent.engine.ignore import ObjectIgnores
from agent.engine.managed_fields import Entry, Item, Step, read_entries
from agent.engine.pairing import pair_items
from agent.engine.resource import FIELD_MANAGER, MANAGED_LABEL, TRACKING_ANNOTATION, Object

_ALWAYS: Final[frozenset[Path]] = frozenset(
    {
        ("apiVersion",),
        ("kind",),
        ("metadata", "name"),
        ("metadata", "namespace"),
        ("metadata", "labels", MANAGED_LABEL),
        ("metadata", "annotations", TRACKING_ANNOTATION),
    }
)
"""What the agent always applies, whatever is ignored: without these an object could not be found again."""


def keep_ignored(manifest: Object, live: Object, ignores: ObjectIgnores) -> Object:
    """Return the manifest with its ignored fields made as they are in the live object. Nothing is changed in place.

    - A field that is not live is left out.
    - A plain value that another field manager owns too is left out, and so left to that manager.
    - Anything else takes the live value, because leaving it out would remove it. That holds as well for a field that
      the manifest has no more while this agent still owns it.
    """
    if not ignores:
        return manifest
    in_live, in_manifest = ignores.trees(live, manifest)
    metadata = live.get("metadata")
    entries = read_entries(metadata.get("managedFields") if isinstance(metadata, dict) else None)
    settled = _settle(_Spot(manifest, live, in_manifest, in_live, (), ()), entries)
    return settled if isinstance(settled, dict) else manifest


@dataclass(frozen=True, slots=True)
class _Spot:
    """A place where manifest and live object are looked at together, and what is ignored from there down."""

    manifest: Any
    live: Any
    in_manifest: PathTree
    in_live: PathTree
    path: Path
    place: tuple[Step, ...]


def _settle(spot: _Spot, entries: list[Entry]) -> Any:
    """Return what to apply at a place, ABSENT for nothing."""
    if spot.path in _ALWAYS or len(spot.path) >= MAX_DEPTH or not (spot.in_manifest or spot.in_live):
        return spot.manifest
    ignored = spot.in_manifest.whole or spot.in_live.whole
    if _is_map(spot.manifest) and _is_map(spot.live) and spot.manifest is not spot.live:
        settled = {name: _settle(member, entries) for name, member in _members(spot)}
        kept: Any = {name: value for name, value in settled.items() if value is not ABSENT}
        return kept if kept or spot.manifest == {} else ABSENT
    if ignored:
        return _as_live(spot, entries)
    if isinstance(spot.manifest, list) and isinstance(spot.live, list):
        items = [_settle(item, entries) for item in _items(spot)]
        return [item for item in items if item is not ABSENT]
    return spot.in_manifest.prune(spot.manifest)


def _is_map(value: Any) -> bool:
    return value is ABSENT or isinstance(value, dict)


def _as_live(spot: _Spot, entries: Iterable[Entry]) -> Any:
    owners = {e.manager for e in entries if spot.place and e.depth(spot.place) == len(spot.place)}
    plain = not isinstance(spot.live, dict | list)
    if plain and owners - {FIELD_MANAGER}:
        return ABSENT
    if spot.manifest is ABSENT and FIELD_MANAGER not in owners:
        return ABSENT
    return spot.live


def _members(spot: _Spot) -> Iterator[tuple[str, _Spot]]:
    manifest = {} if spot.manifest is ABSENT else spot.manifest
    live = {} if spot.live is ABSENT else spot.live
    for name in [*manifest, *(name for name in live if name not in manifest and spot.in_live.child(name))]:
        yield (
            name,
            _Spot(
                manifest.get(name, ABSENT),
                live.get(name, ABSENT),
                spot.in_manifest.child(name),
                spot.in_live.child(name),
                (*spot.path, name),
                (*spot.place, name),
            ),
        )


def _items(spot: _Spot) -> Iterator[_Spot]:
    for i, j in pair_items(spot.manifest, spot.live):
        yield _Spot(
            ABSENT if i is None else spot.manifest[i],
            ABSENT if j is None else spot.live[j],
            spot.in_manifest.child(str(i)),
            spot.in_live.child(str(j)),
            (*spot.path, str(j if i is None else i)),
            (*spot.place, Item(j, spot.live[j])) if j is not None else spot.place,
        )
