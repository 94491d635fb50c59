"""A revision: the commits an application's sources were read at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SourceRevision:
    repo_url: str
    revision: str
    """The commit's full id, or a chart's version."""
    author: str = ""
    message: str = ""
    """First line, at most 200 characters."""
    committed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    sources: tuple[SourceRevision, ...] = ()

    @property
    def short(self) -> str:
        """The revisions as people read them: seven characters each."""
        return ",".join(source.revision[:7] for source in self.sources)

    def __bool__(self) -> bool:
        return bool(self.sources)
