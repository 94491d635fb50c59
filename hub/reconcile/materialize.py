"""One distinct input to its ManifestSet: from the store when it was rendered before, else rendered, signed and stored.

Whatever the number of applications and clusters that use it, an input is rendered once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hub.domain.application import Source
from hub.domain.cluster import Capabilities
from hub.domain.manifest import Entry, ManifestSet, ManifestSetRef, digest_of
from hub.domain.permit import permit_sources
from hub.domain.place import place_of
from hub.domain.revision import Revision, SourceRevision
from hub.domain.targeting import Target
from hub.domain.tree import Tree
from hub.render import Renderer, RenderError, RenderRequest, Scan, SourceInput
from hub.source.errors import SourceError
from hub.source.sources import Sources
from hub.store.contract import RenderRecord, Store

MOST_SCANS = 10
"""Of one request: each may tell of more that has to be fetched first."""

Sign = Callable[[bytes], tuple[bytes, str]]
"""Digest → (signature, key id)."""


@dataclass(frozen=True, slots=True)
class Materialized:
    """What one application is to be on the clusters that share these inputs."""

    ref: ManifestSetRef
    entries: tuple[Entry, ...]
    revision: Revision
    inputs: Mapping[str, str]
    """`input_key` → object id."""
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Made:
    """What one input came to."""

    ref: ManifestSetRef
    manifest_set: ManifestSet
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Upload:
    """Files that stand in for one source's repository."""

    position: int
    """Of the source."""
    tree: Tree
    revision: str
    """What they are said to be."""


def sharing_inputs(targets: Iterable[Target]) -> list[list[Target]]:
    """Put clusters that share their inputs together: they share one question."""
    groups: dict[tuple[int, str, str], list[Target]] = {}
    for target in targets:
        # Clusters with the same overrides share one tuple of sources.
        key = (id(target.sources), target.namespace, target.cluster.capabilities.digest)
        groups.setdefault(key, []).append(target)
    return list(groups.values())


def input_prefix(source: Source) -> str:
    """Return how the names begin of all that a source reads."""
    chart = f"#{source.chart}" if source.chart else ""
    return f"{source.repo_url}{chart} {source.target_revision} "


def input_key(source: Source, path: str) -> str:
    """Name one thing a source reads, whatever the application."""
    return input_prefix(source) + path


class Materializer:
    def __init__(self, store: Store, sources: Sources, renderer: Renderer, sign: Sign) -> None:
        self._store = store
        self._sources = sources
        self._renderer = renderer
        self._sign = sign
        self._making: dict[str, asyncio.Task[_Made]] = {}

    async def ask(self, sources: Iterable[Source], project: str) -> None:
        """Ask the servers that have not answered since this process began. Raises SourceError."""
        for place in {place_of(source, project) for source in sources}:
            if not self._sources.asked(place):
                await self._sources.refresh(place)

    def fresh(self, sources: Iterable[Source], project: str) -> bool:
        """Tell whether all of their servers have answered since this process began. Raises SourceError."""
        return all(self._sources.asked(place) for place in {place_of(source, project) for source in sources})

    async def renew(self, sources: Iterable[Source], project: str) -> None:
        """Ask the servers of these sources what is new. One that does not answer takes nothing away: what is known of
        it is read."""
        for place in {place_of(source, project) for source in sources}:
            with contextlib.suppress(SourceError):
                await self._sources.refresh(place)

    async def materialize(
        self,
        sources: Sequence[Source],
        app_name: str,
        project: str,
        namespace: str,
        capabilities: Capabilities,
        *,
        again: bool = False,
        frozen: bool = False,
        upload: Upload | None = None,
    ) -> Materialized:
        """Return the set for these sources at their newest commits. `again` renders whatever is stored, but charts
        that are to stay `frozen` as they were first rendered. What becomes of an upload is remembered under no key: it
        is not what Git says.

        Raises SourceError, RenderError, StoreUnavailable.
        """
        inputs, revision, told = await self._inputs(sources, project, upload)
        request = RenderRequest(inputs, app_name, namespace, capabilities, project=project, frozen=frozen)
        request, scan = await self._scanned(request, again=again)
        if upload is not None:
            made = await self._known(scan) or await self._render(request, scan, keep=False)
        else:
            made = await self._record(request, scan, again=again and not (frozen and "helm" in scan.tool))
        return Materialized(
            ref=self._signed(made.ref),
            entries=made.manifest_set.entries,
            revision=revision,
            inputs=_inputs([item.source for item in request.inputs], scan),
            warnings=(*told, *scan.warnings, *made.warnings),
        )

    async def _inputs(
        self, sources: Sequence[Source], project: str, upload: Upload | None
    ) -> tuple[tuple[SourceInput, ...], Revision, tuple[str, ...]]:
        """Return what is read, at which revisions, and what is to be said of that."""
        inputs, revisions, told = [], [], dict[str, None]()
        for position, source in enumerate(sources):
            if upload is not None and position == upload.position:
                inputs.append(SourceInput(source, upload.tree, upload.revision))
                revisions.append(SourceRevision(source.repo_url, upload.revision))
                continue
            found = await self._sources.resolve(source, project)
            inputs.append(SourceInput(source, found.tree, found.revision.revision))
            revisions.append(found.revision)
            told |= dict.fromkeys(found.warnings)
        return tuple(inputs), Revision(tuple(revisions)), tuple(told)

    async def _scanned(self, request: RenderRequest, *, again: bool) -> tuple[RenderRequest, Scan]:
        """Scan a request, and fetch what it reads beyond its sources; `again` asks there what is new. Raises
        SourceError, RenderError."""
        for _ in range(MOST_SCANS):
            scan = await self._renderer.scan(request)
            if not scan.needs:
                return request, scan
            addressed = [self._sources.addressed(need, request.project) for need in scan.needs]
            await self._permit(addressed, request.project)
            if again:
                await self.renew(addressed, request.project)
            fetched = []
            for need, source in zip(scan.needs, addressed, strict=True):
                found = await self._sources.resolve(source, request.project)
                fetched.append(SourceInput(need, found.tree, found.revision.revision))
            request = replace(request, fetched=(*request.fetched, *fetched))
        raise RenderError(
            f"What the application reads from other places leads on to others more than {MOST_SCANS} times: look for a "
            "base that leads back to itself.",
            code="invalid-source",
        )

    async def _permit(self, needs: Sequence[Source], name: str) -> None:
        """Hold what lies beyond the sources to the project: nothing that it denies is read, and where the hub has
        credentials, only what it permits. What is open to everyone needs no permission, as in Argo CD. Raises
        RenderError."""
        project = await self._store.get_project(name)
        if project is None:
            return
        for source in needs:
            denials = permit_sources(project, [source])
            if denials and (denials[0].by_rule or self._sources.needs_credentials(source, name)):
                what = f"the chart {source.chart}" if source.chart else "a base"
                raise RenderError(
                    f"The application depends on {what} there: {denials[0].message}.", code="not-permitted"
                )

    async def _record(self, request: RenderRequest, scan: Scan, *, again: bool) -> _Made:
        """Look an input up, and render it where it is not known. Whoever asks meanwhile waits for the same answer."""
        task = self._making.get(scan.key)
        if task is None:
            task = asyncio.create_task(self._make(request, scan, again=again))
            self._making[scan.key] = task
            task.add_done_callback(lambda _: self._making.pop(scan.key, None))
        return await asyncio.shield(task)

    async def _make(self, request: RenderRequest, scan: Scan, *, again: bool) -> _Made:
        known = None if again else await self._known(scan)
        return known if known is not None else await self._render(request, scan)

    async def _known(self, scan: Scan) -> _Made | None:
        record = (await self._store.get_renders([scan.key])).get(scan.key)
        if record is None or record.manifest_set is None:
            return None
        # A set whose blobs were collected, or lost in a restored backup, has to be made again.
        found = await self._store.get_blobs([record.manifest_set.digest])
        content = found.get(record.manifest_set.digest)
        if content is None:
            return None
        manifest_set = ManifestSet.decode(content)
        digests = {e.digest for e in manifest_set.entries}
        if await self._store.have_blobs(digests) != digests:
            return None
        return _Made(record.manifest_set, manifest_set, record.warnings)

    async def _render(self, request: RenderRequest, scan: Scan, *, keep: bool = True) -> _Made:
        rendered = await self._renderer.render(request, scan)
        content = rendered.manifest_set.encode()
        digest = digest_of(content)
        await self._store.put_blobs({**rendered.blobs, digest: content})
        signature, key_id = self._sign(bytes.fromhex(digest))
        ref = ManifestSetRef(digest, len(rendered.manifest_set.entries), signature, key_id)
        if keep:
            await self._store.put_render(RenderRecord(scan.key, ref, warnings=rendered.warnings))
        return _Made(ref, rendered.manifest_set, rendered.warnings)

    def _signed(self, ref: ManifestSetRef) -> ManifestSetRef:
        """Sign with the key in force: one that was rotated out is soon trusted by no agent."""
        signature, key_id = self._sign(bytes.fromhex(ref.digest))
        return ref if key_id == ref.key_id else replace(ref, signature=signature, key_id=key_id)

    async def reference(self, digest: str) -> ManifestSetRef | None:
        """Return a signed reference to a set that is in the store, for a rollback; None when it is gone."""
        content = (await self._store.get_blobs([digest])).get(digest)
        if content is None:
            return None
        signature, key_id = self._sign(bytes.fromhex(digest))
        return ManifestSetRef(digest, len(ManifestSet.decode(content).entries), signature, key_id)


def _inputs(sources: Sequence[Source], scan: Scan) -> dict[str, str]:
    result = {}
    for key, object_id in scan.inputs.items():
        index, _, path = key.partition(":")
        result[input_key(sources[int(index)], path)] = object_id
    return result
