"""The one form that every error has."""

from __future__ import annotations

from pydantic import Field

from hub.api.models.base import Reply


class ErrorBody(Reply):
    code: str
    """From the catalogue; clients may depend on it."""
    message: str
    """For people: what happened, to which object, and what to do."""
    request_id: str
    """Finds the request in the hub's log."""
    details: list[str] = Field(default=[])
    """Every single problem, where there are several: "file, line N: …"."""


class ErrorReply(Reply):
    error: ErrorBody
