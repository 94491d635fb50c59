"""Addresses in OCI registries, read once and strictly."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hub.domain.repository import Place
from hub.source.errors import RepositoryRefused
from hub.source.urls import MAX_URL, redact

_HOST = re.compile(r"([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_NAME = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LONGEST_NAME = 255
_DOCKER = ("docker.io", "index.docker.io")
"""Names of a registry that is at another host."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A repository of a registry."""

    host: str
    """With the port, where one is given."""
    name: str

    @property
    def display(self) -> str:
        return f"oci://{self.host}/{self.name}"


def parse_reference(place: Place) -> Reference:
    """Raises RepositoryRefused."""
    text = re.sub(r"^oci://", "", place.url.strip(), flags=re.IGNORECASE).rstrip("/")
    if place.chart:
        text = f"{text}/{place.chart}"
    host, _, name = text.partition("/")
    shown = redact("oci://" + text)
    if len(text) > MAX_URL or "@" in host:
        raise RepositoryRefused(
            f"{shown!r} is no address in a registry: write oci://HOST/REPOSITORY, without a user name."
        )
    if not _HOST.fullmatch(host) or len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        raise RepositoryRefused(
            f"{shown!r} is no address in a registry: write oci://HOST/REPOSITORY, the repository in lower case; the "
            "version goes into targetRevision."
        )
    return Reference("registry-1.docker.io" if host.lower() in _DOCKER else host.lower(), name)


def is_tag(text: str) -> bool:
    return _TAG.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None
