"""Where manifests come from: Git repositories, mirrored on the hub's disk.

`GitSource` is all that the rest of the hub needs. The names below are imported when they are first used: a render
worker imports `hub.source.tree` alone, to read a mirror.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hub.source.errors import SourceError
    from hub.source.git import GitSource
    from hub.source.policy import SourcePolicy
    from hub.source.refs import Refs
    from hub.source.repository import CommitInfo, GitRequest
    from hub.source.tree import GitTree

__all__ = ["CommitInfo", "GitRequest", "GitSource", "GitTree", "Refs", "SourceError", "SourcePolicy"]

_HOMES = {
    "CommitInfo": "repository",
    "GitRequest": "repository",
    "GitSource": "git",
    "GitTree": "tree",
    "Refs": "refs",
    "SourceError": "errors",
    "SourcePolicy": "policy",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"hub.source.{_HOMES[name]}"), name)
