"""Following one application as it changes: by the hub's event stream, and by asking where that cannot be had.

What is followed is a picture, not a log: the newest state of the application and of each of its clusters. A hub that
is away for a while, a proxy that cuts streams or holds them back, all that costs is time.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx2
import orjson

from hub.cli.client import PREFIX, HubApi, answer, application_path, client_options, transport_error
from hub.cli.errors import HubAway, Refused

T = TypeVar("T")
Row = Mapping[str, Any]
Judge = Callable[["Picture"], T | None]
"""Looks at every new picture, shows it, and returns a result when there is no more to wait for."""

POLL_SECONDS = 2.0
REREAD_SECONDS = 10.0
"""The stream tells of changes only: what is no more is read now and then."""
SILENT_SECONDS = 45.0
"""A stream without as much as a heartbeat for so long is dead; the hub sends one every 15."""
AWAY_SECONDS = 60.0
"""How long the hub may be away before following it ends: longer than its restart takes."""
_STREAM_TRIES = 3
_LARGEST_EVENT = 32 * 1024 * 1024


class DeadlinePassed(Exception):
    """What was waited for has not come about in time; `picture` is the last one."""

    def __init__(self, picture: Picture) -> None:
        super().__init__()
        self.picture = picture


@dataclass(slots=True)
class Picture:
    """An application as it is now, in the API's words."""

    summary: Mapping[str, Any] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)
    """As last read whole; of its clusters, `rows` are newer."""
    rows: dict[str, Row] = field(default_factory=dict)
    """By cluster."""
    deleted: bool = False
    seconds: float = 0.0
    """Since following began."""

    @property
    def errors(self) -> list[str]:
        """What keeps the hub itself from assigning, in words."""
        return self._conditions("Error")

    @property
    def comparison_errors(self) -> list[str]:
        """What keeps the hub from finding out what is to be, in words."""
        return self._conditions("ComparisonError")

    @property
    def left_alone(self) -> list[str]:
        """Why the hub looks at nothing for its sake, in words."""
        return self._conditions("SkipReconcileWarning")

    def _conditions(self, ending: str) -> list[str]:
        conditions = self.detail.get("conditions", [])
        return [f"{c['type']}: {c['message']}" for c in conditions if str(c["type"]).endswith(ending)]

    def failure_of(self, operation: str) -> str:
        """Return why an operation could not be assigned to clusters; "" when it could."""
        failed = self.detail.get("failed_operation") or {}
        return str(failed["message"]) if failed.get("id") == operation else ""

    @property
    def is_stale(self) -> bool:
        """Whether what the stream does not tell is known to have changed, or waited for."""
        known = len(self.detail.get("conditions", ()))
        return not self.is_settled or not self.rows or self.summary.get("condition_count", 0) != known

    @property
    def is_settled(self) -> bool:
        """Whether the hub has assigned what the application says now."""
        refresh = self.detail.get("refresh", {})
        return not refresh.get("requested") and refresh.get("spec_generation", 0) >= self.detail.get("generation", 0)


class Follower:
    def __init__(
        self, api: HubApi, application: str, *, timeout: float, request_timeout: float, may_be_gone: bool = False
    ) -> None:
        """`timeout` in seconds; 0: none. `may_be_gone`: that there is no such application is no mistake."""
        self._api = api
        self._may_be_gone = may_be_gone
        self._application = application
        self._timeout = timeout
        self._request_timeout = request_timeout
        self._began = time.monotonic()
        self._picture = Picture()
        self._read_at = 0.0

    def until(self, judge: Judge[T]) -> T:
        """Follow until `judge` has a result, and return it. Raises DeadlinePassed, CliError."""
        return asyncio.run(self._until(judge))

    async def _until(self, judge: Judge[T]) -> T:
        async with httpx2.AsyncClient(**client_options(self._api.context, self._request_timeout)) as client:
            # Looked at once, however little time there is: a deadline that has passed can say what is lacking.
            result = judge(await self._read(client))
            if result is not None:
                return result
            left = max(0.0, self._timeout - self._picture.seconds) if self._timeout else None
            limit = asyncio.timeout(left)
            try:
                async with limit, contextlib.aclosing(self._pictures(client)) as pictures:
                    async for picture in pictures:
                        result = judge(picture)
                        if result is not None:
                            return result
            except TimeoutError:
                if limit.expired():
                    raise DeadlinePassed(self._picture) from None
                raise
        raise AssertionError("pictures end only by an error")

    async def _pictures(self, client: httpx2.AsyncClient) -> AsyncGenerator[Picture, None]:
        failures = 0
        while True:
            if failures < _STREAM_TRIES and not self._picture.deleted:
                failures += 1
                try:
                    async with contextlib.aclosing(self._streamed(client)) as streamed:
                        async for picture in streamed:
                            failures = 0
                            yield picture
                except (HubAway, Refused):
                    pass  # Asking does as well; the next answer says what is wrong, if it is more than the stream.
            await asyncio.sleep(POLL_SECONDS if failures else 0.0)
            yield await self._read(client)

    async def _read(self, client: httpx2.AsyncClient) -> Picture:
        """Read the whole picture. Raises CliError; HubAway only when the hub has been away for long."""
        away_since = 0.0
        while True:
            try:
                self._picture.detail = await self._get(client)
                break
            except Refused as error:
                if error.code != "not-found" or not (self._picture.detail or self._may_be_gone):
                    raise
                self._picture.deleted = True
                return self._now()
            except HubAway:
                away_since = away_since or time.monotonic()
                if not self._picture.detail or time.monotonic() - away_since > AWAY_SECONDS:
                    raise
                await asyncio.sleep(POLL_SECONDS)
        self._read_at = time.monotonic()
        self._picture.summary = self._picture.detail["summary"]
        self._picture.rows = {row["cluster"]: row for row in self._picture.detail["clusters"]}
        return self._now()

    async def _get(self, client: httpx2.AsyncClient) -> Mapping[str, Any]:
        path, params = application_path(self._application)
        try:
            response = await client.get(PREFIX + path, params=params)
        except httpx2.HTTPError as error:
            raise transport_error(error, self._api.context) from error
        detail: Mapping[str, Any] = answer(response, response.content)
        return detail

    async def _streamed(self, client: httpx2.AsyncClient) -> AsyncGenerator[Picture, None]:
        """Yield a picture for every event, and again after what is only read now and then. Raises HubAway, Refused."""
        path, params = application_path(self._application, "/watch")
        timeout = httpx2.Timeout(self._request_timeout, read=SILENT_SECONDS)
        headers = {"Accept": "text/event-stream"}
        try:
            async with client.stream("GET", PREFIX + path, params=params, timeout=timeout, headers=headers) as response:
                if not response.is_success:
                    answer(response, await response.aread())
                events = aiter(httpx2.EventSource(response, max_event_size=_LARGEST_EVENT))
                async with contextlib.aclosing(_ticking(events, POLL_SECONDS)) as ticks:
                    async for event in ticks:
                        if event is not None:
                            self._take(event)
                            yield self._now()
                        if self._picture.deleted:
                            return
                        patience = POLL_SECONDS if self._picture.is_stale else REREAD_SECONDS
                        if time.monotonic() - self._read_at >= patience:
                            yield await self._read(client)
        except httpx2.HTTPError as error:
            raise transport_error(error, self._api.context) from error

    def _take(self, event: httpx2.ServerSentEvent) -> None:
        try:
            value = orjson.loads(event.data)
        except ValueError as error:
            raise HubAway("the hub's event stream holds what is no event") from error
        match event.event:
            case "application":
                self._picture.summary = value
            case "cluster":
                self._picture.rows[value["cluster"]] = value
            case "deleted":
                self._picture.deleted = True

    def _now(self) -> Picture:
        self._picture.seconds = time.monotonic() - self._began
        return self._picture


async def _ticking(
    events: AsyncIterator[httpx2.ServerSentEvent], seconds: float
) -> AsyncGenerator[httpx2.ServerSentEvent | None, None]:
    """Yield the events, and None whenever there was none for so long."""
    following: asyncio.Task[httpx2.ServerSentEvent] | None = None
    try:
        while True:
            if following is None:
                following = asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait({following}, timeout=seconds)
            if not done:
                yield None
                continue
            try:
                event = following.result()
            except StopAsyncIteration:
                return
            following = None
            yield event
    finally:
        if following is not None:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
