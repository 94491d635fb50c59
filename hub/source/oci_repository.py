"""A repository of an OCI registry: charts, or plain manifests as one archive, known by the digest of their manifest."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hub.domain.application import Source
from hub.domain.repository import Access, Place
from hub.domain.revision import SourceRevision
from hub.source.errors import ArtifactRefused, RevisionNotFound
from hub.source.flight import Flight
from hub.source.lanes import Lanes
from hub.source.link import Link
from hub.source.memory import Memory
from hub.source.oci_client import OciClient, is_manifest
from hub.source.oci_reference import is_digest, is_tag, parse_reference
from hub.source.policy import SourcePolicy
from hub.source.resolved import Resolved
from hub.source.shelf import Shelf
from hub.source.told import parse_time, replaced
from hub.source.tree import GitTree
from hub.source.versions import choose_version, is_range, parse_version

BLOB_LIMIT = 64 * 1024 * 1024
_CHART = ("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "application/tar+gzip")
_PROVENANCE = "application/vnd.cncf.helm.chart.provenance.v1.prov"
_ARCHIVE_ENDS = ("tar", "tar+gzip", "tar.gzip")
_WANTED_SECONDS = 24 * 3600.0
_NEWEST = ("", "HEAD", "*")
_MOST_KNOWN = 1000
_CREATED = "org.opencontainers.image.created"
_VERSION = "org.opencontainers.image.version"
_DESCRIPTION = "org.opencontainers.image.description"


class OciRepository:
    """Implements `hub.source.charts.Archives`."""

    def __init__(
        self, place: Place, directory: Path, access: Callable[[], Access], policy: SourcePolicy, lanes: Lanes
    ) -> None:
        """Raises RepositoryRefused."""
        reference = parse_reference(place)
        self.name = reference.display
        self.asked = False
        self.used_at = time.monotonic()
        self.shelf = Shelf(directory)

        def url(access: Access) -> str:
            return f"{'http' if access.plain_http else 'https'}://{reference.host}"

        self._link = Link(self.name, url, access, policy, lanes)
        self._client = OciClient(self._link, reference)
        self._memory = Memory(directory / "oci.json")
        self._refreshing: Flight[None] = Flight()
        self._forced: Flight[None] = Flight()
        self._fetching: dict[str, Flight[GitTree]] = {}
        self._wanted: dict[str, float] = {}

    async def refresh(self, *, force: bool) -> None:
        """Ask what the revisions point at that somebody reads. Raises SourceError; what is known stays as it was."""
        self.used_at = time.monotonic()
        await (self._forced if force else self._refreshing).join(lambda: self._refresh(force=force))

    async def resolve(self, source: Source) -> Resolved:
        """Return the files a source means, from the last answer; the network is needed only for what was never asked
        for or fetched. Raises SourceError."""
        self.used_at = time.monotonic()
        revision = source.target_revision.strip()
        if is_digest(revision):
            known = {"digest": revision, "tag": ""}
        else:
            self._wanted.pop(revision, None)
            self._wanted[revision] = self.used_at
            if len(self._wanted) > _MOST_KNOWN:
                self._wanted.pop(next(iter(self._wanted)))
            found = self._memory.table("revisions").get(revision)
            known = found if found is not None else await self._look_up(revision)
        digest = known["digest"]
        tree = self.shelf.find(_hex(digest))
        if tree is None or digest not in self._memory.table("manifests"):
            flight = self._fetching.setdefault(digest, Flight())
            tree = await flight.join(lambda: self._fetch(digest, chart=bool(source.chart)))
            self._fetching.pop(digest, None)
        return self._resolved(source, known["tag"], digest, tree)

    async def close(self) -> None:
        for refreshing in (self._refreshing, self._forced):
            await refreshing.cancel()
        for fetching in self._fetching.values():
            await fetching.cancel()
        await self._link.close()

    async def _refresh(self, *, force: bool) -> None:
        now = time.monotonic()
        self._wanted = {revision: at for revision, at in self._wanted.items() if now - at < _WANTED_SECONDS}
        known = self._memory.table("revisions")
        wanted = dict.fromkeys((*self._wanted, *(known if not self.asked else ())))
        fresh: dict[str, Any] = {}
        tags: list[str] | None = None
        for revision in wanted:
            if is_range(revision) and tags is None:
                tags = await self._client.tags()
            try:
                fresh[revision] = await self._meaning(revision, tags or [])
            except RevisionNotFound:
                # Whoever reads it is told; the others go on.
                continue
        if force:
            await asyncio.to_thread(self.shelf.check)
            self._memory.table("first").clear()
        if fresh != known or force:
            self._memory.value["revisions"] = fresh
            self._memory.save()
        self.asked = True

    async def _look_up(self, revision: str) -> dict[str, str]:
        tags = await self._client.tags() if is_range(revision) else []
        known = await self._meaning(revision, tags)
        self._memory.table("revisions")[revision] = known
        self._memory.save()
        return known

    async def _meaning(self, revision: str, tags: list[str]) -> dict[str, str]:
        tag = revision.replace("+", "_")
        if is_range(revision):
            tag = choose_version(revision, tags)
            if not tag and revision in _NEWEST and "latest" in tags:
                tag = "latest"
        if not tag or not is_tag(tag):
            raise RevisionNotFound(
                f"{self.name} has no tag that matches {revision[:80]!r} among its {len(tags):,}: name a tag, a digest "
                "(sha256:…) or a version range. A range finds pre-releases only if it names one, as >=1.0.0-0 does."
            )
        return {"tag": tag, "digest": await self._client.digest_of(tag)}

    async def _fetch(self, digest: str, *, chart: bool) -> GitTree:
        manifest = await self._client.manifest(digest)
        layer, kind = self._content(manifest, chart=chart)
        name = f"What {self.name} has as {digest[:19]}…"
        tree = self.shelf.find(_hex(digest))
        if tree is None:
            archive = self.shelf.new_file()
            try:
                await self._client.blob(layer["digest"], archive, BLOB_LIMIT)
                tree = await self.shelf.add(_hex(digest), archive, kind, name)
            finally:
                await asyncio.to_thread(archive.unlink, missing_ok=True)
        manifests = self._memory.table("manifests")
        while len(manifests) >= _MOST_KNOWN:
            manifests.pop(next(iter(manifests)))
        manifests[digest] = _described(manifest)
        self._memory.save()
        return tree

    def _content(self, manifest: Mapping[str, Any], *, chart: bool) -> tuple[Mapping[str, Any], str]:
        """Return the layer that holds the files, and what kind of archive it is. Raises ArtifactRefused."""
        if not is_manifest(manifest):
            raise ArtifactRefused(f"{self.name} has a list of artifacts there: name the digest of one of them.")
        layers = [layer for layer in manifest["layers"] if isinstance(layer, dict)]
        content = [layer for layer in layers if layer.get("mediaType") != _PROVENANCE]
        types = [str(layer.get("mediaType"))[:100] for layer in content]
        if len(content) != 1 or not types[0].endswith(_ARCHIVE_ENDS) or (chart and types[0] not in _CHART):
            wanted = "a Helm chart" if chart else "an artifact of one layer, a tar or a gzipped tar,"
            raise ArtifactRefused(
                f"{self.name} does not hold {wanted} there, but layers of {', '.join(types)[:300] or 'no kind'}."
            )
        if not is_digest(str(content[0].get("digest"))):
            raise ArtifactRefused(f"{self.name} names its layer by a digest that is none that the hub knows.")
        size = content[0].get("size")
        if isinstance(size, int) and size > BLOB_LIMIT:
            raise ArtifactRefused(f"{self.name} has {size:,} bytes there; at most {BLOB_LIMIT:,} are fetched.")
        return content[0], "chart" if types[0] in _CHART else "plain"

    def _resolved(self, source: Source, tag: str, digest: str, tree: GitTree) -> Resolved:
        said = self._memory.table("manifests").get(digest, {})
        version = _label(tag) or (_label(said.get("version", "")) if source.chart else "")
        first = self._memory.table("first")
        warnings: tuple[str, ...] = ()
        # A tag that is no version is meant to move, as a branch is.
        if _label(tag):
            if tag not in first:
                first[tag] = digest
                self._memory.save()
            warnings = replaced(f"the tag {tag} of {self.name}", _hex(first[tag]), _hex(digest))
        return Resolved(
            tree=tree,
            revision=SourceRevision(
                source.repo_url,
                version or digest,
                message=said.get("description", ""),
                committed_at=parse_time(said.get("created", "")),
                chart=source.chart,
                digest=digest,
            ),
            warnings=warnings,
        )


def _label(tag: str) -> str:
    """Return the version that a tag stands for."""
    return tag.replace("_", "+") if tag.count(".") >= 2 and parse_version(tag) is not None else ""


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")


def _described(manifest: Mapping[str, Any]) -> dict[str, str]:
    found = manifest.get("annotations")
    annotations = found if isinstance(found, Mapping) else {}
    texts = {name: annotations.get(key) for name, key in _TOLD.items()}
    return {name: text.split("\n")[0][:200] for name, text in texts.items() if isinstance(text, str)}


_TOLD = {"created": _CREATED, "version": _VERSION, "description": _DESCRIPTION}
