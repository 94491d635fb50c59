"""A revision: the commits an application's sources were read at."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

_DIGEST = "sha256:"
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class SourceRevision:
    repo_url: str
    revision: str
    """The commit's full id, or the version of a chart or an OCI artifact."""
    author: str = ""
    message: str = ""
    """First line, at most 200 characters."""
    committed_at: datetime | None = None
    chart: str = ""
    """Its name, where it is a chart of a chart repository or a registry."""
    digest: str = ""
    """sha256:… of what was fetched, where it is no commit: a version alone may come to mean something else."""

    @property
    def short(self) -> str:
        """Seven digits of a commit, twelve of a digest, a version whole."""
        if self.revision.startswith(_DIGEST):
            return self.revision[: len(_DIGEST) + 12]
        return self.revision[:7] if _COMMIT.fullmatch(self.revision) else self.revision


@dataclass(frozen=True, slots=True)
class Revision:
    sources: tuple[SourceRevision, ...] = ()

    @property
    def short(self) -> str:
        """The revisions as people read them."""
        return ",".join(source.short for source in self.sources)

    def __bool__(self) -> bool:
        return bool(self.sources)
