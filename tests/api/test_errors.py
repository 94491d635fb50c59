"""Every code of the catalogue can happen, and every code that can happen is in the catalogue."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import hub
from hub import errors
from hub.api import asking
from hub.api.errors import CATALOGUE, IN_ANSWERS, error_response, public_code, response_of
from hub.errors import HubError, StoreUnavailable, Unsupported
from hub.store.sql import SqlStore
from tests.api.kit import ADMIN_PASSWORD, Agents, World, make_world
from tests.pki.support import AgentKey, Clock

Case = Callable[[World, httpx2.AsyncClient, pytest.MonkeyPatch], Awaitable[httpx2.Response]]
CASES: dict[str, Case] = {}

SHOP = "/api/v1/applications/shop"


def produces(code: str) -> Callable[[Case], Case]:
    def register(case: Case) -> Case:
        CASES[code] = case
        return case

    return register


async def anonymous(world: World, method: str, path: str, **options: Any) -> httpx2.Response:
    async with world.client("") as client:
        return await client.request(method, path, **options)


async def enrol(world: World, key: AgentKey | None = None, **body: Any) -> httpx2.Response:
    if await world.store.get_cluster("uid-rome") is None:
        await world.cluster("rome")
    token = await world.services.join_tokens.issue("uid-rome")
    given = {"token": token, "csr": (key or AgentKey()).request().decode(), "agent_version": "1"}
    return await anonymous(world, "POST", "/agent/v1/enrol", json=given | body)


async def recover(world: World, key: AgentKey, certificate: str) -> httpx2.Response:
    body = {"csr": key.request().decode(), "certificate": certificate}
    return await anonymous(world, "POST", "/agent/v1/recover", json=body)


@produces("bad-request")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    headers = {"Content-Type": "application/json"}
    return await admin.post("/api/v1/clusters", content=b"[" * 200_000, headers=headers)


@produces("bad-credentials")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    return await anonymous(world, "POST", "/api/v1/session", json={"username": "admin", "password": "no"})


@produces("webhook-unknown")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    return await anonymous(world, "POST", "/api/webhook", json={})


@produces("webhook-unreadable")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    return await anonymous(world, "POST", "/api/webhook", json=[], headers={"X-GitHub-Event": "push"})


@produces("webhook-refused")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    data = {"webhook.gitlab.secret": "shared"}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "argocd-secret"}, "stringData": data}
    await admin.post("/api/v1/objects/apply", json=secret)
    return await anonymous(world, "POST", "/api/webhook", json={}, headers={"X-Gitlab-Event": "Push Hook"})


@produces("certificate-revoked")
async def _(world: World, admin: httpx2.AsyncClient, patch: pytest.MonkeyPatch) -> httpx2.Response:
    key = AgentKey()
    reply = await enrol(world, key)

    async def revoked_meanwhile(_: str) -> bool:
        return True

    patch.setattr(world.trust.revocations, "is_revoked", revoked_meanwhile)
    return await recover(world, key, reply.json()["certificate"])


@produces("join-token-refused")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    return await enrol(world, token="esc1.uidrome." + "x" * 43)


@produces("recovery-refused")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    reply = await enrol(world)
    return await recover(world, AgentKey(), reply.json()["certificate"])


@produces("session-ended")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    await admin.delete("/api/v1/session")
    return await admin.get("/api/v1/account")


@produces("unauthenticated")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    return await anonymous(world, "GET", "/api/v1/account")


@produces("permission-denied")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    async with world.client("reader") as reader:
        return await reader.delete(SHOP)


@produces("not-found")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    return await admin.get("/api/v1/applications/none")


@produces("method-not-allowed")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    return await admin.patch(SHOP)


@produces("conflict")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    return await admin.post("/api/v1/clusters", json={"name": "paris"})


@produces("too-large")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    return await admin.put(SHOP, json={"x": "y" * 1_100_000})


@produces("unsupported-media-type")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    return await admin.post("/api/v1/objects/apply", data={"a": "b"})


@produces("bad-body")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    return await admin.post(f"{SHOP}/sync", json={"pruen": True})


@produces("bad-certificate")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    return await recover(world, AgentKey(), "no certificate")


@produces("bad-csr")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    return await enrol(world, csr="no request")


@produces("bad-key")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    key = ec.generate_private_key(ec.SECP384R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return await enrol(world, csr=csr.public_bytes(serialization.Encoding.PEM).decode())


async def run_action(world: World, admin: httpx2.AsyncClient, *answer: str, cluster: str = "paris") -> httpx2.Response:
    """Ask for an action on an object of a cluster, whose agent refuses it so."""
    agents, ready = Agents(world), asyncio.Event()
    agents.answers["uid-paris"] = answer
    task = asyncio.create_task(agents.run(ready))
    await ready.wait()
    wish = {"kind": "Pod", "namespace": "shop", "name": "x", "action": "y", "cluster": cluster}
    reply = await admin.post(f"{SHOP}/actions", json=wish)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return reply


@produces("action-refused")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    return await run_action(world, admin, "action-refused", "a Pod has no action 'y'")


@produces("agent-too-old")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    return await run_action(world, admin, "unknown-question", "what?")


@produces("cluster-unreachable")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    return await run_action(world, admin, cluster="oslo")


@produces("outcome-unknown")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    return await run_action(world, admin, "timeout", "the cluster took over 12 s")


@produces("bad-password")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    return await admin.put("/api/v1/account/password", json={"current": ADMIN_PASSWORD, "new": "short"})


@produces("invalid")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    return await admin.get("/api/v1/applications", params={"selector": "a=(b"})


@produces("unclear-source")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    return await admin.post(f"{SHOP}/sync", json={"revisions": ["v2"], "source_positions": [2]})


@produces("too-many-clusters")
async def _(world: World, admin: httpx2.AsyncClient, patch: pytest.MonkeyPatch) -> httpx2.Response:
    patch.setattr(asking, "MOST_CLUSTERS", 1)
    return await admin.get(f"{SHOP}/diff")


@produces("busy")
async def _(world: World, admin: httpx2.AsyncClient, patch: pytest.MonkeyPatch) -> httpx2.Response:
    patch.setattr(world.api.feed, "_limit", 0)
    return await admin.get("/api/v1/applications/watch")


@produces("too-many-certificates")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    key = AgentKey()
    certificate = (await enrol(world, key)).json()["certificate"]
    for _attempt in range(60):
        reply = await recover(world, key, certificate)
    return reply


@produces("too-many-logins")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    for _attempt in range(6):
        reply = await anonymous(world, "POST", "/api/v1/session", json={"username": "admin", "password": "no"})
    return reply


@produces("too-many-requests")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    async with world.client("", client=("192.0.2.9", 1)) as client:
        for _attempt in range(601):
            reply = await client.get("/agent/v1/authorities")
    assert (await anonymous(world, "GET", "/agent/v1/authorities")).status_code == 200, "others are not affected"
    return reply


@produces("authority-expired")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    world.clock.advance(days=3700)
    return await enrol(world)


@produces("internal")
async def _(world: World, admin: httpx2.AsyncClient, patch: pytest.MonkeyPatch) -> httpx2.Response:
    async def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("SELECT password FROM accounts")

    patch.setattr(world.store, "list_clusters", broken)
    return await admin.get("/api/v1/clusters")


@produces("store-unavailable")
async def _(world: World, admin: httpx2.AsyncClient, patch: pytest.MonkeyPatch) -> httpx2.Response:
    async def away(*_: Any, **__: Any) -> None:
        raise StoreUnavailable("the database does not answer")

    patch.setattr(world.store, "list_clusters", away)
    return await admin.get("/api/v1/clusters")


@produces("unavailable")
async def _(world: World, admin: httpx2.AsyncClient, _: pytest.MonkeyPatch) -> httpx2.Response:
    world.api.feed.close()
    return await admin.get("/readyz")


NOT_HERE = {
    "request-timeout": "tests/api/test_guard.py, which need not wait a minute",
    "repository-denied": "tests/api/test_repositories.py, which stands in for the network",
    "repository-refused": "tests/api/test_repositories.py",
    "repository-too-large": "what a registry answers: tests/source/test_http.py",
    "repository-unreachable": "tests/source/test_access.py, with real servers",
    "unsupported": "no route says so today; the class has it for those to come",
}


def test_every_code_has_its_case() -> None:
    assert CASES.keys() | NOT_HERE.keys() == CATALOGUE.keys()


@pytest.mark.parametrize("code", CASES)
async def test_a_code(code: str, world: World, admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.shop()
    reply = await CASES[code](world, admin, monkeypatch)
    body = reply.json()
    assert body["error"]["code"] == code, reply.text
    assert reply.status_code == CATALOGUE[code].status
    assert body["error"]["request_id"] == reply.headers["X-Request-Id"]
    assert body["error"]["message"]
    assert reply.headers["Content-Type"] == "application/json"
    assert "SELECT" not in reply.text
    if reply.status_code in (429, 503):
        assert int(reply.headers["Retry-After"]) >= 1


async def test_a_limit_counts_one_address_at_a_time(store: SqlStore, clock: Clock) -> None:
    world = await make_world(store, clock, agent_requests_per_minute=1)
    async with world.client("", client=("2001:db8::1", 1)) as one, world.client("", client=("2001:db8::2", 1)) as same:
        assert (await one.get("/agent/v1/authorities")).status_code == 200
        reply = await same.get("/agent/v1/authorities")
        assert (reply.status_code, reply.headers["Retry-After"]) == (429, "60")
        clock.advance(seconds=61)
        assert (await same.get("/agent/v1/authorities")).status_code == 200


# --- completeness

ELSEWHERE = {
    "authority-damaged": "at start, or in the log",
    "authority-in-use": "escadre-hub ca",
    "bad-server-name": "at start",
    "bad-uid": "the hub gives uids itself",
    "certificate-expired": "the agents' port",
    "certificate-not-yet-valid": "the agents' port",
    "key-file": "at start",
    "rotation-not-active": "escadre-hub ca",
    "rotation-not-prepared": "escadre-hub ca",
    "rotation-too-early": "escadre-hub ca",
    "rotation-under-way": "escadre-hub ca",
    "schema-too-new": "at start",
    "unknown-authority": "the agents' port",
    "": "none of its own",
}
"""Codes of the packages the API calls that no route can meet."""


def codes_in(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (code, file) of every `code="…"` and `code = "…"`."""
    for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
        for node in ast.walk(ast.parse(file.read_text())):
            for value in values_of_code(node):
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield value.value, str(file)


def values_of_code(node: ast.AST) -> Iterator[ast.expr]:
    match node:
        case ast.keyword(arg="code", value=value) | ast.Assign(targets=[ast.Name(id="code")], value=value):
            yield value


@pytest.mark.parametrize("package", ["access", "api", "formats", "pki", "store", "fleet/desk.py"])
def test_every_code_of_the_packages_behind_is_in_the_catalogue(package: str) -> None:
    path = Path(hub.__file__).parent / package
    assert path.exists()
    known = CATALOGUE.keys() | IN_ANSWERS.keys() | ELSEWHERE.keys()
    assert [(code, where) for code, where in codes_in(path) if code not in known] == []


def test_classes_and_catalogue_agree_on_statuses() -> None:
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, HubError) and kind.code in CATALOGUE:
            assert CATALOGUE[kind.code].status == kind.status, kind


def test_a_code_that_is_in_no_catalogue_goes_out_as_its_class() -> None:
    class Odd(StoreUnavailable):
        code = "odd"

    assert public_code(Odd("x")) == "store-unavailable"
    assert public_code(HubError("x", code="secret-internals")) == "internal"
    assert response_of(Unsupported("not on PostgreSQL"), "r").status_code == 501


def test_an_endless_message_is_cut() -> None:
    reply = error_response("invalid", "x" * 1_000_000, "r", details=["y" * 1_000_000] * 1000)
    assert len(reply.body) < 2_000_000


def test_what_stays_inside_is_not_told() -> None:
    for error in (RuntimeError("secret"), HubError("secret", code="odd"), ValueError("secret")):
        reply = response_of(error, "the-request")
        assert b"secret" not in reply.body
        assert b"the-request" in reply.body
