"""Where a source is read from."""

from __future__ import annotations

import re

from hub.domain.application import Source
from hub.domain.repository import Place, RepositoryKind

_HTTP = re.compile(r"https?://", re.IGNORECASE)
_OCI = re.compile(r"oci://", re.IGNORECASE)


def place_of(source: Source, project: str = "") -> Place:
    """Tell it by the source alone. `project` is whose entries of the registered repositories count."""
    url = source.repo_url
    if not source.chart:
        return Place(url, project, RepositoryKind.OCI if _OCI.match(url) else RepositoryKind.GIT)
    if _HTTP.match(url):
        return Place(url, project, RepositoryKind.HELM)
    return Place(url, project, RepositoryKind.OCI, source.chart)
