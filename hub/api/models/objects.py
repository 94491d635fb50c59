"""Applying objects: Applications, AppProjects and the system-wide settings as people write them."""

from __future__ import annotations

from typing import Literal

from hub.api.models.base import Reply

Action = Literal["created", "configured", "unchanged", "would-create", "would-configure", "would-not-change"]


class ApplyResult(Reply):
    kind: str
    name: str
    namespace: str
    """Empty for an AppProject and the system-wide settings."""
    action: Action
    warnings: list[str]
    """Fields that have no effect here, each by its full path."""


class ApplyReply(Reply):
    results: list[ApplyResult]
