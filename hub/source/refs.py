"""What a repository's branches and tags point at, as its server last said.

Kept beside the mirror, so that a hub which restarts while the server is away goes on with the last good answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

_HEADS = "refs/heads/"
_TAGS = "refs/tags/"
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Refs:
    """Commit ids by name; annotated tags are peeled to the commit they name."""

    head: str = ""
    """The commit HEAD is at; empty for a repository without commits."""
    default_branch: str = ""
    branches: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
    """Full name → commit, of refs somebody asked for that are neither branch nor tag."""

    def find(self, revision: str) -> str:
        """Return the commit a name stands for, or nothing: HEAD, a full ref, a branch, a tag, in this order."""
        if revision == "HEAD":
            return self.head
        if revision.startswith(_HEADS):
            return self.branches.get(revision.removeprefix(_HEADS), "")
        if revision.startswith(_TAGS):
            return self.tags.get(revision.removeprefix(_TAGS), "")
        return self.branches.get(revision) or self.tags.get(revision) or self.others.get(revision, "")

    def to_json(self) -> bytes:
        return orjson.dumps(self)

    @classmethod
    def from_json(cls, content: bytes) -> Refs:
        """Raises ValueError when it is something else."""
        value: Any = orjson.loads(content)
        try:
            return cls(**value)
        except TypeError as error:
            raise ValueError("not a list of refs") from error


def is_other_ref(revision: str) -> bool:
    """Whether a revision is a full ref name that is neither a branch nor a tag, such as refs/pull/1/head."""
    return revision.startswith("refs/") and not revision.startswith((_HEADS, _TAGS))


def parse_ls_remote(output: bytes) -> Refs:
    """Read what `git ls-remote --symref` prints. Lines that are something else are passed over."""
    head = default_branch = ""
    names: dict[str, dict[str, str]] = {_HEADS: {}, _TAGS: {}, "": {}}
    for line in output.decode(errors="replace").splitlines():
        left, tab, name = line.partition("\t")
        if not tab:
            continue
        if left.startswith("ref: ") and name == "HEAD":
            default_branch = left.removeprefix("ref: ").removeprefix(_HEADS)
        elif not _SHA.fullmatch(left):
            continue
        elif name == "HEAD":
            head = left
        else:
            # A tag object's line comes first, the commit it names follows as "<name>^{}" and takes its place.
            prefix = next((prefix for prefix in (_HEADS, _TAGS) if name.startswith(prefix)), "")
            names[prefix][name.removeprefix(prefix).removesuffix("^{}")] = left
    return Refs(head, default_branch, names[_HEADS], names[_TAGS], names[""])
