"""A chart repository: an index over HTTP, asked whether it has changed, and archives that are fetched once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from hub.domain.application import Source
from hub.domain.repository import Access, Place
from hub.domain.revision import SourceRevision
from hub.source.errors import ArtifactRefused, RepositoryRefused, RevisionNotFound
from hub.source.failures import storage_errors
from hub.source.flight import Flight
from hub.source.lanes import Lanes
from hub.source.link import Link, basic_authorization, with_user
from hub.source.memory import Memory
from hub.source.policy import SourcePolicy
from hub.source.resolved import Resolved
from hub.source.shelf import Shelf, chart_versions
from hub.source.told import parse_time, replaced
from hub.source.tree import GitTree
from hub.source.urls import parse_repo_url, redact
from hub.source.versions import choose_version, parse_version

INDEX_LIMIT = 50 * 1024 * 1024
ARCHIVE_LIMIT = 64 * 1024 * 1024
_SHOWN = 3
_MOST_CHARTS = 200
"""Of which it is remembered what the index says."""


class HelmRepository:
    """Implements `hub.source.charts.Archives`."""

    def __init__(
        self, place: Place, directory: Path, access: Callable[[], Access], policy: SourcePolicy, lanes: Lanes
    ) -> None:
        """Raises RepositoryRefused."""
        parsed = parse_repo_url(place.url)
        self.name = parsed.display
        self.asked = False
        self.used_at = time.monotonic()
        self.shelf = Shelf(directory)
        base = parsed.location.rstrip("/") + "/"
        self._link = Link(
            self.name, lambda _: base, lambda: with_user(access(), parsed.username, parsed.password), policy, lanes
        )
        self._base = base
        self._index = directory / "index.yaml"
        self._memory = Memory(directory / "helm.json")
        self._refreshing: Flight[None] = Flight()
        self._forced: Flight[None] = Flight()
        self._fetching: dict[str, Flight[GitTree]] = {}
        self._reading = asyncio.Lock()
        self._charts: dict[str, list[dict[str, Any]] | None] = {}

    async def refresh(self, *, force: bool) -> None:
        """Ask for the index if it has changed; `force` also takes what has been put in a version's place for granted.
        Raises SourceError, and leaves what is known as it is."""
        self.used_at = time.monotonic()
        await (self._forced if force else self._refreshing).join(lambda: self._refresh(force=force))

    async def resolve(self, source: Source) -> Resolved:
        """Return the files of the version that a source means, from the last answer; the network is needed only for
        what was never fetched. Raises SourceError."""
        self.used_at = time.monotonic()
        chart, revision = source.chart, source.target_revision
        if not self._index.is_file():
            await self.refresh(force=False)
        versions = await self._versions(chart)
        if versions is None:
            raise RevisionNotFound(f"{self.name} has no chart {chart[:100]!r}: correct the source's chart or repoURL.")
        name = choose_version(revision, (version["version"] for version in versions))
        if not name:
            raise RevisionNotFound(_no_version(self.name, chart, revision, versions))
        version = next(v for v in versions if v["version"] == name)
        digest = version["digest"] or self._memory.table("archives").get(f"{chart} {name}", "")
        tree = self.shelf.find(digest) if digest else None
        if tree is None:
            passed = source.helm is not None and source.helm.pass_credentials
            flight = self._fetching.setdefault(f"{chart} {name}", Flight())
            tree = await flight.join(lambda: self._fetch(chart, version, pass_credentials=passed))
            self._fetching.pop(f"{chart} {name}", None)
        return self._resolved(source, version, tree)

    async def close(self) -> None:
        for refreshing in (self._refreshing, self._forced):
            await refreshing.cancel()
        for fetching in self._fetching.values():
            await fetching.cancel()
        await self._link.close()

    async def _refresh(self, *, force: bool) -> None:
        known = self._memory.table("index")
        headers = {}
        if not force and self._index.is_file():
            if known.get("etag"):
                headers["If-None-Match"] = known["etag"]
            if known.get("modified"):
                headers["If-Modified-Since"] = known["modified"]
        partial = self.shelf.new_file()
        try:
            url = urljoin(self._base, "index.yaml")
            # An index says itself what is compressed well: some are fifty times smaller on the way.
            headers["Accept-Encoding"] = "gzip"
            answer, digest = await self._link.download(url, partial, most=INDEX_LIMIT, headers=headers)
            if answer.status not in (200, 304):
                raise self._link.refused(answer)
            if answer.status == 200:
                if digest != known.get("digest") or not self._index.is_file():
                    await self._take_index(partial)
                known.update(
                    etag=answer.headers.get("etag", "")[:500],
                    modified=answer.headers.get("last-modified", "")[:100],
                    digest=digest,
                )
        finally:
            partial.unlink(missing_ok=True)
        if force:
            await asyncio.to_thread(self.shelf.check)
            self._memory.table("first").clear()
            self._memory.table("archives").clear()
        self._memory.save()
        self.asked = True

    async def _take_index(self, partial: Path) -> None:
        """Put a new index in the old one's place, if it can be read."""
        wanted = next(iter(self._charts), "")
        await chart_versions(partial, wanted, self.name)
        async with self._reading:
            with storage_errors(self._index.parent):
                await asyncio.to_thread(partial.replace, self._index)
            self._charts = {}

    async def _versions(self, chart: str) -> list[dict[str, Any]] | None:
        async with self._reading:
            if chart not in self._charts:
                if len(self._charts) >= _MOST_CHARTS:
                    self._charts.clear()
                self._charts[chart] = await chart_versions(self._index, chart, self.name)
            return self._charts[chart]

    async def _fetch(self, chart: str, version: dict[str, Any], *, pass_credentials: bool) -> GitTree:
        name = f"The chart {chart} {version['version']} of {self.name}"
        url = self._archive_url(name, version)
        headers = {}
        if pass_credentials and self._link.elsewhere(url):
            headers = basic_authorization(self._link.access.credentials)
        archive = self.shelf.new_file()
        try:
            answer, digest = await self._link.download(url, archive, most=ARCHIVE_LIMIT, headers=headers)
            if answer.status != 200:
                raise self._link.refused(answer)
            if version["digest"] and digest != version["digest"]:
                error = ArtifactRefused(
                    f"{name} is not what the index says: its archive has the SHA-256 {digest[:16]}…, and "
                    f"{version['digest'][:16]}… is announced. Publish the version anew, or have the index rebuilt."
                )
                # The index and the archive may be about to be replaced, one after the other.
                error.retryable = True
                raise error
            tree = self.shelf.find(digest) or await self.shelf.add(digest, archive, "chart", name)
        finally:
            archive.unlink(missing_ok=True)
        if not version["digest"]:
            self._memory.table("archives")[f"{chart} {version['version']}"] = digest
            self._memory.save()
        return tree

    def _archive_url(self, name: str, version: dict[str, Any]) -> str:
        if not version["urls"]:
            raise ArtifactRefused(f"{name} has no address in the index: publish it anew.")
        url: str = urljoin(self._base, version["urls"][0])
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http"):
            raise RepositoryRefused(
                f"{name} is at {redact(url)!r}, which is no https address: name that place as the source itself."
            )
        if parts.scheme == "http" and self._base.startswith("https://"):
            raise RepositoryRefused(
                f"{name} is at {redact(url)!r}, without TLS, while its index is not: correct the index."
            )
        return url

    def _resolved(self, source: Source, version: dict[str, Any], tree: GitTree) -> Resolved:
        name, digest = version["version"], tree.mirror_name
        first = self._memory.table("first")
        key = f"{source.chart} {name}"
        if key not in first:
            first[key] = digest
            self._memory.save()
        lines = version["description"].splitlines()
        return Resolved(
            tree=tree,
            revision=SourceRevision(
                source.repo_url,
                name,
                message=lines[0][:200] if lines else "",
                committed_at=parse_time(version["created"]),
                chart=source.chart,
                digest=f"sha256:{digest}",
            ),
            warnings=replaced(f"version {name} of the chart {source.chart} at {self.name}", first[key], digest),
        )


def _no_version(name: str, chart: str, revision: str, versions: list[dict[str, Any]]) -> str:
    known = [(parsed, v["version"]) for v in versions if (parsed := parse_version(v["version"])) is not None]
    newest = [text for _, text in sorted(known, key=lambda pair: pair[0].precedence_key, reverse=True)[:_SHOWN]]
    there = f"its newest are {', '.join(newest)}" if newest else "it has none that can be read"
    return (
        f"{name} has no version {revision[:80]!r} of the chart {chart}: {there}. Correct targetRevision; a range finds "
        "pre-releases only if it names one, as >=1.0.0-0 does."
    )
