"""The methods of `KubeClient`, each a request or a few, spoken to a real API server."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson

from agent.engine.resource import Object, ResourceKey
from agent.kube.client import ApplyOptions, DeleteOptions, Discovery, Kind, ObjectList, Reduce, WatchEvent
from agent.kube.cluster import discovery, requests
from agent.kube.cluster.errors import Target, from_reply, redact
from agent.kube.cluster.transport import AnswerTooLarge, Reply, Request, Transport
from agent.kube.cluster.watch import MAX_LINE, LineSplitter, LineTooLong, parse_event
from agent.kube.connection import Connection
from agent.kube.errors import Gone, KubeError, NotFound, Rejected, Unreachable

MAX_PAGE = 64 << 20
"""Bytes of one page of a list."""
MAX_LIST = 1 << 30
"""Bytes of all pages of a list."""
MAX_DISCOVERY = 32 << 20

_LIST_ATTEMPTS = 3
_LIST_TIMEOUTS = 20
_APPLY = ApplyOptions()
_DELETE = DeleteOptions()

_log = logging.getLogger(__name__)


class ClusterClient:
    """One cluster's API server, over HTTP. Implements `agent.kube.client.KubeClient`.

    `max_in_flight` bounds the requests under way, watches apart; `timeout` limits one request, in seconds. A list of
    many pages may take twenty times that, and a watch `watch_grace` seconds more than the server was asked for.
    The constructor dials nothing; it raises ConfigError where the connection's certificates cannot be used.
    """

    immediate = False

    def __init__(
        self, connection: Connection, *, max_in_flight: int = 16, timeout: float = 30.0, watch_grace: float = 15.0
    ) -> None:
        self._transport = Transport(connection, max_in_flight=max_in_flight, timeout=timeout)
        self._list_seconds = timeout * _LIST_TIMEOUTS
        self._watch_grace = watch_grace
        self._discovery: Discovery | None = None
        self._stale: tuple[str, ...] = ()
        self._discoveries = 0
        """How many have begun."""
        self._discovered = 0
        """The number of the one that is kept."""
        self._discovering = asyncio.Lock()

    async def close(self) -> None:
        await self._transport.close()

    # --- discovery

    async def discover(self, *, refresh: bool = False) -> Discovery:
        begun = self._discoveries
        if self._discovery is not None and not refresh:
            return self._discovery
        async with self._discovering:
            # Whoever waited for another's turn needs one of their own only if that began before they asked, or failed.
            if self._discovery is None or (refresh and self._discovered <= begun):
                self._discoveries = number = self._discoveries + 1
                self._discovery = await self._discover()
                self._discovered = number
            return self._discovery

    async def _discover(self) -> Discovery:
        target = Target("discover")
        version = await self._read(Request(target, "GET", "/version"))
        served = discovery.Served()
        for path in ("/api", "/apis"):
            request = Request(target, "GET", path, accept=discovery.ACCEPT, limit=MAX_DISCOVERY)
            try:
                served.add(discovery.read_root(await self._read(request)))
            except ValueError as error:
                raise Unreachable(f"{target}: {path}: {error}") from error
        # An old server has dozens of these; the slots bound how many are under way.
        asked = (self._discover_version(*unread) for unread in served.unread)
        for group_version, kinds in zip(
            served.unread, await asyncio.gather(*asked, return_exceptions=True), strict=True
        ):
            if isinstance(kinds, BaseException):
                raise kinds
            if kinds is None:
                served.stale.append(group_version)
            else:
                served.kinds += kinds
        self._tell_stale(served.stale)
        return discovery.build(str(version.get("gitVersion") or ""), served, self._discovery)

    async def _discover_version(self, group: str, version: str) -> Sequence[Kind] | None:
        """Return the kinds of one group's version, None where nobody can tell because its APIService is down."""
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        request = Request(Target(f"discover {group}/{version}"), "GET", path, limit=MAX_DISCOVERY)
        try:
            document = await self._read(request)
        except KubeError:
            if "." not in group:
                raise  # "apps" and its like are the API server's own: it is what is down
            return None
        return discovery.read_resource_list(group, version, document)

    def _tell_stale(self, stale: Sequence[discovery.GroupVersion]) -> None:
        names = tuple(sorted({f"{group}/{version}".lstrip("/") for group, version in stale}))
        if names != self._stale and names:
            _log.warning("the API server cannot tell what %s serve; is their APIService down?", ", ".join(names))
        self._stale = names

    # --- reading

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        target = Target("get", kind, namespace, name)
        try:
            return await self._read(Request(target, "GET", requests.object_path(target)))
        except NotFound:
            return None

    async def list(
        self, kind: Kind, *, namespace: str = "", selector: str = "", limit: int = 500, reduce: Reduce | None = None
    ) -> ObjectList:
        target = Target("list", kind, namespace)
        try:
            async with asyncio.timeout(self._list_seconds):
                return await self._list(target, selector, max(limit, 0), reduce)
        except TimeoutError as error:
            raise Unreachable(f"{target}: not all pages came within {self._list_seconds:g} s") from error

    async def _list(self, target: Target, selector: str, limit: int, reduce: Reduce | None) -> ObjectList:
        for _ in range(_LIST_ATTEMPTS - 1):
            try:
                return await self._list_pages(target, selector, limit, reduce)
            except Gone:
                continue  # the snapshot that its pages were cut from has been compacted away
        # Pages come slower than the server forgets them: all at once, then.
        return await self._list_pages(target, selector, 0, reduce)

    async def _list_pages(self, target: Target, selector: str, limit: int, reduce: Reduce | None) -> ObjectList:
        kind = target.kind
        assert kind is not None
        path = requests.collection_path(kind, target.namespace)
        accept = requests.JSON_TYPE if reduce is None else requests.METADATA_LIST_TYPE
        items: list[Object] = []
        version, token, size = "", "", 0
        while True:
            query = requests.list_query(selector, limit, token)
            request = Request(target, "GET", path + query, accept=accept, limit=MAX_PAGE)
            try:
                reply = await self._transport.send(request)
            except AnswerTooLarge:
                if limit <= 1:
                    raise
                limit = max(1, limit // 8)
                continue
            page, page_version, token = _page(target, reply)
            items += _kept(kind, page, reduce)
            version = version or page_version
            size += len(reply.body)
            if not token:
                return ObjectList(items, version)
            if size > MAX_LIST and reduce is None:
                raise Rejected(f"{target}: the list is larger than {MAX_LIST >> 20} MB; select less")

    async def watch(
        self,
        kind: Kind,
        *,
        namespace: str = "",
        selector: str = "",
        resource_version: str,
        timeout_seconds: float = 300,
        metadata: bool = False,
    ) -> AsyncIterator[WatchEvent]:
        target = Target("watch", kind, namespace)
        query = requests.watch_query(selector, resource_version, timeout_seconds)
        accept = requests.METADATA_TYPE if metadata else requests.JSON_TYPE
        request = Request(target, "GET", requests.collection_path(kind, namespace) + query, accept=accept)
        seconds = timeout_seconds + self._watch_grace
        deadline = time.monotonic() + seconds
        lines = LineSplitter(MAX_LINE)
        async with self._transport.stream(request, seconds) as read:
            while chunk := await read():
                try:
                    ended = lines.feed(chunk)
                except LineTooLong as error:
                    raise Unreachable(f"{target}: an event is larger than can be read") from error
                for line in ended:
                    event = parse_event(target, line)
                    if event is None:
                        continue
                    yield WatchEvent(event.type, requests.metadata_of(kind, event.object)) if metadata else event
                if time.monotonic() > deadline:
                    return  # it should have ended; whoever reads goes on from the last version
        if lines.pending:
            raise Unreachable(f"{target}: the watch was cut in the middle of an event")

    async def logs(self, namespace: str, pod: str, container: str, *, lines: int, limit: int) -> str:
        target = Target("logs of", discovery.POD, namespace, pod)
        path = requests.object_path(target) + requests.logs_query(container, lines, limit)
        reply = await self._transport.send(Request(target, "GET", path, accept="*/*", limit=limit + 4096))
        if not reply.ok:
            raise from_reply(target, *reply)
        return reply.body[-limit:].decode("utf-8", "replace")

    # --- writing

    async def apply(self, kind: Kind, manifest: Object, options: ApplyOptions = _APPLY) -> Object:
        target = requests.manifest_target("apply", kind, manifest)
        path = requests.object_path(target) + requests.apply_query(options)
        return await self._write(target, "PATCH", path, manifest, requests.APPLY_TYPE)

    async def replace(self, kind: Kind, manifest: Object, *, field_manager: str, dry_run: bool = False) -> Object:
        target = requests.manifest_target("replace", kind, manifest)
        path = requests.object_path(target) + requests.write_query(field_manager, dry_run)
        return await self._write(target, "PUT", path, manifest, requests.JSON_TYPE)

    async def patch(
        self, kind: Kind, key: ResourceKey, patch: Object, *, field_manager: str, subresource: str = ""
    ) -> Object:
        target = Target("patch", kind, key.namespace, key.name)
        part = f"/{subresource}" if subresource else ""
        path = requests.object_path(target) + part + requests.write_query(field_manager, dry_run=False)
        # What it is of tells, too, whether the values in it are secret.
        patch = {"apiVersion": kind.api_version, "kind": kind.kind, **patch}
        return await self._write(target, "PATCH", path, patch, requests.MERGE_TYPE)

    async def create(self, kind: Kind, manifest: Object, *, field_manager: str, dry_run: bool = False) -> Object:
        target = requests.manifest_target("create", kind, manifest)
        path = requests.create_path(target) + requests.write_query(field_manager, dry_run)
        return await self._write(target, "POST", path, manifest, requests.JSON_TYPE)

    async def delete(self, kind: Kind, namespace: str, name: str, options: DeleteOptions = _DELETE) -> bool:
        target = Target("delete", kind, namespace, name)
        body = requests.delete_body(target, options)
        reply = await self._transport.send(Request(target, "DELETE", requests.object_path(target), body))
        if reply.ok:
            return True
        error = from_reply(target, *reply)
        if isinstance(error, NotFound):
            return False
        raise error

    # --- both

    async def _read(self, request: Request) -> dict[str, Any]:
        reply = await self._transport.send(request)
        if not reply.ok:
            raise from_reply(request.target, *reply)
        return _document(request.target, reply)

    async def _write(self, target: Target, method: str, path: str, manifest: Object, content_type: str) -> Object:
        body = requests.encode(target, manifest)
        reply = await self._transport.send(Request(target, method, path, body, content_type))
        if not reply.ok:
            raise redact(from_reply(target, *reply), manifest)
        return _document(target, reply)


def _kept(kind: Kind, page: list[Object], reduce: Reduce | None) -> list[Object]:
    """Return what is kept of a page. Only the list itself says what its items are."""
    if reduce is not None:
        reduced = (reduce(requests.metadata_of(kind, item)) for item in page)
        return [item for item in reduced if item is not None]
    for item in page:
        item.setdefault("apiVersion", kind.api_version)
        item.setdefault("kind", kind.kind)
    return page


def _document(target: Target, reply: Reply) -> dict[str, Any]:
    try:
        document = orjson.loads(reply.body)
    except orjson.JSONDecodeError as error:
        raise Unreachable(f"{target}: the answer is not JSON") from error
    if not isinstance(document, dict):
        raise Unreachable(f"{target}: the answer is no object")
    return document


def _page(target: Target, reply: Reply) -> tuple[list[Object], str, str]:
    if not reply.ok:
        raise from_reply(target, *reply)
    try:
        return requests.page_of(_document(target, reply))
    except ValueError as error:
        raise Unreachable(f"{target}: {error}") from error
