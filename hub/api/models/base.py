"""What all bodies have in common.

Requests refuse fields they do not know, so that a misspelt or newer field is told and not ignored; replies may gain
fields at any time, so clients must pass over those they do not know.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


Time = Annotated[
    datetime,
    PlainSerializer(_rfc3339, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]
"""RFC 3339 in UTC, to the second."""

ExactTime = Annotated[
    datetime,
    PlainSerializer(lambda at: at.astimezone(UTC).isoformat(timespec="microseconds"), return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]
"""RFC 3339 in UTC, for telling which of two things came first."""


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid", str_max_length=512 * 1024, use_attribute_docstrings=True)


class Reply(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)
