"""What happened, for people to look at later."""

from __future__ import annotations

from hub.api.models.base import Reply, Time


class EventItem(Reply):
    at: Time
    severity: str
    """info | warning"""
    reason: str
    message: str
    cluster: str
    application: str
    actor: str


class EventList(Reply):
    items: list[EventItem]
    """Newest first."""
