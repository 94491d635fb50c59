"""Whatever is sent, the answer is one of the catalogue's, and never an error inside."""

from __future__ import annotations

import asyncio
import shutil
import string
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import orjson
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from hub.store.sql import SqlStore
from tests.api.kit import World, make_world, manifest
from tests.pki.support import Clock
from tests.search import examples

FUZZ = examples(60, *HealthCheck)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
TEXT = st.text(max_size=30)


class Runner:
    """One hub for all examples: they run on a loop of its own."""

    def __init__(self, directory: Path, migrated: Path) -> None:
        self._runner = asyncio.Runner()
        path = directory / "fuzz.db"
        shutil.copy(migrated, path)
        self._store = SqlStore(f"sqlite:///{path}")
        self.world = self._runner.run(self._start())
        self.token = self._runner.run(self.world.token())

    async def _start(self) -> World:
        await self._store.open()
        world = await make_world(self._store, Clock(), agent_requests_per_minute=10**9)
        await world.shop()
        return world

    def request(self, method: str, path: str, **options: Any) -> httpx2.Response:
        async def send() -> httpx2.Response:
            transport = httpx2.ASGITransport(app=self.world.app, raise_app_exceptions=False)
            headers = {"Authorization": f"Bearer {self.token}"} | options.pop("headers", {})
            async with httpx2.AsyncClient(transport=transport, base_url="https://hub", headers=headers) as client:
                return await client.request(method, path, **options)

        return self._runner.run(send())

    def close(self) -> None:
        self._runner.run(self._store.close())
        self._runner.close()


@pytest.fixture(scope="module")
def hub(migrated: Path) -> Iterator[Runner]:
    with tempfile.TemporaryDirectory() as directory:
        runner = Runner(Path(directory), migrated)
        yield runner
        runner.close()


def check(reply: httpx2.Response) -> None:
    assert reply.status_code < 500, reply.text
    if reply.status_code >= 400:
        assert set(reply.json()["error"]) == {"code", "message", "request_id", "details"}


def mutated(value: Any) -> st.SearchStrategy[Any]:
    """Return the value with something in it replaced by anything."""
    if isinstance(value, dict) and value:
        return st.sampled_from(sorted(value)).flatmap(
            lambda key: (mutated(value[key]) | JSON).map(lambda new: {**value, key: new})
        )
    return JSON


@FUZZ
@given(st.binary(max_size=300) | TEXT.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_applying_bytes(hub: Runner, body: bytes) -> None:
    for kind in ("application/yaml", "application/json"):
        check(hub.request("POST", "/api/v1/objects/apply", content=body, headers={"Content-Type": kind}))


@FUZZ
@given(mutated(manifest()), st.booleans())
def test_applying_manifests_with_something_wrong(hub: Runner, body: Any, strict: bool) -> None:
    check(hub.request("POST", "/api/v1/objects/apply", json=body, params={"strict": strict, "dry_run": True}))
    check(hub.request("PUT", "/api/v1/applications/shop", json=body))


@FUZZ
@given(
    st.sampled_from(
        [
            ("POST", "applications"),
            ("PATCH", "applications/shop/flags"),
            ("POST", "applications/shop/sync"),
            ("POST", "applications/shop/rollback"),
            ("POST", "applications/shop/terminate"),
            ("POST", "clusters"),
            ("PATCH", "clusters/paris"),
        ]
    ),
    JSON
    | st.fixed_dictionaries(
        {},
        optional={
            "name": TEXT,
            "namespace": TEXT,
            "repo": TEXT,
            "path": TEXT,
            "dest_name": TEXT,
            "dest_selectors": st.lists(TEXT, max_size=3),
            "helm_set": st.lists(TEXT, max_size=3),
            "labels": st.lists(TEXT, max_size=3) | st.dictionaries(TEXT, TEXT, max_size=3),
            "server": TEXT,
            "clusters": st.lists(TEXT, max_size=3),
            "resources": st.lists(TEXT, max_size=3),
            "sync_options": st.lists(TEXT, max_size=3),
            "history_id": st.integers(),
            "revision": TEXT,
            "revisions": st.lists(TEXT, max_size=3),
            "source_positions": st.lists(st.integers(), max_size=3),
            "source_names": st.lists(TEXT, max_size=3),
        },
    ),
)
def test_bodies(hub: Runner, route: tuple[str, str], body: Any) -> None:
    method, path = route
    check(
        hub.request(
            method,
            f"/api/v1/{path}",
            content=orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS) if _is_writable(body) else b"{}",
            headers={"Content-Type": "application/json"},
        )
    )


def _is_writable(body: Any) -> bool:
    try:
        orjson.dumps(body)
    except TypeError:
        return False
    return True


@pytest.mark.parametrize("path", ["applications", "applications/shop", "applications/shop/sync", "clusters", "session"])
def test_half_a_character(hub: Runner, path: str) -> None:
    """JSON can say half of a surrogate pair, which nothing can store or write."""
    half = rb"\ud800"
    for body in (
        b'{"name": "%s", "repo": "%s", "path": "%s", "dest_name": "%s"}' % (half, half, half, half),
        b'{"username": "%s", "password": "%s", "%s": 1}' % (half, half, half),
        b'{"name": "rome", "labels": {"%s": "%s"}, "server": "%s"}' % (half, half, half),
        b'{"clusters": ["%s"], "resources": ["%s"]}' % (half, half),
        b'{"revisions": ["%s"], "source_positions": [1]}' % half,
        orjson.dumps(manifest()).replace(b"deploy", half),
    ):
        headers = {"Content-Type": "application/json"}
        for method in ("POST", "PUT", "PATCH"):
            reply = hub.request(method, f"/api/v1/{path}", content=body, headers=headers)
            check(reply)
            assert reply.status_code >= 400


NAMES = st.text(string.printable, min_size=1, max_size=20) | st.text(min_size=1, max_size=20)
PATHS = (
    "applications/{}",
    "applications/{}/manifests",
    "applications/{}/history",
    "applications/{}/resources",
    "clusters/{}",
    "projects/{}",
    "{}",
)


@FUZZ
@given(st.sampled_from(PATHS), NAMES.map(lambda text: quote(text.encode("utf-8", "replace"), safe="")))
def test_paths(hub: Runner, path: str, name: str) -> None:
    if path == "applications/{}" and name == "watch":
        return
    check(hub.request("GET", "/api/v1/" + path.format(name)))


@FUZZ
@given(
    st.sampled_from(["applications", "applications/shop", "applications/shop/manifests", "clusters", "events"]),
    st.dictionaries(
        st.sampled_from(
            ["project", "selector", "cluster", "limit", "continue", "namespace", "revision", "manifest_set", "format"]
        ),
        TEXT,
        max_size=4,
    ),
    st.dictionaries(
        st.sampled_from(["revisions", "source_positions", "source_names"]),
        st.lists(TEXT | st.integers().map(str), min_size=1, max_size=3),
    ),
)
def test_queries(hub: Runner, path: str, parameters: dict[str, str], lists: dict[str, list[str]]) -> None:
    query: dict[str, Any] = {k: v.encode("utf-8", "replace").decode() for k, v in parameters.items()}
    query |= {k: [text.encode("utf-8", "replace").decode() for text in texts] for k, texts in lists.items()}
    check(hub.request("GET", f"/api/v1/{path}", params=query))


@FUZZ
@given(
    st.sampled_from(["enrol", "recover"]),
    JSON | st.dictionaries(st.sampled_from(["token", "csr", "certificate"]), TEXT),
)
def test_agents(hub: Runner, path: str, body: Any) -> None:
    check(
        hub.request(
            "POST",
            f"/agent/v1/{path}",
            content=str(body).encode("utf-8", "replace"),
            headers={"Content-Type": "application/json"},
        )
    )
    check(hub.request("POST", f"/agent/v1/{path}", json=_plain(body)))


def _plain(body: Any) -> Any:
    return body if _is_writable(body) else {}


@FUZZ
@given(st.text(string.ascii_letters + string.digits + "-_. ", max_size=60) | st.binary(max_size=30).map(str))
def test_authorization(hub: Runner, text: str) -> None:
    for value in (text, f"Bearer {text}", f"Bearer esc_{text}"):
        reply = hub.request(
            "GET", "/api/v1/account", headers={"Authorization": value.encode("ascii", "replace").decode()}
        )
        assert reply.status_code == 401
