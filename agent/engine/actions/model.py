"""The words of resource actions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from agent.engine.resource import Object


class ActionError(Exception):
    """An action cannot be listed or run; the message says why."""


class Operation(StrEnum):
    CREATE = "create"
    PATCH = "patch"


@dataclass(frozen=True, slots=True)
class Parameter:
    """Something to be asked for before an action runs. All of it is text."""

    name: str
    value: str = ""
    type: str = ""
    default: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    name: str
    disabled: bool = False
    """It makes no sense on this object as it stands."""
    display_name: str = ""
    icon_class: str = ""
    params: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """One object as it is to be: created, or its live state patched to it, the status included."""

    operation: Operation
    object: Object


@dataclass(frozen=True, slots=True)
class Moment:
    """When an action runs: the clock is the caller's."""

    at: datetime

    @property
    def text(self) -> str:
        """RFC 3339, whole seconds: 2026-01-02T03:04:05Z."""
        return self.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def suffix(self) -> str:
        """Letters and digits for the end of a name."""
        return f"{int(self.at.timestamp()):x}"


Run = Callable[[Object, Mapping[str, str], Moment], list[Change]]
"""Changes a copy of the object, which is the function's own. Raises ActionError."""


@dataclass(frozen=True, slots=True)
class BuiltIn:
    run: Run
    disabled: Callable[[Object], bool] = lambda obj: False
    display_name: str = ""
    icon_class: str = ""
    params: tuple[Parameter, ...] = ()

    def action(self, name: str, obj: Object) -> Action:
        return Action(name, self.disabled(obj), self.display_name, self.icon_class, self.params)
