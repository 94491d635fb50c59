from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import httpx2
import pytest
import structlog

from hub.api.guard import BODY_LIMIT, Guard
from tests.api.kit import World, manifest

Message = MutableMapping[str, Any]


async def called(
    world: World, receive: Callable[[], Awaitable[Message]], path: str = "/healthz", **more: Any
) -> tuple[list[Message], list[bytes]]:
    """Run the guard over an application that repeats its body; return what was sent, and the bodies it saw."""
    bodies: list[bytes] = []
    sent: list[Message] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        bodies.append((await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Message) -> None:
        sent.append(message)

    guard = Guard(application, world.services.sessions, world.services.telemetry, **more)
    scope = {"type": "http", "method": "POST", "path": path, "headers": [], "client": ("192.0.2.1", 1)}
    await guard(scope, receive, send)
    return sent, bodies


def arriving(*messages: Message) -> Callable[[], Awaitable[Message]]:
    left = list(messages)

    async def receive() -> Message:
        if left:
            return left.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    return receive


def part(body: bytes, *, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_is_put_together(world: World) -> None:
    sent, bodies = await called(world, arriving(part(b"a"), part(b"b"), part(b"c", more=False)))
    assert bodies == [b"abc"]
    assert sent[0]["status"] == 200


async def test_a_body_that_does_not_come(world: World) -> None:
    sent, bodies = await called(world, arriving(part(b"a")), body_seconds=0.01)
    assert bodies == []
    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"])["error"]["code"] == "request-timeout"


async def test_half_a_body_is_not_acted_upon(world: World) -> None:
    sent, bodies = await called(world, arriving(part(b"a"), {"type": "http.disconnect"}))
    assert (sent, bodies) == ([], [])


async def test_a_body_that_does_not_end(world: World) -> None:
    parts = [part(b"x" * 65536) for _ in range(BODY_LIMIT // 65536 + 1)]
    sent, bodies = await called(world, arriving(*parts))
    assert bodies == []
    assert sent[0]["status"] == 413


async def test_no_body_is_read_for_nobody(world: World) -> None:
    sent, _ = await called(world, arriving(), path="/api/v1/objects/apply")
    assert sent[0]["status"] == 401


async def test_headers_that_keep_browsers_careful(admin: httpx2.AsyncClient) -> None:
    for path in ("/api/v1/version", "/api/v1/nothing", "/healthz"):
        headers = (await admin.get(path)).headers
        assert headers["Strict-Transport-Security"].startswith("max-age=")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["Cache-Control"] == "no-store"
        assert "Access-Control-Allow-Origin" not in headers


async def test_request_ids(admin: httpx2.AsyncClient) -> None:
    reply = await admin.get("/api/v1/version", headers={"X-Request-Id": "my-own-id-1"})
    assert reply.headers["X-Request-Id"] == "my-own-id-1"
    for wrong in ("short", "x" * 65, "has spaces in it", "quoted'quoted"):
        reply = await admin.get("/api/v1/version", headers={"X-Request-Id": wrong})
        assert reply.headers["X-Request-Id"] != wrong
        assert len(reply.headers["X-Request-Id"]) == 16


async def test_the_log_names_who_and_what_and_no_secret(world: World, admin: httpx2.AsyncClient) -> None:
    with structlog.testing.capture_logs() as entries:
        await admin.get("/api/v1/applications", params={"selector": "secret=hunter2"})
        await admin.post("/api/v1/session", json={"username": "admin", "password": "hunter2"})
        await admin.get("/healthz")
    first, second = entries
    assert (first["path"], first["status"], first["account"]) == ("/api/v1/applications", 200, "admin")
    assert second["status"] == 401
    assert "hunter2" not in str(entries)
    assert "esc_" not in str(entries)


async def test_an_error_inside_is_in_the_log_with_the_request(
    world: World, admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError("the inner text")

    monkeypatch.setattr(world.store, "find_cluster", broken)
    with caplog.at_level(logging.ERROR):
        reply = await admin.get("/api/v1/clusters/paris")
    assert reply.status_code == 500
    assert "the inner text" not in reply.text
    assert reply.json()["error"]["request_id"] in caplog.text
    assert "the inner text" in caplog.text


async def test_json_is_only_taken_as_json(admin: httpx2.AsyncClient) -> None:
    """So that no form on another page can send it."""
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        headers = {"Content-Type": kind}
        reply = await admin.post("/api/v1/clusters", content=b'{"name": "rome"}', headers=headers)
        assert reply.status_code == 422
        reply = await admin.post("/api/v1/objects/apply", content=json.dumps(manifest()).encode(), headers=headers)
        assert reply.status_code == 415
