from __future__ import annotations

import httpx2

from tests.api.kit import ADMIN_PASSWORD, World

SESSION = "/api/v1/session"
ACCOUNT = "/api/v1/account"
PASSWORD = "/api/v1/account/password"
NEW = "an entirely new one"


async def logged_in(client: httpx2.AsyncClient, username: str, password: str) -> httpx2.Response:
    return await client.post(SESSION, json={"username": username, "password": password})


async def test_from_logging_in_to_logging_out(world: World, nobody: httpx2.AsyncClient) -> None:
    reply = await logged_in(nobody, "admin", ADMIN_PASSWORD)
    assert reply.status_code == 201
    token = reply.json()["token"]
    assert token.startswith("esc_")
    assert reply.json()["expires_at"].endswith("Z")
    assert reply.headers["Cache-Control"] == "no-store"
    headers = {"Authorization": f"Bearer {token}"}
    account = (await nobody.get(ACCOUNT, headers=headers)).json()
    assert (account["name"], account["role"], account["enabled"]) == ("admin", "role:admin", True)
    assert "password" not in str(account)
    assert (await nobody.delete(SESSION, headers=headers)).status_code == 204
    assert (await nobody.get(ACCOUNT, headers=headers)).status_code == 401


async def test_a_session_ends_by_time(world: World, admin: httpx2.AsyncClient) -> None:
    assert (await admin.get(ACCOUNT)).status_code == 200
    world.clock.advance(hours=2)
    reply = await admin.get(ACCOUNT)
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "session-ended")


async def test_who_cannot_log_in_learns_nothing(nobody: httpx2.AsyncClient) -> None:
    replies = [await logged_in(nobody, name, "wrong password") for name in ("admin", "nobody", "A\x00B")]
    told = {(r.status_code, r.json()["error"]["code"], r.json()["error"]["message"]) for r in replies}
    assert len(told) == 1


async def test_a_password_is_not_repeated(nobody: httpx2.AsyncClient) -> None:
    for body in ({"username": "", "password": "hunter2"}, {"username": "a", "password": ["hunter2"]}):
        reply = await nobody.post(SESSION, json=body)
        assert reply.status_code == 422
        assert "hunter2" not in reply.text


async def test_changing_ones_own_password(world: World, nobody: httpx2.AsyncClient, admin: httpx2.AsyncClient) -> None:
    async with world.client() as other:
        reply = await admin.put(PASSWORD, json={"current": "wrong", "new": NEW})
        assert (reply.status_code, reply.json()["error"]["code"]) == (401, "bad-credentials")
        assert (await admin.put(PASSWORD, json={"current": ADMIN_PASSWORD, "new": NEW})).status_code == 204
        assert (await admin.get(ACCOUNT)).status_code == 200, "this session stays"
        assert (await other.get(ACCOUNT)).status_code == 401, "the others end"
    assert (await logged_in(nobody, "admin", NEW)).status_code == 201


async def test_an_administrator_changes_anothers_with_their_own_password(
    world: World, nobody: httpx2.AsyncClient, admin: httpx2.AsyncClient, reader: httpx2.AsyncClient
) -> None:
    wanted = {"current": "not the administrator's", "new": NEW, "account": "reader"}
    assert (await admin.put(PASSWORD, json=wanted)).status_code == 401
    assert (await admin.put(PASSWORD, json=wanted | {"current": ADMIN_PASSWORD})).status_code == 204
    assert (await reader.get(ACCOUNT)).status_code == 401
    assert (await logged_in(nobody, "reader", NEW)).status_code == 201
    missing = {"current": ADMIN_PASSWORD, "new": NEW, "account": "none"}
    assert (await admin.put(PASSWORD, json=missing)).status_code == 404


async def test_the_version_needs_no_session(nobody: httpx2.AsyncClient) -> None:
    reply = await nobody.get("/api/v1/version")
    assert reply.json()["api"] == "v1"
    assert reply.json()["version"]
