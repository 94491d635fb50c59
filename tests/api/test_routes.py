"""What is true of every route, whichever they are: the OpenAPI document lists them all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from fastapi.openapi.models import OpenAPI

from hub.api.errors import CATALOGUE
from hub.api.guard import PUBLIC
from hub.domain.repository import CredentialTemplate, Repository
from hub.source.vault import REPOSITORY, TEMPLATE, entry_id, seal_entry
from tests.api.kit import World, manifest

BODIES: dict[str, dict[str, Any]] = {
    "applyObjects": {"json": manifest()},
    "createApplication": {
        "json": {"name": "other", "repo": "https://git.example/x.git", "path": ".", "dest_name": "paris"}
    },
    "replaceApplication": {"json": manifest()},
    "setApplicationFlags": {"json": {"revision": "v2"}},
    "syncApplication": {"json": {}},
    "rollBackApplication": {"json": {}},
    "terminateOperation": {"json": {}},
    "runAction": {"json": {"group": "apps", "kind": "Deployment", "name": "web", "action": "restart"}},
    "addCluster": {"json": {"name": "rome"}},
    "changeCluster": {"json": {"labels": {"a": "b"}}},
    "addWindow": {"json": {"kind": "deny", "schedule": "0 8 * * 5", "duration": "8h", "applications": ["*"]}},
    "changeWindow": {"json": {"duration": "2h"}},
    "putRepository": {"json": {"url": "https://git.example/x.git"}},
    "testRepository": {"json": {"url": "https://git.example/x.git"}},
    "putTemplate": {"json": {"url": "https://git.example/", "username": "u", "password": "p"}},
    "putCertificates": {"json": {"known_hosts": "git.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA"}},
    "putSettings": {"json": {"data": {}}},
    "changePassword": {"json": {"current": "wrong", "new": "quite another password", "account": "admin"}},
}
"""Bodies that would do, for the operations that take one."""
OWN = {"logOut", "changePassword"}
"""What everybody may do for themselves."""
REGISTERED = "https://git.example/registered.git"
PARAMETERS = {
    "{name}": "shop",
    "{id}": "0",
    "repositories/{entry}": f"repositories/{entry_id(REPOSITORY, REGISTERED, '')}",
    "repository-credentials/{entry}": f"repository-credentials/{entry_id(TEMPLATE, REGISTERED, '')}",
}


async def register(world: World) -> None:
    entries = (Repository(REGISTERED), CredentialTemplate(REGISTERED))
    await world.store.put_entries(seal_entry(entry, world.services.sealer) for entry in entries)


def operations(world: World) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (method, path, operation) of every route."""
    for path, methods in world.app.openapi()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def filled(path: str) -> str:
    for name, value in PARAMETERS.items():
        path = path.replace(name, value)
    return path


def is_private(method: str, path: str) -> bool:
    return path.startswith("/api/") and (method, path) not in PUBLIC


async def test_nobody_without_a_session_gets_past_the_door(world: World, nobody: httpx2.AsyncClient) -> None:
    await world.shop()
    private = [(m, filled(p)) for m, p, _ in operations(world) if is_private(m, p)]
    assert len(private) > 25
    for method, path in [*private, ("GET", "/api/v1/nothing"), ("GET", "/api"), ("OPTIONS", "/api/v1/applications")]:
        for headers in ({}, {"Authorization": "Bearer esc_" + "x" * 43}, {"Authorization": "Basic YTpi"}):
            reply = await nobody.request(method, path, headers=headers)
            assert reply.status_code == 401, f"{method} {path}"
            assert reply.headers["WWW-Authenticate"].startswith("Bearer")
            assert reply.json()["error"]["code"] in ("unauthenticated", "session-ended")


async def test_the_public_routes_are_these_and_no_others(world: World) -> None:
    public = {(m, p) for m, p, _ in operations(world) if not is_private(m, p)}
    assert public == {
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
        ("GET", "/agent/v1/authorities"),
        ("POST", "/agent/v1/enrol"),
        ("POST", "/agent/v1/recover"),
        ("POST", "/api/v1/session"),
        ("POST", "/api/webhook"),
        ("GET", "/api/v1/version"),
    }


async def test_the_readonly_role_changes_nothing(world: World, reader: httpx2.AsyncClient) -> None:
    application = await world.shop()
    await register(world)
    before = (await world.store.assignment_sequence(), await world.store.clusters_version())
    for method, path, operation in operations(world):
        id = operation["operationId"]
        if not is_private(method, path) or method == "GET" or id in OWN:
            continue
        path = filled(path).replace("/projects/shop", "/projects/default").replace("/clusters/shop", "/clusters/paris")
        reply = await reader.request(method, path, **BODIES.get(id, {}))
        assert reply.status_code == 403, f"{method} {path}: {reply.text}"
        assert reply.json()["error"]["code"] == "permission-denied"
    assert before == (await world.store.assignment_sequence(), await world.store.clusters_version())
    assert await world.store.operation_requests(str(application.id)) == []


async def test_the_readonly_role_reads_everything(
    world: World, reader: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No agent is there to answer what is asked of one.
    monkeypatch.setattr("hub.api.asking.ANSWER_SECONDS", 0.05)
    monkeypatch.setattr("hub.fleet.desk.GRACE_SECONDS", 0.05)
    await world.shop()
    await register(world)
    await world.connect("uid-oslo")
    for method, path, operation in operations(world):
        if method != "GET" or not is_private(method, path) or "watch" in path:
            continue
        if operation["operationId"] in ("getDiff", "getTree"):
            continue
        path = filled(path).replace("/projects/shop", "/projects/default").replace("/clusters/shop", "/clusters/paris")
        reply = await reader.get(path)
        assert reply.status_code == 200, f"{path}: {reply.text}"


async def test_every_route_is_described(world: World) -> None:
    seen = set()
    for method, path, operation in operations(world):
        where = f"{method} {path}"
        assert operation["operationId"] not in seen, where
        seen.add(operation["operationId"])
        assert operation["summary"], where
        assert any(status.startswith("2") for status in operation["responses"]), where
        assert "500" in operation["responses"], where
        if is_private(method, path):
            assert {"401", "403"} <= operation["responses"].keys(), where
            assert operation["security"] == [{"HTTPBearer": []}], where
        else:
            assert "security" not in operation, where


async def test_the_openapi_document_is_whole(world: World, nobody: httpx2.AsyncClient) -> None:
    reply = await nobody.get("/api/v1/openapi.json")
    assert reply.status_code == 200
    document = reply.json()
    OpenAPI.model_validate(document)
    for reference in references(document):
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
    for code in CATALOGUE:
        assert f"`{code}`" in document["info"]["description"]


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/api/v1/docs", "/nothing", "/agent/v1/nothing"])
async def test_there_is_nothing_else(admin: httpx2.AsyncClient, path: str) -> None:
    reply = await admin.get(path)
    assert reply.status_code == 404
    assert reply.json()["error"]["code"] == "not-found"


async def test_a_wrong_method_is_told(admin: httpx2.AsyncClient) -> None:
    reply = await admin.patch("/api/v1/session")
    assert (reply.status_code, reply.json()["error"]["code"]) == (405, "method-not-allowed")
