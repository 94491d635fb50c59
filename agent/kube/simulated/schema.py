"""What an API server knows of each place in an object: what it holds, and how it is merged.

Server-side apply gives the right answer only with the merge rules of the type at hand: a Deployment's containers
merge by name, its selector is replaced whole. A `Node` holds the rules of one place. Nodes are made once and
shared by all simulated clusters.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final

from agent.kube.simulated.quantity import BadQuantity, canonical


class Shape(IntEnum):
    STRUCT = 0
    """An object whose fields the type names."""
    MAP = 1
    """An object with keys of the user's choosing: labels, data."""
    SCALAR = 2
    ATOMIC = 3
    """An object or a list that is replaced whole and owned whole."""
    KEYED = 4
    """A list of objects, merged by the fields that identify each."""
    SET = 5
    """A list of scalars, merged as a set."""


class Holds(IntEnum):
    ANY = 0
    OBJECT = 1
    LIST = 2
    STRING = 3
    NUMBER = 4
    BOOLEAN = 5
    SCALAR = 6
    QUANTITY = 7
    INTEGER = 8


class Node:
    """The rules of one place in an object. Immutable once it is in use."""

    __slots__ = ("bare", "closed", "defaults", "element", "fields", "holds", "keys", "other", "shape", "zeros")

    def __init__(
        self,
        shape: Shape,
        holds: Holds = Holds.OBJECT,
        *,
        fields: Mapping[str, Node] | None = None,
        other: Node | None = None,
        element: Node | None = None,
        closed: bool = False,
    ) -> None:
        self.shape = shape
        self.holds = holds
        self.fields: Mapping[str, Node] = fields or {}
        """Rules of the fields the type names."""
        self.other: Node = other or self
        """Rules of what stands under any other key."""
        self.element: Node = element or self
        """Rules of every element of a list."""
        self.closed = closed
        """Fields that are not named may not be there."""
        self.keys: tuple[str, ...] = ()
        """Which fields identify an element of a keyed list, sorted."""
        self.defaults: Mapping[str, object] = {}
        """What an identifying field is when an element does not give it."""
        self.bare: frozenset[str] = frozenset()
        """Fields that are there even when nobody sets anything in them."""
        self.zeros: frozenset[str] = frozenset()
        """Fields that are not kept when they are false, 0 or empty."""

    def names(self, key: str) -> bool:
        """Tell whether the type names this field, so that owning a part of it is owning it."""
        return key in self.fields


ANY: Final = Node(Shape.ATOMIC, Holds.ANY)
OPEN: Final = Node(Shape.MAP, Holds.ANY)
"""Something nothing is known about: objects are merged key by key, lists replaced whole."""
STRING: Final = Node(Shape.SCALAR, Holds.STRING)
NUMBER: Final = Node(Shape.SCALAR, Holds.NUMBER)
INTEGER: Final = Node(Shape.SCALAR, Holds.INTEGER)
BOOLEAN: Final = Node(Shape.SCALAR, Holds.BOOLEAN)
SCALAR: Final = Node(Shape.SCALAR, Holds.SCALAR)
QUANTITY: Final = Node(Shape.SCALAR, Holds.QUANTITY)


def child(node: Node, key: str) -> Node:
    """Return the rules of what stands under a key."""
    return node.fields.get(key) or node.other


def keyed(element: Node, keys: Mapping[str, object]) -> Node:
    """Return the rules of a list merged by keys, given with their defaults (None where there is none)."""
    node = Node(Shape.KEYED, Holds.LIST, element=element)
    node.keys = tuple(sorted(keys))
    node.defaults = {key: default for key, default in keys.items() if default is not None}
    return node


_TEXTS: Final = {
    Holds.OBJECT: "map",
    Holds.LIST: "list",
    Holds.STRING: "string",
    Holds.NUMBER: "numeric (int or float)",
    Holds.INTEGER: "numeric (int or float)",
    Holds.BOOLEAN: "boolean",
    Holds.SCALAR: "scalar",
    Holds.QUANTITY: "scalar",
}
_NUMBERS: Final = (Holds.NUMBER, Holds.INTEGER)
_TYPES: Final[Mapping[Holds, tuple[type, ...]]] = {
    Holds.ANY: (object,),
    Holds.OBJECT: (dict,),
    Holds.LIST: (list,),
    Holds.STRING: (str,),
    Holds.NUMBER: (int, float),
    Holds.INTEGER: (int, float),
    Holds.BOOLEAN: (bool,),
    Holds.SCALAR: (str, int, float, bool),
    Holds.QUANTITY: (str, int, float),
}


def mismatch(value: Any, node: Node, *, strict: bool) -> tuple[str, str] | None:
    """Return the first place where a value does not fit its type, and what is wrong there; None when it fits.

    Places are written as the API server writes them: `.spec.containers[name="a"].image`. With `strict`, a field the
    type does not have is wrong too.
    """
    holds = node.holds
    if value is None or holds is Holds.ANY:
        return None
    fits = isinstance(value, _TYPES[holds]) and not (isinstance(value, bool) and holds in _NUMBERS)
    if not fits:
        return "", f"expected {_TEXTS[holds]}, got {type(value).__name__}"
    if holds is Holds.OBJECT:
        fields, other = node.fields, None if node.closed else node.other
        for key, item in value.items():
            rules = fields.get(key) or other
            if rules is None:
                if strict:
                    return f".{key}", "field not declared in schema"
            elif type(item) is not str or (rules.holds is not Holds.STRING and rules.holds is not Holds.ANY):
                found = mismatch(item, rules, strict=strict)
                if found is not None:
                    return f".{key}{found[0]}", found[1]
    elif holds is Holds.LIST:
        return _element_mismatch(value, node, strict)
    elif holds is Holds.INTEGER and type(value) is float and not value.is_integer():
        return "", "cannot convert float64 to int32"
    return None


def _element_mismatch(value: list[Any], node: Node, strict: bool) -> tuple[str, str] | None:
    for index, item in enumerate(value):
        if node.shape is Shape.KEYED and type(item) is not dict:
            return "", f"element {index}: associative list with keys may not have non-map elements"
        found = mismatch(item, node.element, strict=strict)
        if found is None:
            continue
        place = str(index)
        if node.shape is Shape.KEYED:
            pairs = ((key, item.get(key, node.defaults.get(key))) for key in node.keys)
            place = ",".join(f'{key}="{part}"' for key, part in pairs if part is not None)
        return f"[{place}]{found[0]}", found[1]
    return None


def tidy(value: dict[str, Any], node: Node, path: str = "", *, keep: bool = False) -> None:
    """Make an object of a built-in type what it is after the server has read and written it.

    Nulls, empty lists and maps, zeros that mean nothing, and fields nobody declares go (unless `keep`); objects that
    are always there come; quantities are spelled the server's way. Raises BadQuantity, with the path in its text.
    """
    fields, other = node.fields, node.other
    for key in list(value):
        item = value[key]
        kind = type(item)
        if node.closed and key not in fields:
            if not keep:
                del value[key]
        elif kind is str:
            rules = fields.get(key) or other
            if rules.holds is Holds.QUANTITY:
                value[key] = _canonical(item, f"{path}.{key}")
            elif not item and key in node.zeros:
                del value[key]
        elif kind is dict:
            rules = fields.get(key) or other
            if item or (rules.fields and key not in node.zeros) or rules.holds is Holds.ANY:
                tidy(item, rules, f"{path}.{key}", keep=keep)
            else:
                del value[key]
        elif kind is list:
            _tidy_list(value, key, fields.get(key) or other, path, keep)
        elif item is None or (not item and key in node.zeros):
            del value[key]
        elif (fields.get(key) or other).holds is Holds.QUANTITY:
            value[key] = _canonical(item, f"{path}.{key}")
        elif kind is float and (fields.get(key) or other).holds is Holds.INTEGER:
            value[key] = int(item)
    for key in node.bare:
        if key not in value and fields[key].holds is Holds.OBJECT:
            value[key] = {}
            tidy(value[key], fields[key])


def _tidy_list(value: dict[str, Any], key: str, rules: Node, path: str, keep: bool) -> None:
    items = value[key]
    if not items and rules.holds is not Holds.ANY:
        del value[key]
        return
    element = rules.element
    if element.holds is Holds.OBJECT:
        for item in items:
            if type(item) is dict:
                tidy(item, element, f"{path}.{key}", keep=keep)


def _canonical(value: object, path: str) -> object:
    try:
        return canonical(value)
    except BadQuantity as error:
        raise BadQuantity(f"{path.removeprefix('.')}: {error}") from error


def copy_json(value: Any) -> Any:
    """Return a deep copy of a JSON value."""
    if type(value) is dict:
        return {key: copy_json(item) for key, item in value.items()}
    if type(value) is list:
        return [copy_json(item) for item in value]
    return value
