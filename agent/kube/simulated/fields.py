"""Sets of fields, as `metadata.managedFields` writes them (FieldsV1).

The set is the JSON itself, so an object's managers need no parsing and no rendering:

    {"f:spec": {"f:replicas": {}, "f:containers": {'k:{"name":"a"}': {".": {}, "f:image": {}}}}}

An empty object is a member with nothing under it; "." marks a member with members under it. A set is never empty
below its root, and sets are never changed in place once made: they share their branches.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import orjson

from agent.kube.simulated.schema import Node, Shape

FieldSet: TypeAlias = dict[str, Any]

SELF: Final = "."


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return the members of either set."""
    if not right or left == right:
        return left
    if not left:
        return right
    result = dict(left)
    for key, theirs in right.items():
        mine = result.get(key)
        result[key] = theirs if mine is None else _union_member(mine, theirs)
    return result


def _union_member(left: FieldSet, right: FieldSet) -> FieldSet:
    if left and right:
        return union(left, right)
    branch = left or right
    return branch if not branch or SELF in branch else {SELF: {}, **branch}


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return the members of `left` that `right` does not have. Empty when none are left."""
    result: FieldSet = {}
    for key, mine in left.items():
        theirs = right.get(key)
        if theirs is None:
            result[key] = mine
        elif key != SELF:
            kept = _difference_member(mine, theirs)
            if kept is not None:
                result[key] = kept
    return result


def _difference_member(left: FieldSet, right: FieldSet) -> FieldSet | None:
    if not left:
        return left if right and SELF not in right else None
    kept = difference(left, right if right else {SELF: {}})
    if not kept:
        return None
    return {} if kept.keys() == {SELF} else kept


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """Return the members of both sets."""
    result: FieldSet = {}
    for key, mine in left.items():
        theirs = right.get(key)
        if theirs is None:
            continue
        if key == SELF:
            result[SELF] = {}
            continue
        if not mine or not theirs:
            if (not mine or SELF in mine) and (not theirs or SELF in theirs):
                result[key] = {}
            continue
        both = intersection(mine, theirs)
        if both:
            result[key] = {} if both.keys() == {SELF} else both
    return result


def has(fields: FieldSet, key: str, named: bool) -> bool:
    """Tell whether the set has the element itself, not only something under it.

    A field the type names counts as soon as anything under it does.
    """
    under = fields.get(key)
    return under is not None and (named or not under or SELF in under)


def paths(fields: FieldSet, prefix: str = "") -> Iterator[str]:
    """Yield the members as the API server writes them in messages: `.spec.containers[name="a"].image`."""
    for key, under in fields.items():
        if key == SELF:
            yield prefix
            continue
        path = prefix + _element_text(key)
        if under:
            yield from paths(under, path)
        else:
            yield path


def _element_text(key: str) -> str:
    kind, _, text = key.partition(":")
    if kind == "k":
        parts = (f"{name}={orjson.dumps(value).decode()}" for name, value in orjson.loads(text).items())
        return f"[{','.join(parts)}]"
    return f"[={text}]" if kind == "v" else f".{text}"


def whole(value: Any, node: Node, *, mark: bool = False) -> FieldSet:
    """Return every field of a value.

    With `mark` the containers on the way are members too, as they are when an update brings them; without it
    only what an apply states is.
    """
    if type(value) is dict and node.shape <= Shape.MAP:
        result: FieldSet = {SELF: {}} if mark and value else {}
        for key, item in value.items():
            result[f"f:{key}"] = _whole_field(item, node.fields.get(key) or node.other, mark)
        return result
    if type(value) is list and node.shape >= Shape.KEYED:
        result = {SELF: {}} if mark and value else {}
        for item in value:
            result[element_key(item, node)] = _whole_item(item, node.element, mark)
        return result
    return {}


def _whole_field(value: Any, node: Node, mark: bool) -> FieldSet:
    return whole(value, node, mark=mark) if type(value) in (dict, list) else {}


def _whole_item(item: Any, node: Node, mark: bool) -> FieldSet:
    under = whole(item, node, mark=mark) if type(item) is dict else {}
    return {SELF: {}, **under} if under else under


def without_bare(fields: FieldSet, value: Any, node: Node) -> FieldSet:
    """Return what is left of the fields of a new object without what is there even when nobody sets anything in it."""
    result: FieldSet = {}
    for key, under in fields.items():
        name = key[2:]
        if key == SELF or name not in node.bare:
            result[key] = under
            continue
        rules, item = node.fields[name], value[name]
        rest = {k: v for k, v in under.items() if k != SELF}
        if rules.shape is Shape.STRUCT:
            rest = without_bare(rest, item, rules)
        if rest or (item and rules.shape in (Shape.SCALAR, Shape.ATOMIC)):
            result[key] = rest
    return result


class BadElement(ValueError):
    """An element of a keyed list gives none of the fields that identify it."""


def element_key(item: Any, node: Node) -> str:
    """Return how a set names an element of a list. Raises BadElement."""
    if node.shape is Shape.SET:
        return "v:" + orjson.dumps(item).decode()
    if type(item) is not dict:
        raise BadElement("associative list with keys may only contain objects")
    keys = node.keys
    if len(keys) == 1:
        key = keys[0]
        value = item.get(key, node.defaults.get(key))
        if value is None:
            raise BadElement(f"associative list with keys has an element that omits key field {key!r}")
        return f'k:{{"{key}":{orjson.dumps(value).decode()}}}'
    parts = {k: item.get(k, node.defaults.get(k)) for k in keys}
    present = {k: value for k, value in parts.items() if value is not None}
    if not present:
        names = ", ".join(keys)
        raise BadElement(f"associative list with keys has an element that omits all key fields {names}")
    return "k:" + orjson.dumps(present).decode()
