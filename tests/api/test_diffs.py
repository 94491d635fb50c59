"""What would change: against another revision, files and the past. Rendering is somebody else's here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx2
import pytest

from hub.api import guard
from hub.domain.manifest import ManifestSetRef, digest_of
from hub.errors import HubError, Invalid
from hub.fleet import previews
from hub.fleet.post import Post
from hub.fleet.previews import Preview, Trouble
from hub.store.codec import encode
from tests.api.kit import OLDER, Agents, World

SHOP = "/api/v1/applications/shop"
GZIP = {"Content-Type": "application/gzip"}
SET = ManifestSetRef("ab" * 32, 3, b"\1\2", "key-1")


class Renderer:
    """Answers wishes as the controller does."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.preview: Preview | HubError = Preview()
        self.wishes: list[Mapping[str, Any]] = []

    async def run(self, ready: asyncio.Event) -> None:
        post = Post(self._world.store, self._world.bus)
        async with self._world.bus.subscribe("previews") as subscription:
            ready.set()
            while True:
                for _, payload in await subscription.next():
                    wish = json.loads(payload)
                    id = wish.pop("id")
                    self.wishes.append(wish)
                    if isinstance(self.preview, HubError):
                        await post.refuse(id, self.preview.code, self.preview.message)
                    else:
                        await post.answer(id, encode(self.preview).encode())


@pytest.fixture
async def renderer(world: World) -> AsyncIterator[Renderer]:
    renderer, ready = Renderer(world), asyncio.Event()
    task = asyncio.create_task(renderer.run(ready))
    await ready.wait()
    yield renderer
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_agents_are_asked_about_what_was_rendered(
    world: World, admin: httpx2.AsyncClient, agents: Agents, renderer: Renderer
) -> None:
    await world.shop()
    agents.answers["uid-paris"] = {"resources": []}
    renderer.preview = Preview({"uid-paris": SET}, {"uid-oslo": Trouble("not-rendered", "no such path")})
    items = {i["cluster"]: i for i in (await admin.get(f"{SHOP}/diff", params={"revision": "v2"})).json()["items"]}
    assert items["paris"] == {"cluster": "paris", "error": None, "resources": []}
    assert items["oslo"]["error"] == {"code": "not-rendered", "message": "no such path"}
    [question] = agents.asked
    assert question["parameters"] == {
        "manifest_set": SET.digest,
        "resources": 3,
        "signature": "0102",
        "key_id": "key-1",
    }
    assert renderer.wishes == [{"application": "argocd/shop", "revision": "v2"}]


async def test_one_cluster_is_rendered_for_alone(
    world: World, admin: httpx2.AsyncClient, agents: Agents, renderer: Renderer
) -> None:
    await world.shop()
    reply = await admin.get(f"{SHOP}/diff", params={"revision": "v2", "cluster": "paris"})
    [paris] = reply.json()["items"]
    assert paris["error"]["code"] == "not-assigned"
    assert renderer.wishes[0]["cluster"] == "uid-paris"


async def test_what_the_controller_refuses_is_told(world: World, admin: httpx2.AsyncClient, renderer: Renderer) -> None:
    await world.shop()
    renderer.preview = Invalid("that means nothing")
    reply = await admin.get(f"{SHOP}/diff", params={"revision": "v2"})
    assert (reply.status_code, reply.json()["error"]["message"]) == (422, "that means nothing")


async def test_nobody_renders(world: World, admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.shop()
    monkeypatch.setattr(previews, "PREVIEW_SECONDS", 0.05)
    reply = await admin.get(f"{SHOP}/diff", params={"revision": "v2"})
    assert (reply.status_code, "controller" in reply.json()["error"]["message"]) == (503, True)


async def test_files_go_to_whoever_renders(
    world: World, admin: httpx2.AsyncClient, agents: Agents, renderer: Renderer
) -> None:
    await world.shop()
    agents.answers["uid-paris"] = {"resources": []}
    renderer.preview = Preview({"uid-paris": SET})
    reply = await admin.post(
        f"{SHOP}/diff", content=b"packed", headers=GZIP, params={"cluster": "paris", "path": "deploy/web"}
    )
    assert reply.json()["items"] == [{"cluster": "paris", "error": None, "resources": []}]
    [wish] = renderer.wishes
    assert (wish["upload"], wish["path"], wish["cluster"]) == (digest_of(b"packed"), "deploy/web", "uid-paris")
    assert await world.store.get_blobs([wish["upload"]]) == {wish["upload"]: b"packed"}


async def test_files_are_taken_of_those_who_may_override_and_within_bounds(
    world: World, admin: httpx2.AsyncClient, reader: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.shop()
    assert (await reader.post(f"{SHOP}/diff", content=b"packed", headers=GZIP)).status_code == 403
    reply = await admin.post(f"{SHOP}/diff", content=b"{}", headers={"Content-Type": "application/json"})
    assert reply.status_code == 415
    monkeypatch.setattr(guard, "FILES_LIMIT", 10)
    assert (await admin.post(f"{SHOP}/diff", content=b"x" * 11, headers=GZIP)).status_code == 413


async def test_what_was_deployed_before_is_asked_about_without_rendering(
    world: World, admin: httpx2.AsyncClient, agents: Agents
) -> None:
    await world.deployed(await world.shop(), "uid-paris", OLDER)
    agents.answers["uid-paris"] = {"resources": []}
    items = {i["cluster"]: i for i in (await admin.get(f"{SHOP}/diff", params={"history_id": 1})).json()["items"]}
    assert items["paris"]["error"] is None
    assert items["oslo"]["error"]["code"] == "not-deployed"
    [question] = agents.asked
    ref = await world.rendered(OLDER)
    assert question["parameters"]["manifest_set"] == ref.digest
    signature = bytes.fromhex(question["parameters"]["signature"])
    assert world.trust.pki.sign(bytes.fromhex(ref.digest)) == (signature, question["parameters"]["key_id"])
    assert (await admin.get(f"{SHOP}/diff", params={"history_id": 9})).status_code == 404
    assert (await admin.get(f"{SHOP}/diff", params={"history_id": 0})).status_code == 404
    both = await admin.get(f"{SHOP}/diff", params={"history_id": 1, "revision": "v2"})
    assert both.status_code == 422
