"""ManifestSet: the rendered output of an application, as content addresses.

A set is an ordered list of (ResourceKey, digest). Its canonical form is JSON with sorted keys and no spaces; the
SHA-256 of that form is its own address. A resource's blob is the object in the same canonical JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple


class ResourceKey(NamedTuple):
    """Names one object in a cluster. `namespace` is as rendered: empty when the manifest names none."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        kind = f"{self.kind}.{self.group}" if self.group else self.kind
        return f"{kind}/{self.namespace}/{self.name}" if self.namespace else f"{kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class Entry:
    key: ResourceKey
    version: str
    digest: str
    """Hex SHA-256 of the resource's blob."""
    size: int
    """Bytes of the blob."""


@dataclass(frozen=True, slots=True)
class ManifestSet:
    entries: tuple[Entry, ...]

    def encode(self) -> bytes:
        """Return the canonical form: {"resources": [[group, version, kind, namespace, name, digest, size], …]}."""
        rows = [
            [e.key.group, e.version, e.key.kind, e.key.namespace, e.key.name, e.digest, e.size] for e in self.entries
        ]
        return canonical_json({"resources": rows})

    @classmethod
    def decode(cls, content: bytes) -> ManifestSet:
        """Read the canonical form. Raises ValueError when it is something else."""
        try:
            rows = json.loads(content)["resources"]
            return cls(tuple(Entry(ResourceKey(g, k, ns, n), v, d, s) for g, v, k, ns, n, d, s in rows))
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a manifest set: {error}") from error


@dataclass(frozen=True, slots=True)
class ManifestSetRef:
    """Points at a set that the hub vouches for."""

    digest: str
    """Hex SHA-256 of the set's canonical form."""
    resources: int
    signature: bytes = b""
    key_id: str = ""


def canonical_json(value: Any) -> bytes:
    """Encode so that equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest_of(content: bytes) -> str:
    """Return the hex SHA-256 of a blob's content."""
    return hashlib.sha256(content).hexdigest()


def missing(wanted: Iterable[Entry], held: Iterable[Entry]) -> list[Entry]:
    """Return the wanted entries whose blobs are not among the held ones, each digest once."""
    seen = {e.digest for e in held}
    result = []
    for entry in wanted:
        if entry.digest not in seen:
            seen.add(entry.digest)
            result.append(entry)
    return result
