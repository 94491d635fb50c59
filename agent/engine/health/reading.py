"""Reading objects that may hold anything.

A live object comes from outside, and a field of another type than its API says must end in a sentence that names the
field, not in an exception somewhere else. So the rules read objects only through `View`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from agent.engine.health.model import cut

_MAX_TEXT = 500


class Malformed(Exception):
    """A field has another type than the rule that reads it expects. Never leaves `assess`."""

    def __init__(self, field: str, expected: str, found: Any) -> None:
        super().__init__(f"{field} is {_type_of(found)} where {expected} is expected")


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "a boolean"
    names = {int: "a number", float: "a number", str: "a text", list: "a list", dict: "a map"}
    return names.get(type(value), "null" if value is None else type(value).__name__)


@dataclass(frozen=True, slots=True)
class View:
    """A map inside an object, with the way to it. A field that is null counts as absent, as in Kubernetes."""

    data: dict[str, Any]
    at: str = ""

    def field(self, name: str) -> str:
        """Name a field for people: "status.replicas"."""
        return f"{self.at}.{name}" if self.at else name

    def has(self, name: str) -> bool:
        return self.data.get(name) is not None

    def map(self, name: str) -> View:
        """Return a map, an empty one when it is absent."""
        value = self.data.get(name)
        if value is None:
            return View({}, self.field(name))
        if not isinstance(value, dict):
            raise Malformed(self.field(name), "a map", value)
        return View(value, self.field(name))

    def items(self, name: str) -> list[Any]:
        value = self.data.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise Malformed(self.field(name), "a list", value)
        return value

    def maps(self, name: str) -> list[View]:
        """Return a list of maps, an empty one when it is absent."""
        views = []
        for index, item in enumerate(self.items(name)):
            at = f"{self.field(name)}[{index}]"
            if not isinstance(item, dict):
                raise Malformed(at, "a map", item)
            views.append(View(item, at))
        return views

    def integer(self, name: str, default: int = 0) -> int:
        value = self.data.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            raise Malformed(self.field(name), "a whole number", value)
        return value

    def text(self, name: str, default: str = "") -> str:
        value = self.data.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise Malformed(self.field(name), "a text", value)
        return value

    def flag(self, name: str) -> bool:
        value = self.data.get(name)
        if value is not None and not isinstance(value, bool):
            raise Malformed(self.field(name), "true or false", value)
        return value is True

    def annotation(self, name: str) -> str:
        return self.map("metadata").map("annotations").text(name)


def with_cause(*parts: str) -> str:
    """Put what the cluster says behind what it means: "1 of 2 pods are ready: FailedCreate: quota exceeded"."""
    text = ": ".join(part for part in parts if part)
    return cut(text, _MAX_TEXT)
