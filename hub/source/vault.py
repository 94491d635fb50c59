"""Repositories and credential templates as the store keeps them: encrypted whole, each for its own row."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import replace
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from hub.domain.repo_url import repo_key
from hub.domain.repository import CredentialTemplate, Repository, SealedEntry
from hub.errors import HubError
from hub.source.contract import Sealer
from hub.source.urls import redact

Entry = Repository | CredentialTemplate
REPOSITORY, TEMPLATE = "repository", "template"


class EntryDamaged(HubError):
    """A stored entry cannot be read although it was decrypted."""

    code = "repository-entry-damaged"


def entry_id(kind: str, url: str, project: str) -> str:
    """Name an entry's row. Addresses that mean the same have the same; entries of other projects have others."""
    return hashlib.sha256("\0".join((kind, project, repo_key(url).text)).encode()).hexdigest()[:32]


def kind_of(entry: Entry) -> str:
    return REPOSITORY if isinstance(entry, Repository) else TEMPLATE


def seal_entry(entry: Entry, sealer: Sealer) -> SealedEntry:
    kind = kind_of(entry)
    row = SealedEntry(entry_id(kind, entry.url, entry.project), kind, entry.project, redact(entry.url), b"")
    return replace(row, sealed=sealer.seal(orjson.dumps(entry), row.purpose))


def unseal_entry(row: SealedEntry, sealer: Sealer) -> Entry:
    """Raises KeyFileError with another key than it was sealed with, EntryDamaged."""
    content = sealer.unseal(row.sealed, row.purpose)
    try:
        entry: Entry = _reader(row.kind).validate_json(content)
    except ValidationError:
        # The error quotes its input, which is secret.
        raise EntryDamaged(f"the stored entry of {row.url} cannot be read: register it anew") from None
    if (entry.project, entry_id(row.kind, entry.url, entry.project)) != (row.project, row.id):
        raise EntryDamaged(f"the stored entry of {row.url} is another one's: register it anew")
    return entry


@functools.cache
def _reader(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(Repository if kind == REPOSITORY else CredentialTemplate)
