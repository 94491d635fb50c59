"""How an API server merges each part of an object: what is one value, what is merged by key.

Server-side apply gives the right answer only with the merge rules of the type at hand: a Deployment's containers
merge by name, its selector is replaced whole. A `Node` holds the rules of one place in an object, and names
only what differs from the default, which is: objects are merged field by field, lists are replaced whole.
The trees are shared by all simulated clusters.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final


class Shape(IntEnum):
    STRUCT = 0
    """An object whose fields the type names."""
    MAP = 1
    """An object with keys of the user's choosing: labels, data."""
    ATOMIC = 2
    """Replaced whole, owned whole."""
    KEYED = 3
    """A list of objects, merged by the fields that identify each."""
    SET = 4
    """A list of scalars, merged as a set."""


class Node:
    """The merge rules of one place in an object. Immutable once built."""

    __slots__ = ("defaults", "element", "fields", "keys", "other", "shape")

    def __init__(
        self,
        shape: Shape,
        fields: Mapping[str, Node] | None = None,
        *,
        element: Node | None = None,
        keys: tuple[str, ...] = (),
        defaults: Mapping[str, object] | None = None,
        other: Node | None = None,
    ) -> None:
        self.shape = shape
        self.fields: Mapping[str, Node] = fields or {}
        """Rules of the fields that do not follow the default."""
        self.element: Node = element or self
        """Rules of every element of a keyed list."""
        self.keys = tuple(sorted(keys))
        """Which fields identify an element of a keyed list, sorted."""
        self.defaults: Mapping[str, object] = defaults or {}
        """What an identifying field is when an element does not give it."""
        self.other: Node = other or self
        """Rules of what is found under a key that `fields` does not name, when it is an object or a list."""

    def names(self, key: str) -> bool:
        """Tell whether the type names this field, so that owning a part of it is owning it."""
        return self.shape is Shape.STRUCT or key in self.fields


STRUCT: Final = Node(Shape.STRUCT)
"""An object of a typed kind with nothing special in it."""
OPEN: Final = Node(Shape.MAP)
"""An object nothing is known about: merged key by key."""
ATOMIC: Final = Node(Shape.ATOMIC)
SET: Final = Node(Shape.SET)


def struct(**fields: Node) -> Node:
    """Return the rules of a typed object."""
    return Node(Shape.STRUCT, fields, other=STRUCT)


def mapping(element: Node = OPEN) -> Node:
    """Return the rules of a map with keys of the user's choosing."""
    return Node(Shape.MAP, other=element)


def keyed(*keys: str, element: Node = STRUCT, **defaults: object) -> Node:
    """Return the rules of a list merged by the fields that identify each element."""
    return Node(Shape.KEYED, element=element, keys=keys, defaults=defaults)


def child(node: Node, key: str) -> Node:
    """Return the rules of what stands under a key."""
    return node.fields.get(key) or node.other


MAX_SCHEMA_DEPTH: Final = 64


def from_openapi(schema: Mapping[str, Any], depth: int = 0) -> Node:
    """Return the merge rules a CustomResourceDefinition's structural schema states.

    Beyond `MAX_SCHEMA_DEPTH` everything is merged key by key.
    """
    if depth > MAX_SCHEMA_DEPTH:
        return OPEN
    if schema.get("type") == "array":
        return _list_from_openapi(schema, depth)
    if schema.get("x-kubernetes-map-type") == "atomic":
        return ATOMIC
    properties = schema.get("properties")
    if isinstance(properties, dict):
        fields = {name: from_openapi(value, depth + 1) for name, value in properties.items() if _nested(value)}
        if schema.get("x-kubernetes-preserve-unknown-fields"):
            return Node(Shape.MAP, fields, other=OPEN)
        return Node(Shape.STRUCT, fields, other=STRUCT)
    additional = schema.get("additionalProperties")
    return (
        mapping(from_openapi(additional, depth + 1)) if _nested(additional) and isinstance(additional, dict) else OPEN
    )


def _nested(schema: object) -> bool:
    return isinstance(schema, dict) and (
        schema.get("type") in ("object", "array") or "x-kubernetes-preserve-unknown-fields" in schema
    )


def _list_from_openapi(schema: Mapping[str, Any], depth: int) -> Node:
    items = schema.get("items")
    match schema.get("x-kubernetes-list-type"):
        case "map" if isinstance(items, dict):
            keys = tuple(str(key) for key in schema.get("x-kubernetes-list-map-keys") or ())
            properties = items.get("properties") or {}
            defaults = {key: properties[key]["default"] for key in keys if "default" in properties.get(key, {})}
            return Node(Shape.KEYED, element=from_openapi(items, depth + 1), keys=keys, defaults=defaults)
        case "set":
            return SET
        case _:
            return ATOMIC


def copy_json(value: Any) -> Any:
    """Return a deep copy of a JSON value."""
    if type(value) is dict:
        return {key: copy_json(item) for key, item in value.items()}
    if type(value) is list:
        return [copy_json(item) for item in value]
    return value
