"""Structural schemas: how a CustomResourceDefinition says what its instances may be.

A server refuses an apply with a field the schema does not declare, drops such a field from any other write, fills in
the schema's defaults, and checks types. Patterns and CEL rules are not evaluated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from agent.kube.simulated.checks.problems import Problems
from agent.kube.simulated.schema import copy_json

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


def undeclared(value: Any, schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Yield the paths of fields the schema does not declare."""
    for child, child_schema, child_path in _children(value, schema, path):
        if child_schema is None:
            yield child_path
        else:
            yield from undeclared(child, child_schema, child_path)


def drop_undeclared(value: Any, schema: Mapping[str, Any], root: bool = True) -> None:
    """Remove the fields the schema does not declare."""
    if isinstance(value, dict):
        for key in list(value):
            found, child_schema = _property(schema, key, root)
            if not found:
                del value[key]
            elif child_schema is not None:
                drop_undeclared(value[key], child_schema, root=bool(child_schema.get(_EMBEDDED)))
    elif isinstance(value, list):
        items = schema.get("items")
        if isinstance(items, dict):
            for item in value:
                drop_undeclared(item, items, root=bool(items.get(_EMBEDDED)))


def fill(value: Any, schema: Mapping[str, Any]) -> None:
    """Set what is missing and has a default."""
    if isinstance(value, dict):
        properties = schema.get("properties")
        for key, child in (properties or {}).items():
            if key not in value and isinstance(child, dict) and "default" in child:
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
