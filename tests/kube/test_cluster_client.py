"""Discovery, lists of many pages and watches that go wrong, against a server that says what each test has it say."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import orjson
import pytest
from aiohttp import web

from agent.kube.client import EventType, Kind, WatchEvent
from agent.kube.cluster import ClusterClient, client
from agent.kube.errors import Gone, KindUnknown, NotFound, Rejected, Unreachable
from tests.kube.serving import Answer, Server, refusal, serving, status, until

CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps", True)
SECRET = Kind("", "v1", "Secret", "secrets", True)


@contextlib.asynccontextmanager
async def cluster(answer: Answer, **options: Any) -> AsyncIterator[tuple[ClusterClient, Server]]:
    async with serving(answer) as server:
        made = ClusterClient(server.connection(), **options)
        try:
            yield made, server
        finally:
            await made.close()


def by_path(answers: dict[str, Any]) -> Answer:
    """Answer with a document by path; an integer is an HTTP status."""

    async def answer(request: web.Request) -> web.Response:
        found = answers.get(request.path, 404)
        if isinstance(found, int):
            return web.Response(status=found, text="no")
        return web.json_response(found)

    return answer


VERSION = {"gitVersion": "v1.36.3"}
CORE = {
    "kind": "APIGroupDiscoveryList",
    "items": [
        {
            "metadata": {},
            "versions": [
                {
                    "version": "v1",
                    "resources": [
                        {
                            "resource": "configmaps",
                            "responseKind": {"kind": "ConfigMap"},
                            "scope": "Namespaced",
                            "verbs": ["get"],
                        }
                    ],
                }
            ],
        }
    ],
}
NO_GROUPS: dict[str, Any] = {"kind": "APIGroupDiscoveryList", "items": []}


# --- discovery


async def test_discovery_takes_three_requests_and_is_kept() -> None:
    answers = {"/version": VERSION, "/api": CORE, "/apis": NO_GROUPS}
    async with cluster(by_path(answers)) as (made, server):
        found = await made.discover()
        assert found.version == "v1.36.3"
        assert found.find("", "v1", "ConfigMap") is not None
        assert await made.discover() is found
        assert [r.path for r in server.requests] == ["/version", "/api", "/apis"]
        assert (
            server.requests[1]
            .headers["Accept"]
            .startswith("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,")
        )
        answers["/api"] = NO_GROUPS
        assert (await made.discover(refresh=True)).find("", "v1", "ConfigMap") is None


async def test_those_who_ask_together_share_a_discovery() -> None:
    async with cluster(by_path({"/version": VERSION, "/api": CORE, "/apis": NO_GROUPS})) as (made, server):
        first = await asyncio.gather(*(made.discover() for _ in range(5)))
        assert len({id(found) for found in first}) == 1
        assert len(server.requests) == 3
        # A refresh that began before it was asked for would not do: one for the first, one for all the others.
        await asyncio.gather(*(made.discover(refresh=True) for _ in range(5)))
        assert len(server.requests) <= 3 + 2 * 3


async def test_falls_back_to_the_lists_of_groups_and_survives_one_that_is_down(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def resources(*found: tuple[str, str]) -> dict[str, Any]:
        listed = [{"name": plural, "kind": kind, "namespaced": True, "verbs": []} for plural, kind in found]
        return {"kind": "APIResourceList", "resources": listed}

    def group(name: str) -> dict[str, Any]:
        return {"name": name, "versions": [{"version": "v1"}], "preferredVersion": {"version": "v1"}}

    answers: dict[str, Any] = {
        "/version": VERSION,
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "groups": [group("apps"), group("down.example.org")]},
        "/api/v1": resources(("configmaps", "ConfigMap"), ("pods/log", "Pod")),
        "/apis/apps/v1": resources(("deployments", "Deployment")),
        "/apis/down.example.org/v1": resources(("things", "Thing")),
    }
    async with cluster(by_path(answers)) as (made, _):
        everything = {("", "v1", "ConfigMap"), ("apps", "v1", "Deployment"), ("down.example.org", "v1", "Thing")}
        assert (await made.discover()).kinds.keys() == everything
        answers["/apis/down.example.org/v1"] = 503
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                assert (await made.discover(refresh=True)).kinds.keys() == everything
        assert [r.message for r in caplog.records] == [
            "the API server cannot tell what down.example.org/v1 serve; is their APIService down?"
        ]
        answers["/apis"] = {"kind": "APIGroupList", "groups": [group("apps")]}
        assert (await made.discover(refresh=True)).kinds.keys() == everything - {("down.example.org", "v1", "Thing")}


@pytest.mark.parametrize("broken", [503, {"kind": "Pod"}])
async def test_discovery_that_fails_leaves_the_last_one(broken: Any) -> None:
    answers: dict[str, Any] = {"/version": VERSION, "/api": CORE, "/apis": NO_GROUPS}
    async with cluster(by_path(answers)) as (made, _):
        found = await made.discover()
        answers["/apis"] = broken
        with pytest.raises(Unreachable):
            await made.discover(refresh=True)
        assert await made.discover() is found


async def test_a_built_in_group_that_cannot_be_read_fails_an_older_server_s_discovery() -> None:
    answers: dict[str, Any] = {
        "/version": VERSION,
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "groups": []},
        "/api/v1": 503,
    }
    async with cluster(by_path(answers)) as (made, _):
        with pytest.raises(Unreachable):
            await made.discover()


async def test_a_refresh_that_waited_for_one_that_failed_makes_its_own() -> None:
    broken = iter([False, True, False])

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/version":
            return web.Response(status=503) if next(broken) else web.json_response(VERSION)
        return web.json_response(CORE if request.path == "/api" else NO_GROUPS)

    async with cluster(answer) as (made, _):
        first = await made.discover()
        failing, waiting = await asyncio.gather(
            made.discover(refresh=True), made.discover(refresh=True), return_exceptions=True
        )
        assert isinstance(failing, Unreachable)
        assert waiting is not first
        assert not isinstance(waiting, BaseException)


# --- lists


def item(index: int, size: int = 0) -> dict[str, Any]:
    return {"metadata": {"name": f"c{index}"}, "data": {"x": "y" * size}}


def pages(total: int, *, size: int = 0, expire: Callable[[web.Request], bool] = lambda _: False) -> Answer:
    async def answer(request: web.Request) -> web.Response:
        if expire(request):
            return refusal(410, "Expired", "The provided continue parameter is too old")
        start = int(request.query.get("continue", "0"))
        limit = int(request.query["limit"]) or total
        end = min(start + limit, total)
        metadata = {"resourceVersion": "42", "continue": str(end) if end < total else ""}
        return web.json_response({"metadata": metadata, "items": [item(i, size) for i in range(start, end)]})

    return answer


async def test_a_list_has_all_pages_and_each_item_its_kind() -> None:
    async with cluster(pages(25)) as (made, server):
        listed = await made.list(CONFIG_MAP, namespace="team", selector="a=b", limit=10)
        assert [obj["metadata"]["name"] for obj in listed.items] == [f"c{i}" for i in range(25)]
        assert listed.resource_version == "42"
        assert {(obj["apiVersion"], obj["kind"]) for obj in listed.items} == {("v1", "ConfigMap")}
        assert len(server.requests) == 3
        assert {r.path for r in server.requests} == {"/api/v1/namespaces/team/configmaps"}
        assert {r.query["labelSelector"] for r in server.requests} == {"a=b"}


async def test_a_snapshot_that_expires_between_pages_starts_the_list_anew() -> None:
    expired = iter([False, True])
    async with cluster(pages(25, expire=lambda _: next(expired, False))) as (made, server):
        listed = await made.list(CONFIG_MAP, limit=10)
        assert len(listed.items) == 25
        assert [r.query.get("continue") for r in server.requests] == [None, "10", None, "10", "20"]


async def test_pages_that_always_expire_are_asked_for_all_at_once() -> None:
    async with cluster(pages(25, expire=lambda request: "continue" in request.query)) as (made, server):
        assert len((await made.list(CONFIG_MAP, limit=10)).items) == 25
        assert [r.query["limit"] for r in server.requests] == ["10", "10", "10", "10", "0"]


async def test_a_list_that_expires_whatever_is_asked_is_gone() -> None:
    async with cluster(pages(5, expire=lambda _: True)) as (made, server):
        with pytest.raises(Gone):
            await made.list(CONFIG_MAP)
        assert len(server.requests) == 3


async def test_a_page_that_is_too_large_is_asked_for_in_smaller_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_PAGE", 1 << 20)
    async with cluster(pages(100, size=50_000)) as (made, server):
        listed = await made.list(CONFIG_MAP, limit=100)
        assert [obj["metadata"]["name"] for obj in listed.items] == [f"c{i}" for i in range(100)]
        assert [r.query["limit"] for r in server.requests[:2]] == ["100", "12"]


async def test_an_object_larger_than_a_page_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_PAGE", 1 << 10)
    async with cluster(pages(3, size=1 << 20)) as (made, _):
        with pytest.raises(Rejected, match="larger"):
            await made.list(CONFIG_MAP)


async def test_a_list_is_bounded_in_size_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def endless(request: web.Request) -> web.Response:
        metadata = {"resourceVersion": "1", "continue": "more"}
        return web.json_response({"metadata": metadata, "items": [item(1, 10_000)]})

    monkeypatch.setattr(client, "MAX_LIST", 1 << 20)
    async with cluster(endless) as (made, _):
        with pytest.raises(Rejected, match="select less"):
            await made.list(CONFIG_MAP)
    monkeypatch.setattr(client, "MAX_LIST", 1 << 60)
    async with cluster(endless, timeout=0.01 * client._LIST_TIMEOUTS) as (made, _):
        monkeypatch.setattr(made, "_list_seconds", 0.2)
        with pytest.raises(Unreachable, match=r"not all pages|no answer within 0\.2 s"):
            await made.list(CONFIG_MAP)


@pytest.mark.parametrize("answer", [{}, {"kind": "Status", "metadata": {}, "items": 7}, []])
async def test_what_is_no_list_is_unreachable_and_never_empty(answer: Any) -> None:
    async with cluster(by_path({"/api/v1/configmaps": answer})) as (made, _):
        with pytest.raises(Unreachable):
            await made.list(CONFIG_MAP)


async def test_a_kind_that_is_not_served_is_no_empty_list() -> None:
    async with cluster(by_path({})) as (made, _):
        with pytest.raises(KindUnknown):
            await made.list(CONFIG_MAP)
        with pytest.raises(KindUnknown):
            await made.get(CONFIG_MAP, "team", "c")
        with pytest.raises(KindUnknown):
            await made.delete(CONFIG_MAP, "team", "c")


# --- writes


async def test_a_secret_s_values_do_not_come_back_in_an_error() -> None:
    async def answer(request: web.Request) -> web.Response:
        return refusal(500, "", ".data.p: expected string, got &value.valueUnstructured{Value:12345678}")

    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "team"},
        "data": {"p": 12345678},
    }
    async with cluster(answer) as (made, _):
        for call in (
            made.apply(SECRET, manifest),
            made.create(SECRET, manifest, field_manager="m"),
            made.replace(SECRET, manifest, field_manager="m"),
        ):
            with pytest.raises(Unreachable) as caught:
                await call
            assert "12345678" not in str(caught.value)
            assert "***" in str(caught.value)


async def test_delete_tells_whether_there_was_something() -> None:
    answers = iter(
        [
            web.json_response(status(200, "", ""), status=200),
            web.json_response({}, status=202),
            refusal(404, "NotFound", 'configmaps "c" not found', name="c", kind="configmaps"),
        ]
    )

    async def answer(request: web.Request) -> web.Response:
        return next(answers)

    async with cluster(answer) as (made, _):
        assert [await made.delete(CONFIG_MAP, "team", "c") for _ in range(3)] == [True, True, False]


async def test_replacing_what_is_not_there_is_not_found() -> None:
    async def answer(request: web.Request) -> web.Response:
        return refusal(404, "NotFound", 'configmaps "c" not found', name="c", kind="configmaps")

    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "team"}}
    async with cluster(answer) as (made, _):
        with pytest.raises(NotFound):
            await made.replace(CONFIG_MAP, manifest, field_manager="m")


# --- watches


def event(kind: str, version: int, size: int = 0) -> bytes:
    return orjson.dumps({"type": kind, "object": item(version, size) | {"metadata": {"resourceVersion": str(version)}}})


def streaming(*chunks: bytes, then: Callable[[web.Request], Any] | None = None) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        for chunk in chunks:
            await stream.write(chunk)
        if then is not None:
            await then(request)
        return stream

    return answer


async def forever(_: web.Request) -> None:
    await asyncio.Event().wait()


async def cut(request: web.Request) -> None:
    await asyncio.sleep(0.05)  # what was written before must leave first
    assert request.transport is not None
    request.transport.abort()


async def leave(stream: AsyncIterator[WatchEvent]) -> None:
    assert isinstance(stream, AsyncGenerator)
    await stream.aclose()


async def collect(made: ClusterClient, **options: Any) -> list[str]:
    options.setdefault("resource_version", "1")
    return [e.object["metadata"]["resourceVersion"] async for e in made.watch(CONFIG_MAP, **options)]


async def test_a_watch_yields_its_events_and_ends_with_the_server_s_answer() -> None:
    text = event("ADDED", 2) + b"\n" + event("BOOKMARK", 3) + b"\n" + event("DELETED", 4) + b"\n"
    async with cluster(streaming(text[:10], text[10:50], text[50:])) as (made, server):
        events = [e async for e in made.watch(CONFIG_MAP, selector="a=b", resource_version="1", timeout_seconds=60)]
        assert [e.type for e in events] == [EventType.ADDED, EventType.BOOKMARK, EventType.DELETED]
        assert dict(server.requests[0].query) == {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": "60",
            "labelSelector": "a=b",
            "resourceVersion": "1",
        }


async def test_an_event_is_there_when_its_line_is() -> None:
    async with cluster(streaming(event("ADDED", 2) + b"\n" + b'{"half', then=forever)) as (made, _):
        stream = made.watch(CONFIG_MAP, resource_version="1")
        assert (await anext(stream)).type is EventType.ADDED
        await leave(stream)


async def test_an_event_may_be_megabytes() -> None:
    async with cluster(streaming(event("ADDED", 2, 5_000_000) + b"\n")) as (made, _):
        assert await collect(made) == ["2"]


async def test_an_event_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_LINE", 1000)
    async with cluster(streaming(b"x" * 2000, then=forever)) as (made, _):
        with pytest.raises(Unreachable, match="larger than can be read"):
            await collect(made)


@pytest.mark.parametrize("end", [cut, None])
async def test_a_watch_cut_in_the_middle_of_an_event_is_an_error_after_the_whole_ones(end: Any) -> None:
    async with cluster(streaming(event("ADDED", 2) + b"\n" + event("ADDED", 3), then=end)) as (made, _):
        stream = made.watch(CONFIG_MAP, resource_version="1")
        assert (await anext(stream)).type is EventType.ADDED
        with pytest.raises(Unreachable, match=r"cut|closed"):
            await anext(stream)


async def test_a_watch_cut_between_events_is_an_error() -> None:
    async with cluster(streaming(event("ADDED", 2) + b"\n", then=cut)) as (made, _):
        with pytest.raises(Unreachable):
            await collect(made)


async def test_a_watch_whose_peer_fell_silent_is_an_error() -> None:
    async with cluster(streaming(event("ADDED", 2) + b"\n", then=forever), watch_grace=0.1) as (made, _):
        with pytest.raises(Unreachable, match=r"no answer within 0\.3 s"):
            await collect(made, timeout_seconds=0.2)


async def test_a_watch_that_goes_on_for_too_long_is_ended() -> None:
    async def chatter(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        with contextlib.suppress(ConnectionError):
            for version in range(2, 100_000):
                await stream.write(event("MODIFIED", version) + b"\n")
                await asyncio.sleep(0.01)
        return stream

    async with cluster(chatter, watch_grace=0.1) as (made, _):
        async with asyncio.timeout(10):
            assert "2" in await collect(made, timeout_seconds=0.2)


@pytest.mark.parametrize("inside", [True, False])
async def test_a_version_that_is_too_old_is_gone(inside: bool) -> None:
    expired = status(410, "Expired", "too old resource version: 1 (2)")

    async def refuse(request: web.Request) -> web.StreamResponse:
        return web.json_response(expired, status=410)

    line = orjson.dumps({"type": "ERROR", "object": expired}) + b"\n"
    async with cluster(streaming(line) if inside else refuse) as (made, _):
        with pytest.raises(Gone, match="too old resource version"):
            await collect(made)


async def test_leaving_a_watch_closes_its_connection() -> None:
    left = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        await stream.write(event("ADDED", 2) + b"\n")
        transport = request.transport
        await until(lambda: transport is None or transport.is_closing())
        left.set()
        return stream

    async with cluster(answer) as (made, _):
        task = asyncio.create_task(collect(made))
        await asyncio.sleep(0)
        stream = made.watch(CONFIG_MAP, resource_version="1")
        await anext(stream)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await leave(stream)
        await asyncio.wait_for(left.wait(), 5)


async def test_closing_the_client_ends_its_watches() -> None:
    async with cluster(streaming(event("ADDED", 2) + b"\n", then=forever)) as (made, server):
        task = asyncio.create_task(collect(made))
        await until(lambda: len(server.requests) == 1)
        await asyncio.sleep(0.05)
        await made.close()
        with pytest.raises(Unreachable):
            await asyncio.wait_for(task, 5)
