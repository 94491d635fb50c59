"""Small steps that filling in defaults is made of. All take what a manifest may hold instead of what it should."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from agent.engine.resource import Object
from agent.kube.errors import Rejected
from agent.kube.simulated.quantity import BadQuantity, canonical


def section(parent: Object, key: str) -> Object:
    """Return the object under a key, making it where there is none.

    What is of another type stays as it is for the checks to find; a scratch object is returned then.
    """
    value = parent.setdefault(key, {})
    return value if type(value) is dict else {}


def present(parent: Object, *keys: str) -> Object | None:
    """Return the object under a path of keys, or None."""
    value: Any = parent
    for key in keys:
        value = value.get(key) if type(value) is dict else None
    return value if type(value) is dict else None


def objects(parent: Object, key: str) -> Iterator[Object]:
    """Yield the objects of the list under a key."""
    value = parent.get(key)
    if type(value) is list:
        for item in value:
            if type(item) is dict:
                yield item


def fill(target: Object, **values: Any) -> None:
    """Set what is not set."""
    for key, value in values.items():
        if target.get(key) is None:
            target[key] = value


def drop_empty(parent: Object, *keys: str) -> None:
    """Remove maps with nothing in them, which the server does not keep."""
    for key in keys:
        if key in parent and not parent[key]:
            del parent[key]


def drop_zeros(target: Object, *keys: str) -> None:
    """Remove fields with the value they have anyway (false, 0, nothing), which the server does not keep."""
    for key in keys:
        if key in target and target[key] in (False, 0, "", None) and type(target[key]) not in (list, dict):
            del target[key]


def quantities(parent: Object, keys: Iterable[str], path: str) -> None:
    """Spell the quantities in the maps under these keys as the server does. Raises Rejected."""
    for key in keys:
        values = parent.get(key)
        if type(values) is dict:
            for name in values:
                quantity(values, name, f"{path}.{key}[{name}]")


def quantity(parent: Object, key: str, path: str) -> None:
    """Spell one quantity as the server does. Raises Rejected."""
    value = parent.get(key)
    if value is None:
        return
    try:
        parent[key] = canonical(value)
    except BadQuantity as error:
        raise Rejected(f"{path}: Invalid value: {value!r}: {error}", (path,)) from error
