"""Reading one object's fields, so that every mistake in it is told at once and no field is passed over in silence.

A `Fields` walks a mapping that came from YAML. Each reading method names a field, and says what is wrong with it by its
full path instead of raising, so that its author sees every mistake in one go. What has been read, or set aside with a
reason, is remembered; `finish` reports the rest as unknown. Null counts as absent, as in Kubernetes.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from hub.formats.errors import FormatError, shown

T = TypeVar("T")

_MOST_TOLD = 25
"""Nobody reads more at once, and an error is not to be as long as the text that caused it."""


@dataclass(frozen=True, slots=True)
class Parsed(Generic[T]):
    """An object that was read, and what its author should know about it."""

    value: T
    warnings: list[str]


@dataclass(slots=True)
class Problems:
    """What reading one object has found."""

    errors: list[str] = field(default_factory=list)
    unserved: list[str] = field(default_factory=list)
    """Fields that mean something elsewhere but have no effect here: errors under `strict`."""
    notes: list[str] = field(default_factory=list)

    def conclude(self, value: T, *, strict: bool, of: str, name: str, line: int) -> Parsed[T]:
        """Return the object with its warnings. Raises FormatError when it cannot be taken."""
        errors = self.errors + (self.unserved if strict else [])
        if errors:
            raise FormatError(f"{of}: {'; '.join(_capped(errors))}", name=name, line=line)
        return Parsed(value, _capped(self.unserved + self.notes))


class Fields:
    """One mapping of the object, and where in the object it is."""

    def __init__(self, value: Mapping[str, Any], path: str, problems: Problems) -> None:
        self.value = value
        self.path = path
        self.problems = problems
        self._known: set[str] = set()

    def at(self, key: str) -> str:
        """Return the full path of a field."""
        return f"{self.path}.{key}" if self.path else key

    def fail(self, key: str, problem: str) -> None:
        """Report what is wrong with a field; with an empty key, with the mapping itself."""
        self.problems.errors.append(f"{self.at(key) if key else self.path} {problem}")

    def note(self, key: str, remark: str) -> None:
        """Tell what the author should know about a field that is taken; with an empty key, about the mapping."""
        self.problems.notes.append(f"{self.at(key) if key else self.path} {remark}")

    def get(self, key: str) -> Any:
        """Return a field's raw value, None when absent."""
        self._known.add(key)
        return self.value.get(key)

    def given(self, key: str) -> bool:
        """Tell whether a field says anything: null and empty values do not."""
        return not is_empty(self.value.get(key))

    def text(self, key: str, default: str = "") -> str:
        value = self.get(key)
        if value is None:
            return default
        if isinstance(value, str):
            return value
        self.fail(key, f"is {described(value)}, but text is wanted{_quote_it(value)}")
        return default

    def required(self, key: str, advice: str = "") -> str:
        """Read text that must be there."""
        text = self.text(key)
        if self.value.get(key) in (None, ""):
            self.fail(key, f"is missing{advice and ': '}{advice}")
        return text

    def flag(self, key: str, default: bool = False) -> bool:
        value = self.get(key)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        self.fail(key, f"is {described(value)}, but true or false (without quotes) is wanted")
        return default

    def integer(self, key: str, default: int, *, least: int) -> int:
        value = self.get(key)
        if value is None:
            return default
        if isinstance(value, int) and not isinstance(value, bool):
            if least <= value < 2**31:
                return value
            self.fail(key, f"is {value}, but a number from {least} is wanted")
        else:
            self.fail(key, f"is {described(value)}, but a whole number (without quotes) is wanted")
        return default

    def texts(self, key: str) -> tuple[str, ...]:
        """Read a list of text."""
        found = []
        for index, item in enumerate(self.list_of(key)):
            if isinstance(item, str):
                found.append(item)
            else:
                self.fail(f"{key}[{index}]", f"is {described(item)}, but text is wanted{_quote_it(item)}")
        return tuple(found)

    def text_map(self, key: str) -> dict[str, str]:
        """Read a mapping from text to text, such as labels."""
        found: dict[str, str] = {}
        for name, item in self.mapping(key).items():
            if isinstance(item, str):
                found[name] = item
            elif item is not None:
                self.fail(f"{key}[{name}]", f"is {described(item)}, but text is wanted{_quote_it(item)}")
        return found

    def list_of(self, key: str) -> list[Any]:
        value = self.get(key)
        if value is None or isinstance(value, list):
            return value or []
        self.fail(key, f"is {described(value)}, but a list is wanted")
        return []

    def mapping(self, key: str) -> Mapping[str, Any]:
        value = self.get(key)
        if value is None or isinstance(value, Mapping):
            return value or {}
        self.fail(key, f"is {described(value)}, but a mapping is wanted")
        return {}

    def child(self, key: str) -> Fields | None:
        """Return the reader of a mapping below, None when it is absent."""
        value = self.get(key)
        if value is None:
            return None
        return Fields(self.mapping(key), self.at(key), self.problems)

    def children(self, key: str) -> list[Fields]:
        """Return the readers of a list of mappings."""
        found = []
        for index, item in enumerate(self.list_of(key)):
            if isinstance(item, Mapping):
                found.append(Fields(item, f"{self.at(key)}[{index}]", self.problems))
            else:
                self.fail(f"{key}[{index}]", f"is {described(item)}, but a mapping is wanted")
        return found

    def ignore(self, *keys: str) -> None:
        """Set fields aside that have no bearing here."""
        self._known.update(keys)

    def unserved(self, reasons: Mapping[str, str]) -> None:
        """Set fields aside that have a meaning Escadre does not serve, each with what to know about it."""
        for key, reason in reasons.items():
            self._known.add(key)
            if self.given(key):
                self.problems.unserved.append(f"{self.at(key)} is not served: {reason}")

    def finish(self) -> None:
        """Report every field that nothing has asked for."""
        for key in self.value:
            if key not in self._known:
                self.problems.unserved.append(
                    f"{self.at(shown(key))} is not a known field{did_you_mean(key, self._known)}"
                )


def is_empty(value: Any) -> bool:
    """Tell whether a value says nothing: null, zero, false, and what holds only such values."""
    if isinstance(value, Mapping):
        return all(is_empty(item) for item in value.values())
    if isinstance(value, list):
        return all(is_empty(item) for item in value)
    return not value


def described(value: Any) -> str:
    """Name a value for a message."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text {shown(value)!r}"
        case Mapping():
            return "a mapping"
        case _:
            return "a list"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a suggestion to append, or nothing."""
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word[:60].lower(), by_lower, n=1, cutoff=0.75)
    return f" (did you mean {by_lower[close[0]]}?)" if close else ""


def _quote_it(value: Any) -> str:
    return ": write it in quotes" if isinstance(value, (bool, int, float)) else ""


def _capped(messages: list[str]) -> list[str]:
    if len(messages) <= _MOST_TOLD:
        return messages
    return [*messages[:_MOST_TOLD], f"and {len(messages) - _MOST_TOLD} more"]
