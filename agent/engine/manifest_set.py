"""Reading a ManifestSet: the complete list of what an application is made of, by digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import orjson

from agent.engine.resource import ResourceKey


@dataclass(frozen=True, slots=True)
class Entry:
    key: ResourceKey
    """As rendered: without a namespace where the manifest names none."""
    version: str
    digest: str
    """Hex SHA-256 of the blob that holds the object's canonical JSON."""
    size: int


class IncompleteSet(ValueError):
    """The set is not what the hub vouched for. Nothing may be applied or pruned by it."""


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def read_manifest_set(content: bytes, *, resources: int) -> tuple[Entry, ...]:
    """Read a set's canonical form; `resources` is the number of entries the hub announced.

    Raises IncompleteSet when it is malformed or has another number of entries.
    """
    try:
        rows = orjson.loads(content)["resources"]
        entries = tuple(
            Entry(ResourceKey(group, kind, namespace, name), version, digest, size)
            for group, version, kind, namespace, name, digest, size in rows
        )
    except (ValueError, KeyError, TypeError) as error:
        raise IncompleteSet(f"the manifest set cannot be read: {error}") from error
    if len(entries) != resources:
        raise IncompleteSet(f"the manifest set has {len(entries)} resources, {resources} were announced")
    return entries
