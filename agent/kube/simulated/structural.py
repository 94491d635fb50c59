"""Structural schemas: how a CustomResourceDefinition says what its instances may be.

A schema says how instances merge (`rules`), which fields they may have, and what is filled in. A server refuses an
apply with a field that is not declared, and drops such a field from any other write. Patterns and CEL rules are not
evaluated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from agent.kube.simulated.problems import Problems
from agent.kube.simulated.schema import (
    ANY,
    BOOLEAN,
    NUMBER,
    OPEN,
    SCALAR,
    STRING,
    Holds,
    Node,
    Shape,
    copy_json,
    keyed,
)
from agent.kube.simulated.types import metadata

_ROOT: Final = frozenset({"apiVersion", "kind", "metadata"})
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}
_OPEN: Final = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED: Final = "x-kubernetes-embedded-resource"


MAX_DEPTH: Final = 64
_SCALARS: Final = {"boolean": BOOLEAN, "integer": NUMBER, "number": NUMBER, "string": STRING}


def rules(schema: Mapping[str, Any]) -> Node:
    """Return how instances of a schema merge, with the metadata every object has."""
    node = _rules(schema, 0)
    fields = {**node.fields, "apiVersion": STRING, "kind": STRING, "metadata": metadata()}
    return Node(node.shape, fields=fields, other=node.other, closed=node.closed)


def _rules(schema: Mapping[str, Any], depth: int) -> Node:
    """Return the rules a schema states; below `MAX_DEPTH` everything is merged key by key."""
    if depth > MAX_DEPTH:
        return OPEN
    kind = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        return SCALAR
    if isinstance(kind, str) and kind in _SCALARS:
        return _SCALARS[kind]
    if kind == "array":
        return _list_rules(schema, depth)
    shape = Shape.ATOMIC if schema.get("x-kubernetes-map-type") == "atomic" else None
    properties = schema.get("properties")
    if isinstance(properties, dict):
        fields = {name: _rules(value, depth + 1) for name, value in properties.items() if isinstance(value, dict)}
        if schema.get(_EMBEDDED):
            fields = {"apiVersion": STRING, "kind": STRING, "metadata": OPEN, **fields}
        loose = bool(schema.get(_OPEN))
        return Node(shape or (Shape.MAP if loose else Shape.STRUCT), fields=fields, other=OPEN, closed=not loose)
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        return Node(shape or Shape.MAP, other=_rules(additional, depth + 1))
    return ANY if shape else OPEN


def _list_rules(schema: Mapping[str, Any], depth: int) -> Node:
    items = schema.get("items")
    element = _rules(items, depth + 1) if isinstance(items, dict) else OPEN
    match schema.get("x-kubernetes-list-type"):
        case "map" if isinstance(items, dict):
            properties = items.get("properties") or {}
            keys = [str(key) for key in schema.get("x-kubernetes-list-map-keys") or ()]
            return keyed(element, {key: (properties.get(key) or {}).get("default") for key in keys})
        case "set":
            return Node(Shape.SET, Holds.LIST, element=element)
        case _:
            return Node(Shape.ATOMIC, Holds.LIST, element=element)


def check_schema(schema: object, path: str, problems: Problems, depth: int = 0) -> None:
    """Check that a schema is one: that everything that will be read of it is of its type, and that it ends."""
    if not isinstance(schema, dict):
        problems.invalid(path, schema, "must be a schema")
    elif depth > MAX_DEPTH:
        problems.invalid(path, "...", f"must not be deeper than {MAX_DEPTH}")
    else:
        for key, wanted in _KEYWORDS.items():
            value = schema.get(key)
            if value is not None and not isinstance(value, wanted):
                problems.invalid(f"{path}.{key}", value, f"must be {' or '.join(kind.__name__ for kind in wanted)}")
        _check_nested(schema, path, problems, depth)


_KEYWORDS: Final[Mapping[str, tuple[type, ...]]] = {
    "additionalProperties": (dict, bool),
    "enum": (list,),
    "items": (dict,),
    "maxItems": (int,),
    "maxLength": (int,),
    "maximum": (int, float),
    "minItems": (int,),
    "minLength": (int,),
    "minimum": (int, float),
    "properties": (dict,),
    "required": (list,),
    "type": (str,),
    "x-kubernetes-list-map-keys": (list,),
    "x-kubernetes-list-type": (str,),
    "x-kubernetes-map-type": (str,),
}


def _check_nested(schema: Mapping[str, Any], path: str, problems: Problems, depth: int) -> None:
    properties = schema.get("properties")
    if isinstance(properties, dict):
        for name, value in properties.items():
            check_schema(value, f"{path}.properties[{name}]", problems, depth + 1)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            check_schema(schema[key], f"{path}.{key}", problems, depth + 1)
    for key in ("required", "x-kubernetes-list-map-keys"):
        names = schema.get(key)
        if isinstance(names, list) and not all(isinstance(name, str) for name in names):
            problems.invalid(f"{path}.{key}", names, "must be texts")
    if schema.get("x-kubernetes-list-type") == "map" and not schema.get("x-kubernetes-list-map-keys"):
        problems.required(f"{path}.x-kubernetes-list-map-keys", "must not be empty if x-kubernetes-list-type is map")


def drop_undeclared(value: Any, schema: Mapping[str, Any], root: bool = True, *, keep: bool = False) -> None:
    """Remove the fields the schema does not declare (unless `keep`), and the nulls it does not allow."""
    if isinstance(value, dict):
        for key in list(value):
            found, child_schema = _property(schema, key, root)
            if (value[key] is None and child_schema is not None and not child_schema.get("nullable")) or (
                not found and not keep
            ):
                del value[key]
            elif child_schema is not None:
                drop_undeclared(value[key], child_schema, root=bool(child_schema.get(_EMBEDDED)), keep=keep)
    elif isinstance(value, list):
        items = schema.get("items")
        if isinstance(items, dict):
            for item in value:
                drop_undeclared(item, items, root=bool(items.get(_EMBEDDED)), keep=keep)


def fill(value: Any, schema: Mapping[str, Any]) -> None:
    """Set what is missing and has a default."""
    if isinstance(value, dict):
        properties = schema.get("properties")
        for key, child in (properties or {}).items():
            if isinstance(child, dict) and "default" in child and value.get(key) is None and not child.get("nullable"):
                value[key] = copy_json(child["default"])
    for child_value, child_schema, _ in _children(value, schema, ""):
        if child_schema is not None:
            fill(child_value, child_schema)


def check(value: Any, schema: Mapping[str, Any], path: str, problems: Problems) -> None:
    """Check a value against its schema."""
    if value is None:
        if not schema.get("nullable") and path:
            problems.invalid(path, "null", f'must be of type {schema.get("type", "object")}: "null"')
        return
    if not _has_type(value, schema):
        shown = type(value).__name__
        problems.invalid(path, shown, f'must be of type {schema.get("type")}: "{shown}"')
        return
    _check_bounds(value, schema, path, problems)
    if isinstance(value, dict):
        for name in schema.get("required") or ():
            if name not in value:
                problems.required(f"{path}.{name}" if path else str(name))
    for child, child_schema, child_path in _children(value, schema, path):
        if child_schema is not None:
            check(child, child_schema, child_path, problems)


def _has_type(value: Any, schema: Mapping[str, Any]) -> bool:
    if schema.get("x-kubernetes-int-or-string"):
        return isinstance(value, (int, str)) and not isinstance(value, bool)
    wanted = schema.get("type")
    types = _TYPES.get(wanted) if isinstance(wanted, str) else None
    if types is None:
        return True
    if isinstance(value, bool):
        return wanted == "boolean"
    return isinstance(value, types) or (wanted == "integer" and isinstance(value, float) and value.is_integer())


def _check_bounds(value: Any, schema: Mapping[str, Any], path: str, problems: Problems) -> None:
    choices = schema.get("enum")
    if isinstance(choices, list) and value not in choices:
        problems.unsupported(path, value, tuple(str(choice) for choice in choices))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        low, high = schema.get("minimum"), schema.get("maximum")
        if isinstance(low, (int, float)) and value < low:
            problems.invalid(path, value, f"should be greater than or equal to {low}")
        if isinstance(high, (int, float)) and value > high:
            problems.invalid(path, value, f"should be less than or equal to {high}")
    for low_key, high_key, kind in (("minLength", "maxLength", str), ("minItems", "maxItems", list)):
        if isinstance(value, kind):
            low, high = schema.get(low_key), schema.get(high_key)
            if isinstance(low, int) and len(value) < low:
                problems.invalid(path, value, f"should be at least {low} long")
            if isinstance(high, int) and len(value) > high:
                problems.invalid(path, value, f"should be at most {high} long")


def _property(schema: Mapping[str, Any], key: str, root: bool) -> tuple[bool, Mapping[str, Any] | None]:
    """Return whether a field is declared, and its schema where there is one."""
    if root and key in _ROOT:
        return True, None
    properties = schema.get("properties")
    if isinstance(properties, dict) and isinstance(properties.get(key), dict):
        return True, properties[key]
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        return True, additional
    declared = bool(additional is True or schema.get(_OPEN) or (properties is None and schema.get("type") != "object"))
    return declared, None


def _children(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[tuple[Any, Mapping[str, Any] | None, str]]:
    """Yield what is inside a value: with its schema, or None where it is not declared, and with its path."""
    if isinstance(value, dict):
        root = not path or bool(schema.get(_EMBEDDED))
        for key, child in value.items():
            found, child_schema = _property(schema, key, root)
            if child_schema is not None or not found:
                yield child, child_schema, f"{path}.{key}" if path else key
    elif isinstance(value, list):
        items = schema.get("items")
        if isinstance(items, dict):
            for index, child in enumerate(value):
                yield child, items, f"{path}[{index}]"
