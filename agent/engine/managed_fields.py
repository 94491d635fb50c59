"""Reading `metadata.managedFields`: who wrote which field, and when.

The API server keeps, for every field manager, a tree of the fields it owns (`fieldsV1`):

    f:<name>       a member of a map
    k:{"name":…}   the item of a list that has these fields
    v:<json>       the item of a list that is this value
    i:<n>          the item at this position
    .              the map or item itself, as opposed to what is in it
    {}             an empty tree: everything from here down

What is live decides which item a `k:` or `v:` means, so the trees are always read beside an object. They come from
outside: whatever is not of this form is passed over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson

from agent.engine.fields import MAX_DEPTH, Path
from agent.engine.normalize import canonical


@dataclass(frozen=True, slots=True)
class Item:
    """A step into a list: the position, and the item that stands there."""

    position: int
    value: Any


Step = str | Item
"""A step from a value to a part of it: the name of a map's member, or an item of a list."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What one field manager owns."""

    manager: str
    time: str
    """When it last changed one of its fields, RFC 3339, "" when that is not told."""
    subresource: str
    tree: dict[str, Any]

    def depth(self, place: tuple[Step, ...]) -> int:
        """Say how exactly a place is owned: the number of steps that the tree follows it, 0 when it is not owned.

        A place is owned when the tree names it, something in it, or something around it that is owned whole.
        """
        node = self.tree
        for depth, step in enumerate(place):
            if not node:
                return depth
            below = _follow(node, step)
            if below is None:
                return 0
            node = below
        return len(place)


def read_entries(managed_fields: Any) -> list[Entry]:
    """Read the `managedFields` of an object. Never raises: an entry of another form is passed over."""
    entries = []
    for raw in managed_fields if isinstance(managed_fields, list) else ():
        if not isinstance(raw, dict):
            continue
        manager, tree = raw.get("manager"), raw.get("fieldsV1")
        if isinstance(manager, str) and isinstance(tree, dict) and tree:
            entries.append(Entry(manager, _text(raw.get("time")), _text(raw.get("subresource")), tree))
    return entries


def owned_paths(entries: list[Entry], managers: Collection[str], obj: Any) -> Iterator[Path]:
    """Yield the paths of an object that any of the managers owns, as far as the object has them."""
    stack: list[tuple[dict[str, Any], Any, Path]] = [(e.tree, obj, ()) for e in entries if e.manager in managers]
    while stack:
        node, value, path = stack.pop()
        for below, token, member in _members(node, value):
            if not below:
                yield (*path, token)
            elif len(path) < MAX_DEPTH:
                stack.append((below, member, (*path, token)))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _follow(node: dict[str, Any], step: Step) -> dict[str, Any] | None:
    """Return the part of a tree that is about one step, or None when the tree says nothing of it."""
    for key in ("f:" + step,) if isinstance(step, str) else _names(node, step):
        below = node.get(key)
        if isinstance(below, dict):
            return below
    return None


def _names(node: dict[str, Any], item: Item) -> Iterator[str]:
    """Yield the keys that a tree could know a list's item by.

    The keys are written rather than read, so that a list of thousands of items costs one lookup for each.
    """
    yield f"i:{item.position}"
    if not isinstance(item.value, dict | list):
        yield "v:" + _json(item.value)
    elif isinstance(item.value, dict):
        # All items of a list have the same key fields; "." may stand before the first.
        example = next((key for key in islice(node, 2) if key.startswith("k:")), None)
        if example is not None:
            yield "k:" + _json({name: item.value.get(name) for name in _key_fields(example[2:])})


def _key_fields(text: str) -> list[str]:
    try:
        selector = orjson.loads(text)
    except orjson.JSONDecodeError:
        return []
    return list(selector) if isinstance(selector, dict) else []


def _json(value: Any) -> str:
    return canonical(value).decode("utf-8", "replace")


def _members(node: dict[str, Any], value: Any) -> Iterator[tuple[dict[str, Any], str, Any]]:
    """Yield (part of the tree, token, member) for what a tree names of a value."""
    if isinstance(value, dict):
        for key, below in node.items():
            if key.startswith("f:") and key[2:] in value and isinstance(below, dict):
                yield below, key[2:], value[key[2:]]
    elif isinstance(value, list):
        for position, member in enumerate(value):
            found = _follow(node, Item(position, member))
            if found is not None:
                yield found, str(position), member
