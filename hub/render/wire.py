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
_MAX_MESSAGE = 8192
_MAX_CODE = 64


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
        return [item.tree for item in self.request.inputs]


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
    return _framed({"error": [error.code, error.message[:_MAX_MESSAGE], error.retryable], "rss": max_rss}, [])


def encode_hello(hello: dict[str, Any]) -> list[bytes]:
    return _framed(hello, [])


def decode_outcome(header: dict[str, Any], body: bytes) -> Outcome:
    """Read a reply, and check it. Raises the RenderError it carries; ValueError when it is none."""
    try:
        if "error" in header:
            code, message, retryable = header["error"]
            raise RenderError(str(message)[:_MAX_MESSAGE], code=str(code)[:_MAX_CODE], retryable=bool(retryable))
        blobs = _blobs(header["sizes"], body)
        entries = tuple(_entry(row) for row in header["resources"])
        warnings = tuple(str(warning) for warning in header["warnings"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"not a worker's reply: {error}") from error
    if any(len(blobs.get(entry.digest, b"")) != entry.size for entry in entries):
        raise ValueError("a worker's reply does not hold what it lists")
    return Outcome(ManifestSet(entries), blobs, warnings)


def _blobs(sizes: list[int], body: bytes) -> dict[str, bytes]:
    blobs: dict[str, bytes] = {}
    start = 0
    for size in sizes:
        if size < 0:
            raise ValueError("a blob of negative size")
        content = body[start : start + size]
        blobs[digest_of(content)] = content
        start += size
    if start != len(body):
        raise ValueError("blobs that are not those announced")
    return blobs


def _entry(row: list[Any]) -> Entry:
    group, version, kind, namespace, name, digest, size = row
    if not all(isinstance(text, str) for text in (group, version, kind, namespace, name, digest)):
        raise TypeError("an entry that is none")
    return Entry(ResourceKey(group, kind, namespace, name), version, digest, size)


def _framed(header: dict[str, Any], contents: list[bytes]) -> list[bytes]:
    encoded = orjson.dumps(header)
    return [LENGTHS.pack(len(encoded), sum(map(len, contents))), encoded, *contents]
