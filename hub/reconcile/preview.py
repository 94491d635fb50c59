"""Renders what somebody asks about: an application at another revision, or from files that were sent.

The rules are those of an assignment, and nothing is assigned. A few are made at once, so that whoever asks a lot holds
up nobody's deployment.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hub.domain.application import Application, ApplicationId, Source
from hub.domain.manifest import ManifestSetRef
from hub.domain.permit import permit_destination, permit_resources, permit_sources
from hub.domain.project import Project
from hub.domain.sources import as_asked, is_rendered, main_source
from hub.domain.targeting import Target, targets
from hub.errors import HubError, Invalid, NotFound
from hub.fleet.post import Post
from hub.fleet.previews import Preview, Trouble, Wish
from hub.formats.overrides import apply_overrides
from hub.reconcile.materialize import Materialized, Materializer, Upload, sharing_inputs
from hub.render.errors import RenderError
from hub.source.errors import SourceError
from hub.source.packed import unpack
from hub.store.bus import Bus
from hub.store.codec import encode
from hub.store.contract import Store

log = logging.getLogger(__name__)

PARALLEL = 2
WAITING = 32
"""Wishes under way or waiting; the rest are told to come back."""
NOT_RENDERED = "not-rendered"
NOT_PERMITTED = "not-permitted"
UNKNOWN_REVISION = "0" * 40
"""What uploaded files are said to be of, where no commit of their repository was read yet."""


class Previewer:
    """Runs beside the controller."""

    def __init__(self, store: Store, bus: Bus, materializer: Materializer) -> None:
        self._store = store
        self._bus = bus
        self._post = Post(store, bus)
        self._materializer = materializer
        self._slots = asyncio.Semaphore(PARALLEL)
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Answer until cancelled."""
        try:
            async with self._bus.subscribe("previews") as subscription:
                while True:
                    for _, payload in await subscription.next():
                        if payload:
                            await self._take(json.loads(payload))
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, question: dict[str, Any]) -> None:
        id = str(question.pop("id"))
        if len(self._tasks) >= WAITING:
            await self._post.refuse(id, "busy", f"{WAITING} previews are being rendered already: try again in a moment")
            return
        try:
            wish = Wish.of(question)
        except TypeError:
            await self._post.refuse(id, "unsupported", "the hub's controller is older than its API: update it")
            return
        task = asyncio.create_task(self._answer(id, wish))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, id: str, wish: Wish) -> None:
        try:
            async with self._slots:
                preview = await self.preview(wish)
            await self._post.answer(id, encode(preview).encode())
        except HubError as error:
            await self._post.refuse(id, error.code, error.message)
        except Exception:
            # One that nobody foresaw fails this wish alone.
            log.exception("a preview of %s failed: internal error", wish.application)
            await self._post.refuse(id, "internal", "the hub's controller failed; its log says why")

    async def preview(self, wish: Wish) -> Preview:
        """Raises HubError for what concerns all clusters alike."""
        application = await self._store.get_application(ApplicationId.parse(wish.application))
        if application is None:
            raise NotFound(f"there is no application {wish.application}")
        project = await self._store.get_project(application.spec.project)
        if project is None:
            raise Invalid(f"project {application.spec.project!r} does not exist: create it, or name another")
        found = targets(application, await self._store.list_clusters(), apply_overrides).targets
        wanted = [target for target in found if not wish.cluster or target.cluster.uid == wish.cluster]
        if wish.revision or wish.revisions:
            sources = [source for target in wanted for source in target.sources]
            await self._materializer.renew(sources, application.spec.project)
        upload = await self._uploaded(application, wish) if wish.upload else None
        sets: dict[str, ManifestSetRef] = {}
        troubles: dict[str, Trouble] = {}
        revision = ""
        for group in sharing_inputs(wanted):
            made = await self._made(application, project, group[0], wish, upload)
            if isinstance(made, Trouble):
                troubles |= {target.cluster.uid: made for target in group}
                continue
            revision = revision or made.revision.short
            for target in group:
                if denial := _denied(project, target, made):
                    troubles[target.cluster.uid] = denial
                else:
                    sets[target.cluster.uid] = made.ref
        return Preview(sets, troubles, revision)

    async def _made(
        self, application: Application, project: Project, target: Target, wish: Wish, upload: Upload | None
    ) -> Materialized | Trouble:
        """Render for the clusters that are like this one."""
        denials = permit_sources(project, target.sources) + permit_destination(
            project, target.cluster, target.namespace
        )
        if denials:
            return Trouble(NOT_PERMITTED, denials[0].message)
        sources = target.sources
        if wish.revision or wish.revisions:
            sources = as_asked(sources, application.spec.sources, wish.revision, wish.revisions)
        if upload is not None:
            sources = _in_place(sources, upload.position, wish.path)
        capabilities, namespace = target.cluster.capabilities, target.namespace
        try:
            return await self._materializer.materialize(
                sources, application.id.name, project.name, namespace, capabilities, upload=upload
            )
        except (SourceError, RenderError) as error:
            return Trouble(NOT_RENDERED, error.message + _hint(application, wish, upload, error))

    async def _uploaded(self, application: Application, wish: Wish) -> Upload:
        sources = application.spec.sources
        position = main_source(sources) if wish.position is None else wish.position
        if position is None or position >= len(sources):
            raise Invalid(
                f"application {application.id.display} has {len(sources)} sources, and it is not said in the place of "
                "which of them the files are"
            )
        content = (await self._store.get_blobs([wish.upload])).get(wish.upload)
        if content is None:
            raise NotFound("the files that were sent are gone: send them again")
        # Where the source is a chart of a repository, the files are the chart.
        prefix = "" if wish.path else sources[position].path
        tree = await asyncio.to_thread(unpack, content, prefix)
        states = await self._store.get_refresh_states([wish.application])
        known = states[wish.application].revision.sources if wish.application in states else ()
        revision = known[position].revision if position < len(known) else UNKNOWN_REVISION
        return Upload(position, tree, revision)


def _in_place(sources: Sequence[Source], position: int, path: str) -> tuple[Source, ...]:
    """Return the sources with one that reads uploaded files: a directory, whatever it was. One that only lends its
    files to others goes on doing nothing else."""
    source = sources[position]
    if not is_rendered(source):
        return tuple(sources)
    changed = replace(source, chart="", path=path or source.path or ".")
    return (*sources[:position], changed, *sources[position + 1 :])


def _hint(application: Application, wish: Wish, upload: Upload | None, error: Exception) -> str:
    """Say what may be missing among files that were sent without the rest of their repository."""
    path = application.spec.sources[upload.position].path if upload is not None else ""
    if path in ("", ".") or wish.path or getattr(error, "code", "") != "path-not-found":
        return ""
    return f" Of its repository only {path!r} was sent: give --local-repo-root where more of it is read."


def _denied(project: Project, target: Target, made: Materialized) -> Trouble | None:
    scope = target.cluster.capabilities.is_namespaced
    denials = permit_resources(project, made.entries, scope, cluster=target.cluster, namespace=target.namespace)
    return Trouble(NOT_PERMITTED, denials[0].message) if denials else None
