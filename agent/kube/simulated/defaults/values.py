"""Small steps that filling in defaults is made of. All take what a manifest may hold instead of what it should."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agent.engine.resource import Object


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
