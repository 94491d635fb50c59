"""How some of an application's sources are named, in bodies and in queries alike."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

MOST_SOURCES = 100
"""Named in one request; no application has more."""

RevisionText = Annotated[str, Field(min_length=1, max_length=255)]
PositionNumber = Annotated[int, Field(ge=0, le=2**31 - 1)]
"""From 1: that there is no source 0 is told with those that there are."""
NameText = Annotated[str, Field(min_length=1, max_length=255)]
