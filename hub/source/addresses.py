"""Addresses of any kind of place, read once."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from hub.domain.repository import Place, RepositoryKind
from hub.source.errors import RepositoryRefused
from hub.source.oci_reference import parse_reference
from hub.source.urls import parse_repo_url, redact


def check_address(place: Place, file_prefixes: Sequence[Path]) -> None:
    """Say what the hub will not read, before it tries. Raises RepositoryRefused."""
    if place.kind is RepositoryKind.GIT:
        parse_repo_url(place.url, file_prefixes)
    else:
        address_name(place)


@functools.lru_cache(maxsize=4096)
def address_name(place: Place) -> str:
    """Return the same for every way to write the address of a chart repository or a registry. Raises
    RepositoryRefused."""
    if place.kind is RepositoryKind.OCI:
        return parse_reference(place).display
    parsed = parse_repo_url(place.url)
    if parsed.scheme not in ("https", "http"):
        raise RepositoryRefused(f"{redact(place.url)!r} is no chart repository's address: use https://.")
    return parsed.directory_name("")
