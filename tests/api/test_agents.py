from __future__ import annotations

import httpx2
from cryptography import x509

from tests.api.kit import World
from tests.pki.support import AgentKey

ENROL = "/agent/v1/enrol"


async def test_enrolment_and_the_way_back(world: World, nobody: httpx2.AsyncClient) -> None:
    await world.cluster("rome")
    key = AgentKey()
    body = {"token": await world.services.join_tokens.issue("uid-rome"), "csr": key.request().decode()}
    reply = await nobody.post(ENROL, json=body | {"agent_version": "1.2", "something_newer": True})
    assert reply.status_code == 200, reply.text
    first = reply.json()
    assert (first["cluster"], first["cluster_uid"]) == ("rome", "uid-rome")
    assert first["signing_keys"][0]["public_key"]
    assert x509.load_pem_x509_certificate(first["certificate"].encode())
    world.clock.advance(days=3)
    body = {"certificate": first["certificate"], "csr": key.request().decode()}
    second = (await nobody.post("/agent/v1/recover", json=body)).json()
    assert second["certificate"] != first["certificate"]
    events = await world.store.list_events(cluster="uid-rome")
    assert [e.reason for e in events] == ["AgentRecovered", "AgentJoined"]
    assert "127.0.0.1, agent 1.2" in events[1].message


async def test_authorities(world: World, nobody: httpx2.AsyncClient) -> None:
    reply = await nobody.get("/agent/v1/authorities")
    assert reply.json() == world.services.enrolments.authorities()


async def test_a_token_is_not_repeated(world: World, nobody: httpx2.AsyncClient) -> None:
    token = "esc1.uidrome." + "s" * 43
    for body in ({"token": token}, {"token": token, "csr": 5}, {"token": token, "csr": "x"}, {"token": [token]}):
        reply = await nobody.post(ENROL, json=body)
        assert reply.status_code in (401, 422)
        assert "s" * 43 not in reply.text


async def test_bodies_are_small(nobody: httpx2.AsyncClient) -> None:
    reply = await nobody.post(ENROL, json={"token": "x", "csr": "y" * 70_000})
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "too-large")


async def test_an_agent_of_a_cluster_that_is_gone(world: World, nobody: httpx2.AsyncClient) -> None:
    await world.cluster("rome")
    body = {"token": await world.services.join_tokens.issue("uid-rome"), "csr": AgentKey().request().decode()}
    await world.store.remove_cluster("uid-rome", world.clock())
    assert (await nobody.post(ENROL, json=body)).status_code == 401
