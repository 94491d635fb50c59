"""What the hub asks of an OCI registry: which tags there are, what one points at, manifests and blobs.

Whatever is named by a digest is checked against it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import orjson

from hub.source.errors import ArtifactRefused, RepositoryTooLarge, RevisionNotFound
from hub.source.http import Answer
from hub.source.link import Link
from hub.source.oci_auth import Tokens
from hub.source.oci_reference import Reference, is_digest

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_ACCEPT = {"Accept": f"{_MANIFEST}, {_INDEX};q=0.5, */*;q=0.1"}
_MOST_MANIFEST = 4 * 1024 * 1024
_MOST_PAGES = 200
_MOST_TAGS = 100_000
_PAGE = 1000


class OciClient:
    def __init__(self, link: Link, reference: Reference) -> None:
        self._link = link
        self._reference = reference
        self._tokens = Tokens(link, f"repository:{reference.name}:pull")

    async def tags(self) -> list[str]:
        """Return all tags. Raises SourceError."""
        url = self._url(f"tags/list?n={_PAGE}")
        found: list[str] = []
        for _ in range(_MOST_PAGES):
            answer = await self._ask(url)
            if answer.status != 200:
                raise self._link.refused(answer)
            said = _json(answer.content)
            tags = said.get("tags") or [] if isinstance(said, dict) else None
            if not isinstance(tags, list):
                raise self._broken("its list of tags is none")
            found += [tag for tag in tags if isinstance(tag, str)]
            following = _next(answer.headers.get("link", ""))
            if not following:
                return found
            url = urljoin(url, following)
            if self._link.elsewhere(url) or len(found) > _MOST_TAGS:
                break
        raise RepositoryTooLarge(
            f"{self._link.name} has more than {_MOST_TAGS:,} tags, or lists them without end: name a tag or a digest "
            "in place of a range."
        )

    async def digest_of(self, tag: str) -> str:
        """Return what a tag points at, as sha256:…. Raises SourceError."""
        answer = await self._ask(self._url(f"manifests/{tag}"), method="HEAD")
        if answer.status == 404:
            raise self._absent(tag)
        digest = answer.headers.get("docker-content-digest", "")
        if answer.status == 200 and is_digest(digest):
            return digest
        # Not every registry says it without the manifest.
        answer = await self._ask(self._url(f"manifests/{tag}"), most=_MOST_MANIFEST)
        if answer.status == 404:
            raise self._absent(tag)
        if answer.status != 200:
            raise self._link.refused(answer)
        return f"sha256:{hashlib.sha256(answer.content).hexdigest()}"

    async def manifest(self, digest: str) -> dict[str, Any]:
        """Raises SourceError."""
        answer = await self._ask(self._url(f"manifests/{digest}"), most=_MOST_MANIFEST)
        if answer.status == 404:
            raise self._absent(digest)
        if answer.status != 200:
            raise self._link.refused(answer)
        if f"sha256:{hashlib.sha256(answer.content).hexdigest()}" != digest:
            raise self._broken(f"what it gives for {digest[:19]}… is something else")
        said = _json(answer.content)
        if not isinstance(said, dict):
            raise self._broken("its manifest is none")
        return said

    async def blob(self, digest: str, target: Path, most: int) -> None:
        """Write a blob into a file. Raises SourceError."""
        url = self._url(f"blobs/{digest}")
        for attempt in range(2):
            headers, credentials = self._tokens.given()
            answer, found = await self._link.download(url, target, most=most, headers=headers, credentials=credentials)
            if answer.status != 401 or attempt:
                break
            await self._tokens.answer(answer.headers.get("www-authenticate", ""))
        if answer.status != 200:
            raise self._link.refused(answer)
        if f"sha256:{found}" != digest:
            raise self._broken(f"what it gives for {digest[:19]}… is something else")

    async def _ask(self, url: str, *, method: str = "GET", most: int = _MOST_MANIFEST) -> Answer:
        for attempt in range(2):
            headers, credentials = self._tokens.given()
            answer = await self._link.ask(
                url, method=method, headers={**_ACCEPT, **headers}, credentials=credentials, most=most
            )
            if answer.status != 401 or attempt:
                break
            await self._tokens.answer(answer.headers.get("www-authenticate", ""))
        return answer

    def _url(self, rest: str) -> str:
        return f"{self._link.url}/v2/{self._reference.name}/{rest}"

    def _absent(self, what: str) -> RevisionNotFound:
        return RevisionNotFound(f"{self._link.name} has no {what[:100]!r}: correct targetRevision, or push it.")

    def _broken(self, how: str) -> ArtifactRefused:
        error = ArtifactRefused(
            f"{self._link.name} cannot be read: {how}; the registry, or what is before it, is broken."
        )
        error.retryable = True
        return error


def _json(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except ValueError:
        return None


def _next(header: str) -> str:
    """Return where a Link header leads on to."""
    for part in header.split(","):
        target, _, rest = part.strip().partition(">")
        if target.startswith("<") and 'rel="next"' in rest.replace("rel=next", 'rel="next"'):
            return target[1:]
    return ""


def is_manifest(said: Mapping[str, Any]) -> bool:
    """Whether it is of one artifact, and not a list of several."""
    return isinstance(said.get("layers"), list)
