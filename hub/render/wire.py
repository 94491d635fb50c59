"""What the hub and a render worker say to each other, over the worker's standard input and output.

Tasks go to the worker as pickles, for they come from the hub. Nothing a worker says is unpickled or believed: it has
read whatever is in a repository, so its answers are JSON and bytes of announced and limited length, and the hub
computes every digest again.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from hub.domain.manifest import Entry, ManifestSet, ResourceKey, digest_of
from hub.domain.tree import Tree
from hub.render.errors import RenderError
from hub.render.model import MIB, Plan, RenderLimits, RenderRequest

LENGTHS = struct.Struct("!IQ")
"""Of the header and of the body that follows it."""
TASK_LENGTH = struct.Struct("!I")
MAX_HEADER = 64 * MIB


@dataclass(frozen=True, slots=True)
class Setup:
    """The first thing a worker is told."""

    limits: RenderLimits
    parent: int = 0
    """The hub's process id."""
    scratch: str = ""
    """A directory of the worker's own; the hub removes it when the worker is gone."""
    hidden: tuple[Path, ...] = ()
    readable: tuple[Path, ...] = ()
    """Inside of hidden directories."""
    kustomize: tuple[str, ...] = ()
    """The command that builds; empty when there is none."""
    helm: str = ""
    """The binary; empty to render in process."""
    preload: tuple[type[Tree], ...] = ()
    """Imported by unpickling this."""


@dataclass(frozen=True, slots=True)
class Task:
    request: RenderRequest
    plans: tuple[Plan, ...]

    @property
    def trees(self) -> list[Tree]:
        return [item.tree for item in self.request.sources]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a worker made of a task."""

    manifest_set: ManifestSet
    blobs: dict[str, bytes]
    warnings: tuple[str, ...]


def encode_outcome(outcome: Outcome, max_rss: int) -> list[bytes]:
    """Return the pieces of a reply."""
    rows = [
        [e.key.group, e.version, e.key.kind, e.key.namespace, e.key.name, e.digest, e.size]
        for e in outcome.manifest_set.entries
    ]
    contents = list(outcome.blobs.values())
    header = {
        "resources": rows,
        "warnings": outcome.warnings,
        "sizes": [len(content) for content in contents],
        "rss": max_rss,
    }
    return _framed(header, contents)


def encode_error(error: RenderError, max_rss: int) -> list[bytes]:
    return _framed(
        {"error": [error.code, error.message[:8192], error.retryable], "rss": max_rss},
        [],
    )


def encode_hello(hello: dict[str, Any]) -> list[bytes]:
    return _framed(hello, [])


def decode_outcome(header: dict[str, Any], body: bytes) -> Outcome:
    """Read a reply, and check it. Raises the RenderError it carries; ValueError when it is none."""
    try:
        if "error" in header:
            code, message, retryable = header["error"]
            raise RenderError(str(message), code=str(code), retryable=bool(retryable))
        blobs: dict[str, bytes] = {}
        start = 0
        for size in header["sizes"]:
            content = body[start : start + size]
            blobs[digest_of(content)] = content
            start += size
        entries = tuple(
            Entry(ResourceKey(group, kind, namespace, name), version, digest, size)
            for group, version, kind, namespace, name, digest, size in header["resources"]
        )
        warnings = tuple(str(warning) for warning in header["warnings"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not a worker's reply: {error}") from error
    if start != len(body) or any(len(blobs.get(entry.digest, b"")) != entry.size for entry in entries):
        raise ValueError("a worker's reply does not hold what it lists")
    return Outcome(ManifestSet(entries), blobs, warnings)


def _framed(header: dict[str, Any], contents: list[bytes]) -> list[bytes]:
    encoded = orjson.dumps(header)
    return [LENGTHS.pack(len(encoded), sum(map(len, contents))), encoded, *contents]
