"""The three movements of server-side apply over one object: merge, prune, compare.

`merge` lays an applied configuration over the live object and says which fields it states; `prune` takes away
what the manager stated before and states no more; `compare` says which fields a write touched, from which
conflicts and changes of ownership follow. All work on plain JSON trees; `merge` and `prune` change the live tree
in place, so callers hand in their own.
"""

from __future__ import annotations

from typing import Any

from agent.engine.resource import Object
from agent.kube.simulated.fields import SELF, FieldSet, element_key, has, union, whole
from agent.kube.simulated.schema import Node, Shape, child, copy_json


class DuplicateElement(ValueError):
    """An applied list names one element twice."""


def merge(live: Object, patch: Object, node: Node) -> FieldSet:
    """Lay a configuration over the live tree and return the fields it states.

    A null stays in the tree, for the caller to drop or refuse. Raises DuplicateElement and BadElement for lists that
    cannot be merged.
    """
    stated: FieldSet = {}
    for key, value in patch.items():
        kind = type(value)
        if kind is not dict and kind is not list:
            stated["f:" + key] = {}
            if value is not None or not _mergeable(live.get(key), child(node, key)):
                live[key] = value
            continue
        rules = node.fields.get(key) or node.other
        under = _merge_object(live, key, value, rules) if kind is dict else _merge_list(live, key, value, rules)
        if under is not None:
            stated["f:" + key] = under if not under or key in node.fields else {SELF: {}, **under}
    return stated


def _mergeable(present: Any, rules: Node) -> bool:
    """Tell whether a live value has parts that a null in its place leaves alone."""
    if type(present) is dict:
        return bool(present) and rules.shape <= Shape.MAP
    return type(present) is list and bool(present) and rules.shape >= Shape.KEYED


def _merge_object(live: Object, key: str, value: Object, rules: Node) -> FieldSet | None:
    """Merge one object; None when nothing is stated by it."""
    present = live.get(key)
    if rules.shape > Shape.MAP:
        if present != value:
            live[key] = copy_json(value)
        return {}
    if type(present) is not dict:
        present = live[key] = {}
    return (merge(present, value, rules) or None) if value else {}


def _merge_list(live: Object, key: str, value: list[Any], rules: Node) -> FieldSet | None:
    present = live.get(key)
    if rules.shape < Shape.KEYED:
        if present != value:
            live[key] = copy_json(value)
        return {}
    if not value:
        if present is None:
            live[key] = []
        return None
    result, stated = _merge_elements(present if type(present) is list else [], value, rules)
    live[key] = result
    return stated


def _merge_elements(live: list[Any], patch: list[Any], rules: Node) -> tuple[list[Any], FieldSet]:
    """Merge two lists by element. The applied order leads; elements only the live list has keep their places."""
    theirs = index(patch, rules)
    if len(theirs) != len(patch):
        raise DuplicateElement(_duplicate_text(patch, rules))
    ours = index(live, rules)
    stated: FieldSet = {}
    merged: dict[str, Any] = {}
    for key, item in theirs.items():
        merged[key], stated[key] = _merge_element(ours.get(key), item, rules)
    if ours.keys() == theirs.keys():
        return list(merged.values()), stated
    return [merged[key] if key in merged else ours[key] for key in _merged_order(ours, theirs)], stated


def _merge_element(live: Any, patch: Any, rules: Node) -> tuple[Any, FieldSet]:
    if rules.shape is Shape.SET or rules.element.shape > Shape.MAP:
        return (live if live == patch else copy_json(patch)), {}
    target = live if type(live) is dict else {}
    under = merge(target, patch, rules.element)
    return target, {SELF: {}, **under} if under else under


def _merged_order(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """Order the union of two lists: theirs in its order, with our own elements before the shared one they preceded."""
    order: list[str] = []
    shared = [key for key in theirs if key in ours]
    left, right = list(ours), list(theirs)
    i = j = s = 0
    while i < len(left) or j < len(right):
        if i < len(left) and j < len(right):
            if left[i] == right[j]:
                order.append(left[i])
                i, j, s = i + 1, j + 1, s + 1
                continue
            if left[i] in theirs and s < len(shared) and shared[s] != left[i]:
                i += 1
                continue
        if i < len(left) and left[i] not in theirs:
            order.append(left[i])
            i += 1
        elif j < len(right):
            if s < len(shared) and shared[s] == right[j]:
                s += 1
            order.append(right[j])
            j += 1
        else:
            i += 1
    return order


def index(items: list[Any], rules: Node) -> dict[str, Any]:
    """Return the elements of a list by the name a field set gives them; the first of a name counts."""
    result: dict[str, Any] = {}
    for item in items:
        result.setdefault(element_key(item, rules), item)
    return result


def _duplicate_text(items: list[Any], rules: Node) -> str:
    seen: set[str] = set()
    for item in items:
        key = element_key(item, rules)
        if key in seen:
            return f"duplicate entries for key {key.partition(':')[2]}"
        seen.add(key)
    return "duplicate entries"


def merge_patch(target: Object, patch: Object) -> None:
    """Lay a JSON merge patch (RFC 7386) over an object."""
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif type(value) is dict:
            nested = target.get(key)
            if type(nested) is not dict:
                nested = target[key] = {}
            merge_patch(nested, value)
        else:
            target[key] = copy_json(value)


def prune(live: Any, node: Node, last: FieldSet, kept: FieldSet) -> None:
    """Take away from the live tree the members of `last` that no manager claims in `kept`.

    What has nothing left in it becomes null, for the caller to drop or refuse.
    """
    if type(live) is dict:
        if node.shape <= Shape.MAP:
            _prune_object(live, node, last, kept)
    elif type(live) is list and node.shape >= Shape.KEYED:
        _prune_list(live, node, last, kept)


def _prune_object(live: Object, node: Node, last: FieldSet, kept: FieldSet) -> None:
    for element, before in last.items():
        key = element[2:]
        if key not in live or element == SELF:
            continue
        now = kept.get(element)
        if now == before:
            continue
        named = node.names(key)
        if has(last, element, named) and not has(kept, element, named):
            del live[key]
        elif before:
            item = live[key]
            filled = bool(item)
            prune(item, child(node, key), before, now or {})
            if filled and not item:
                live[key] = None
            elif has(last, element, named) and _blank(item, child(node, key)):
                del live[key]


def _blank(value: Any, node: Node) -> bool:
    """Tell whether there is nothing in a value that anybody could own: only empty lists that merge by element."""
    if type(value) is list:
        return not value and node.shape >= Shape.KEYED
    return (
        type(value) is dict
        and bool(value)
        and node.shape <= Shape.MAP
        and all(_blank(item, child(node, key)) for key, item in value.items())
    )


def _prune_list(live: list[Any], node: Node, last: FieldSet, kept: FieldSet) -> None:
    elements = index(live, node)
    gone: set[str] = set()
    for element, before in last.items():
        now = kept.get(element)
        if element not in elements or now == before:
            continue
        if has(last, element, False) and not has(kept, element, False):
            gone.add(element)
        elif before:
            prune(elements[element], node.element, before, now or {})
    if gone:
        live[:] = [item for item in live if element_key(item, node) not in gone]


def compare(before: Any, after: Any, node: Node) -> tuple[FieldSet, FieldSet]:
    """Return the fields set by a write (added or changed), and the fields it removed."""
    ours, theirs = _parts(before, node), _parts(after, node)
    touched: FieldSet = {}
    removed: FieldSet = {}
    for key, value in theirs.items():
        rules = _rules_of(key, node)
        if key not in ours:
            touched[key] = whole(value, rules, mark=True)
        elif ours[key] != value:
            _compare_changed(key, ours[key], value, rules, touched, removed)
    for key, value in ours.items():
        if key not in theirs:
            removed[key] = whole(value, _rules_of(key, node), mark=True)
    return touched, removed


def _parts(value: Any, node: Node) -> dict[str, Any]:
    """Return what is in an object or a list, by the names a field set gives it."""
    if type(value) is dict:
        return {"f:" + key: item for key, item in value.items()}
    return index(value, node) if value else {}


def _rules_of(key: str, node: Node) -> Node:
    return node.element if node.shape >= Shape.KEYED else child(node, key[2:])


def _compare_changed(key: str, before: Any, after: Any, rules: Node, touched: FieldSet, removed: FieldSet) -> None:
    container = dict if rules.shape <= Shape.MAP else list if rules.shape >= Shape.KEYED else None
    sides = [side for side in (before, after) if side is not None]
    # Null and empty are compared as values, unless there is something to compare their parts with.
    if container is None or not any(sides) or not all(type(side) is container for side in sides):
        touched[key] = {}
        _compare_types(key, before, after, rules, touched, removed)
        return
    added, lost = compare(before, after, rules)
    if added:
        touched[key] = added
    if lost:
        removed[key] = lost


def _compare_types(key: str, before: Any, after: Any, rules: Node, touched: FieldSet, removed: FieldSet) -> None:
    """Account for the parts of a value that gave way to one of another type."""
    if type(before) is type(after):
        return
    gained, lost = whole(after, rules, mark=True), whole(before, rules, mark=True)
    if gained:
        touched[key] = union({SELF: {}}, gained)
    if lost:
        removed[key] = {part: under for part, under in lost.items() if part != SELF}
