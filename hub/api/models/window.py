"""Sync windows of projects."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints, TypeAdapter

from hub.api.models.base import Reply, Request
from hub.api.models.objects import Action
from hub.formats.edit_windows import WindowFlags

Text = Annotated[str, StringConstraints(max_length=4096)]
Globs = Annotated[list[Text], Field(max_length=1000)]

_FLAGS = TypeAdapter(WindowFlags)


class WindowItem(Reply):
    id: int
    """Its place in the project, from 0: it moves up when one before it is deleted."""
    kind: str
    """allow | deny"""
    schedule: str
    duration: str
    """"1h30m"."""
    time_zone: str
    """IANA; UTC where the project names none."""
    applications: list[str]
    namespaces: list[str]
    clusters: list[str]
    manual_sync: bool
    and_operator: bool
    sync_overrun: bool
    description: str
    active: bool
    """Whether it is open now, by the hub's clock."""


class WindowList(Reply):
    items: list[WindowItem]


class WindowFlagsBody(Request):
    """`hub.formats.edit_windows.WindowFlags`, field by field: what is absent or null is left as it is, what is empty is
    taken away."""

    kind: Text | None = None
    """allow | deny"""
    schedule: Text | None = None
    """Five fields of cron."""
    duration: Text | None = None
    """"1h30m"."""
    time_zone: Text | None = None
    applications: Globs | None = None
    """Instead of those there are, as are the next two."""
    namespaces: Globs | None = None
    clusters: Globs | None = None
    manual_sync: bool | None = None
    and_operator: bool | None = None
    sync_overrun: bool | None = None
    description: Text | None = None

    def flags(self) -> WindowFlags:
        return _FLAGS.validate_python(self.model_dump())


class WindowsStored(Reply):
    project: str
    action: Action
    items: list[WindowItem]
    """All of the project's windows, as they are now."""
    warnings: list[str]
