"""Server-sent events: what a watcher of all applications, or of one, is sent.

An event's id is the store's sequence it tells the state of. A stream begins with the present state of everything
watched; one that is taken up again with `Last-Event-ID` begins likewise, preceded by what was deleted meanwhile, so
that nothing is missed however long the reader was away (deletions are remembered for a day at least).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from dataclasses import dataclass, replace

from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hub.access.sessions import SignedIn
from hub.api.context import Api, Caller, application_object, missing
from hub.api.convert import operation_item
from hub.api.detail import cluster_rows, read_known, summary_from
from hub.api.models.application import (
    ApplicationCluster,
    ApplicationDeleted,
    ApplicationOperationEvent,
    ApplicationSummary,
)
from hub.api.models.operation import OperationItem
from hub.api.overview import Overview
from hub.domain.application import ApplicationId
from hub.domain.selector import LabelSelector
from hub.errors import HubError, Unavailable

log = logging.getLogger(__name__)

STALLED_SECONDS = 30.0
"""A reader that takes nothing for so long is let go."""
RECHECK_SECONDS = 30.0
"""How soon the end of a session ends its streams."""
_CHUNK_BYTES = 64 * 1024
_HEARTBEAT = b": heartbeat\n\n"


@dataclass(frozen=True, slots=True)
class Filter:
    project: str = ""
    selector: LabelSelector = LabelSelector()

    def takes(self, summary: ApplicationSummary) -> bool:
        return (not self.project or summary.project == self.project) and self.selector.matches(summary.labels)


class EventStream(Response):
    """Sends what an iterator yields until it ends, the reader leaves, or stops reading."""

    media_type = "text/event-stream"

    def __init__(self, chunks: AsyncGenerator[bytes, None]) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        self._chunks = chunks
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with contextlib.aclosing(self._chunks) as chunks:
            # What is refused is refused with the first chunk, while that can still be told.
            first = await anext(chunks, b"")
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            gone = asyncio.create_task(_disconnect(receive))
            try:
                await self._send_all(first, chunks, gone, send)
            except TimeoutError:
                log.info("an event stream's reader takes nothing: let go")
            except HubError as error:
                log.info("an event stream ends: %s", error.message)
            finally:
                gone.cancel()
                await asyncio.gather(gone, return_exceptions=True)

    async def _send_all(
        self, first: bytes, chunks: AsyncGenerator[bytes, None], gone: asyncio.Task[None], send: Send
    ) -> None:
        """Raises TimeoutError when the reader stops reading."""
        chunk: bytes | None = first
        while chunk is not None:
            async with asyncio.timeout(STALLED_SECONDS):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            chunk = await _next_unless(chunks, gone)
        if not gone.done():
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def watch_all(api: Api, caller: Caller, wanted: Filter, last_id: int | None) -> AsyncGenerator[bytes, None]:
    """Yield the stream of all applications the caller may see."""
    sent: dict[str, ApplicationSummary] = {}
    number = await api.feed.operations.newest()
    gone = await _deleted_since(api, last_id)
    session = _SessionCheck(caller)
    async with api.feed.watching() as moments:
        async for moment in moments:
            try:
                if not await session.holds():
                    return
                overview = await api.overviews.since(moment)
                operations = await api.feed.operations.after(number)
            except Unavailable as error:
                log.warning("a watcher could not be told the newest: %s", error.message)
                yield _HEARTBEAT
                continue
            visible = _visible(overview, session.caller, wanted)
            events = [_event("deleted", overview.sequence, _deleted(id)) for id in gone if id not in visible]
            gone = []
            events += _differences(sent, visible, overview.sequence)
            names = {cluster.uid: cluster.name for cluster in overview.clusters}
            for change in operations:
                number = change.number
                if change.application in visible:
                    event = ApplicationOperationEvent(
                        application=change.application,
                        cluster=names.get(change.cluster, change.cluster),
                        operation=operation_item(change.operation),
                    )
                    events.append(_event("operation", overview.sequence, event))
            for chunk in _chunked(events):
                yield chunk


async def watch_one(api: Api, caller: Caller, id: ApplicationId) -> AsyncGenerator[bytes, None]:
    """Yield the stream of one application; it ends when the application is gone."""
    picture = _Picture()
    session = _SessionCheck(caller)
    async with api.feed.watching() as moments:
        async for _ in moments:
            try:
                if not await session.holds():
                    return
                sequence = await api.services.store.assignment_sequence()
                application = await api.services.store.get_application(id)
                if application is None:
                    if picture.is_empty:
                        raise missing(id)
                    yield _event("deleted", sequence, _deleted(str(id)))
                    return
                session.caller.require_application("get", application)
                known = await read_known(api.services.store, application)
            except Unavailable as error:
                log.warning("a watcher could not be told the newest: %s", error.message)
                yield _HEARTBEAT
                continue
            for chunk in _chunked(picture.update(str(id), summary_from(known), cluster_rows(known), sequence)):
                yield chunk


class _Picture:
    """What a watcher of one application has been sent."""

    def __init__(self) -> None:
        self._summary: ApplicationSummary | None = None
        self._rows: dict[str, ApplicationCluster] = {}

    @property
    def is_empty(self) -> bool:
        return self._summary is None

    def update(
        self, id: str, summary: ApplicationSummary, rows: Iterable[ApplicationCluster], sequence: int
    ) -> list[bytes]:
        events = []
        if summary != self._summary:
            events.append(_event("application", sequence, summary))
        before, self._rows = self._rows, {row.cluster: row for row in rows}
        for name, row in self._rows.items():
            known = before.get(name)
            if row == known:
                continue
            events.append(_event("cluster", sequence, row))
            if row.operation is not None and _is_news(row.operation, known):
                event = ApplicationOperationEvent(application=id, cluster=name, operation=row.operation)
                events.append(_event("operation", sequence, event))
        self._summary = summary
        return events


def _is_news(operation: OperationItem, known: ApplicationCluster | None) -> bool:
    return operation != known.operation if known else operation.finished_at is None


class _SessionCheck:
    """A stream does not outlive the session it was opened with, nor the permissions."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self._checked_at = time.monotonic()

    async def holds(self) -> bool:
        """Raises StoreUnavailable."""
        signed_in, services = self.caller.signed_in, self.caller.services
        if services.clock() >= signed_in.session.expires_at:
            return False
        if time.monotonic() - self._checked_at < RECHECK_SECONDS:
            return True
        session = await services.store.get_session(signed_in.session.hash)
        account = await services.store.get_account(signed_in.account.name)
        if session is None or account is None or not account.enabled:
            return False
        self._checked_at = time.monotonic()
        self.caller = replace(self.caller, signed_in=SignedIn(account, session))
        return True


async def _deleted_since(api: Api, last_id: int | None) -> list[str]:
    if last_id is None:
        return []
    _, removed, _ = await api.services.store.applications_since(last_id)
    return [str(id) for id in removed]


def _visible(overview: Overview, caller: Caller, wanted: Filter) -> dict[str, ApplicationSummary]:
    return {
        id: summary
        for id, summary in overview.summaries.items()
        if wanted.takes(summary)
        and caller.may("applications", "get", application_object(summary.project, summary.name))
    }


def _differences(
    sent: dict[str, ApplicationSummary], present: dict[str, ApplicationSummary], sequence: int
) -> list[bytes]:
    """Return the events that turn what was sent into the present, and take note of it."""
    events = []
    for id in [id for id in sent if id not in present]:
        del sent[id]
        events.append(_event("deleted", sequence, _deleted(id)))
    for id, summary in present.items():
        known = sent.get(id)
        if known is not summary:
            sent[id] = summary
            if known != summary:
                events.append(_event("application", sequence, summary))
    return events


def _deleted(id: str) -> ApplicationDeleted:
    parsed = ApplicationId.parse(id)
    return ApplicationDeleted(id=id, name=parsed.name, namespace=parsed.namespace)


def _event(name: str, sequence: int, data: BaseModel) -> bytes:
    # JSON has no line breaks outside of its escapes, so it is one data line.
    return f"event: {name}\nid: {sequence}\ndata: {data.model_dump_json(by_alias=True)}\n\n".encode()


def _chunked(events: Iterable[bytes]) -> Iterable[bytes]:
    """Join small events into fewer, larger chunks; without any, the reader is told that the hub is still there."""
    chunk = bytearray()
    for event in events:
        chunk += event
        if len(chunk) >= _CHUNK_BYTES:
            yield bytes(chunk)
            chunk.clear()
    yield bytes(chunk) or _HEARTBEAT


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _next_unless(chunks: AsyncIterator[bytes], gone: asyncio.Task[None]) -> bytes | None:
    """Return the next chunk; None at the end, or when the reader has left."""
    following = asyncio.ensure_future(anext(chunks, None))
    try:
        await asyncio.wait({following, gone}, return_when=asyncio.FIRST_COMPLETED)
        return following.result() if following.done() and not gone.done() else None
    finally:
        if not following.done():
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
