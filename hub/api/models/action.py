"""Resource actions: what can be done to single objects on clusters, and doing it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hub.api.models.base import Reply, Request
from hub.api.models.resource import ObjectName, Problem

_NO_SLASH = r"^[^/\x00-\x1f\x7f]*$"
"""They become parts of a permission's words, which slashes separate."""


class ActionParameter(Reply):
    """Something an action asks for. All of it is text."""

    name: str
    value: str
    type: str
    default: str


class ActionItem(Reply):
    name: str
    disabled: bool
    """It makes no sense on the object as it stands."""
    display_name: str
    icon_class: str
    params: list[ActionParameter]


class ResourceActions(ObjectName):
    """One object, by the namespace it lives in."""

    actions: list[ActionItem]
    error: str
    """Why nobody can say which there are; empty: it can be said."""


class ClusterActions(Reply):
    cluster: str
    error: Problem | None
    """Why this cluster has no answer."""
    truncated: bool
    """There are more objects with actions: select fewer."""
    resources: list[ResourceActions]
    """Those that have actions."""


class ActionList(Reply):
    items: list[ClusterActions]


class ActionRequest(Request):
    """One action on one object."""

    group: str = Field(default="", max_length=253, pattern=_NO_SLASH)
    """Empty: the core group."""
    kind: str = Field(min_length=1, max_length=63, pattern=_NO_SLASH)
    namespace: str = Field(default="", max_length=63, pattern=_NO_SLASH)
    """Where the object lives; empty: in no namespace."""
    name: str = Field(min_length=1, max_length=253, pattern=_NO_SLASH)
    action: str = Field(min_length=1, max_length=128, pattern=_NO_SLASH)
    parameters: dict[str, str] = Field(default={}, max_length=64)
    """By the names that the list of actions gives."""
    cluster: str = Field(default="", max_length=253)
    """Needed where the application is on more than one."""


class ChangedObject(ObjectName):
    operation: Literal["create", "patch"]


class ActionResult(Reply):
    cluster: str
    changed: list[ChangedObject]
    """What the action changed; empty: there was nothing to change."""
