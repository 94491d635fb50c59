"""Answers to events of Git servers and registries."""

from __future__ import annotations

from typing import Literal

from hub.api.models.base import Reply


class WebhookReply(Reply):
    provider: str
    outcome: Literal["asked", "ping", "ignored"]
    """asked: the repository is asked at once, if any application reads it; ping: somebody tries the connection;
    ignored: the event is of a kind that means nothing here."""
