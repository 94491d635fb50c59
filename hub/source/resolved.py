"""What a target revision means at a moment, whatever kind of repository it is of."""

from __future__ import annotations

from dataclasses import dataclass

from hub.domain.revision import SourceRevision
from hub.source.tree import GitTree


@dataclass(frozen=True, slots=True)
class Resolved:
    tree: GitTree
    """Its commit is the hub's own where it is not Git's; the same for the same files."""
    revision: SourceRevision
    """As people know it."""
    warnings: tuple[str, ...] = ()
    """"<ConditionType>: <message>" each."""
