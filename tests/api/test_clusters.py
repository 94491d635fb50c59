from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from tests.api.kit import World
from tests.pki.support import AgentKey

CLUSTERS = "/api/v1/clusters"


async def enrolled(world: World, token: str, key: AgentKey) -> httpx2.Response:
    async with world.client("") as agent:
        return await agent.post("/agent/v1/enrol", json={"token": token, "csr": key.request().decode()})


async def test_from_adding_to_joining(world: World, admin: httpx2.AsyncClient) -> None:
    body = {"name": "rome", "labels": {"region": "eu"}, "server": "https://10.0.0.1:6443"}
    async with world.bus.subscribe("clusters") as subscription:
        reply = await admin.post(CLUSTERS, json=body)
        assert reply.status_code == 201, reply.text
        assert len(await subscription.next(1)) == 1
    join = reply.json()
    assert (join["cluster"], join["hub"], join["ca_pin"]) == ("rome", "hub.example:8443", world.trust.pki.pin)
    assert join["token"].startswith("esc1.")
    assert join["ca_pin"] in join["command"] and join["hub"] in join["command"]
    assert join["token"] not in join["command"], "a command line is no place for secrets"
    reply = await enrolled(world, join["token"], AgentKey())
    assert reply.status_code == 200, reply.text
    assert (reply.json()["cluster"], reply.json()["gateway"]) == ("rome", "hub.example:8444")
    rome = (await admin.get(f"{CLUSTERS}/rome")).json()
    assert (rome["labels"], rome["server"], rome["liveness"]) == ({"region": "eu"}, body["server"], "NeverConnected")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "Rome"},
        {"name": "-rome"},
        {"name": "rome", "labels": {"a b": "c"}},
        {"name": "rome", "labels": {"a": "b c"}},
        {"name": "rome", "server": "10.0.0.1"},
        {"name": "rome", "server": "https://user:password@10.0.0.1"},
    ],
)
async def test_clusters_that_cannot_be(admin: httpx2.AsyncClient, body: dict[str, Any]) -> None:
    reply = await admin.post(CLUSTERS, json=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid")
    assert "password" not in reply.text


async def test_a_taken_name(admin: httpx2.AsyncClient) -> None:
    assert (await admin.post(CLUSTERS, json={"name": "rome"})).status_code == 201
    reply = await admin.post(CLUSTERS, json={"name": "rome"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "conflict")


async def test_a_list(world: World, admin: httpx2.AsyncClient) -> None:
    await world.shop()
    paris, oslo = None, None
    items = (await admin.get(CLUSTERS)).json()["items"]
    assert [i["name"] for i in items] == ["oslo", "paris"]
    oslo, paris = items
    assert (oslo["liveness"], paris["liveness"]) == ("NeverConnected", "Connected")
    assert (oslo["applications"], paris["applications"]) == (1, 1)
    reply = await admin.get(CLUSTERS, params={"selector": "region=eu"})
    assert [i["name"] for i in reply.json()["items"]] == ["paris"]
    first = (await admin.get(CLUSTERS, params={"limit": 1})).json()
    assert first["continue"] == "oslo"
    rest = (await admin.get(CLUSTERS, params={"limit": 1, "continue": "oslo"})).json()
    assert ([i["name"] for i in rest["items"]], rest["continue"]) == (["paris"], "")


async def test_changing_labels(world: World, admin: httpx2.AsyncClient) -> None:
    await world.cluster("paris", region="eu", tier="gold")
    body = {"labels": {"tier": None, "canary": "yes"}, "server": "https://10.0.0.2"}
    paris = (await admin.patch(f"{CLUSTERS}/paris", json=body)).json()
    assert (paris["labels"], paris["server"]) == ({"region": "eu", "canary": "yes"}, "https://10.0.0.2")
    assert (await admin.patch(f"{CLUSTERS}/paris", json={"labels": {"a": "b c"}})).status_code == 422
    paris = (await admin.patch(f"{CLUSTERS}/paris", json={})).json()
    assert paris["server"] == "https://10.0.0.2", "what is not given stays"


async def test_changes_at_the_same_time_do_not_lose_each_other(world: World, admin: httpx2.AsyncClient) -> None:
    await world.cluster("paris")
    await asyncio.gather(*(admin.patch(f"{CLUSTERS}/paris", json={"labels": {f"l{n}": "x"}}) for n in range(10)))
    assert len((await admin.get(f"{CLUSTERS}/paris")).json()["labels"]) == 10


async def test_removing_ends_the_certificate_at_once(world: World, admin: httpx2.AsyncClient) -> None:
    shop = await world.shop()
    key = AgentKey()
    issued = await world.trust.join("uid-paris", key)
    async with world.bus.subscribe("revocations", "clusters") as subscription:
        reply = await admin.delete(f"{CLUSTERS}/paris")
        assert set(await subscription.next(1)) == {("revocations", "uid-paris"), ("clusters", "uid-paris")}
    assert reply.json()["applications"] == ["shop"]
    assert "What one application put there stays as it is" in reply.json()["message"]
    assert issued.record.serial in world.trust.revocations
    assert (await admin.get(f"{CLUSTERS}/paris")).status_code == 404
    assert [a.cluster for a in await world.store.assignments_of_application(str(shop.id))] == ["uid-oslo"]
    async with world.client("") as agent:
        body = {"certificate": issued.pem.decode(), "csr": key.request().decode()}
        assert (await agent.post("/agent/v1/recover", json=body)).status_code == 401


async def test_a_new_token_replaces_the_one_before(world: World, admin: httpx2.AsyncClient) -> None:
    first = (await admin.post(CLUSTERS, json={"name": "rome"})).json()["token"]
    reply = await admin.post(f"{CLUSTERS}/rome/rotate-token")
    assert reply.status_code == 201
    assert (await enrolled(world, first, AgentKey())).status_code == 401
    assert (await enrolled(world, reply.json()["token"], AgentKey())).status_code == 200


async def test_tokens_are_not_in_the_events(world: World, admin: httpx2.AsyncClient) -> None:
    token = (await admin.post(CLUSTERS, json={"name": "rome"})).json()["token"]
    events = await admin.get("/api/v1/events")
    assert token.rpartition(".")[2] not in events.text
    assert {"ClusterAdded"} <= {e["reason"] for e in events.json()["items"]}


async def test_clusters_there_are_not(admin: httpx2.AsyncClient) -> None:
    for method, path in (("GET", "rome"), ("PATCH", "rome"), ("DELETE", "rome"), ("POST", "rome/rotate-token")):
        assert (await admin.request(method, f"{CLUSTERS}/{path}", json={})).status_code == 404
