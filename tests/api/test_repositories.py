"""Registering repositories: what is stored, who may, what is tested, and that no secret ever comes out."""

from __future__ import annotations

import logging
from typing import Any

import httpx2
import pytest

from hub.domain.repository import Access, Repository
from hub.source.entries import RepositoryEntries
from hub.source.errors import RepositoryDenied
from tests.api.kit import World
from tests.source.tls import Authority

URL = "https://git.example.com/team/shop.git"
ED25519 = "AAAAC3NzaC1lZDI1NTE5AAAAIJG8cSXCGdHP9bmJ3ZqSVQpN1QnGD0Wn0cYBvWNWrQfS"


async def entries(world: World) -> RepositoryEntries:
    entries = RepositoryEntries(world.store, world.services.sealer)
    await entries.reload()
    return entries


async def access(world: World, url: str, project: str = "") -> Access:
    return (await entries(world)).access(url, project)


def key_pem() -> str:
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def rsa_pem() -> str:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


async def put(client: httpx2.AsyncClient, body: dict[str, Any], path: str = "repositories", **params: Any) -> Any:
    return await client.put(f"/api/v1/{path}", json=body, params=params)


async def test_a_repository_is_registered_and_its_secrets_stay_inside(
    world: World, admin: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    certificate, key = Authority().client()
    secrets: dict[str, Any] = {
        "password": "pa55word-x",
        "bearer_token": "b3arer-x",
        "tls_client_key": key,
        "proxy": "http://pat:pr0xy-x@proxy.example.com:3128",
        "github_app": {"app_id": 7, "private_key": rsa_pem()},
    }
    body = {"url": URL, "username": "bob", "tls_client_certificate": certificate, "name": "shop", **secrets}
    async with world.bus.subscribe("repositories") as told:
        reply = await put(admin, body)
        assert reply.json()["action"] == "created", reply.text
        assert await told.next(1) == [("repositories", "")]
    (item,) = (await admin.get("/api/v1/repositories")).json()["items"]
    assert (item["url"], item["username"], item["has_password"], item["has_proxy"]) == (URL, "bob", True, True)
    assert (item["github_app_id"], item["changed_by"]) == (7, "admin")
    assert (await admin.get(f"/api/v1/repositories/{item['id']}")).json() == item
    # Whoever has the database has none of it either.
    rows = await world.store.list_entries()
    events = await world.store.list_events()
    shown = caplog.text + reply.text + str(item) + str(events) + repr(rows) + repr(await access(world, URL))
    shown += b"".join(row.sealed for row in rows).decode("latin1")
    for secret in (
        "pa55word-x",
        "b3arer-x",
        "pr0xy-x",
        key.splitlines()[1],
        secrets["github_app"]["private_key"][40:80],
    ):
        assert secret not in shown
    found = (await access(world, URL)).credentials
    assert (found.password, found.bearer_token, found.client_key) == ("pa55word-x", "b3arer-x", key)


async def test_registering_again(world: World, admin: httpx2.AsyncClient) -> None:
    body = {"url": URL, "username": "bob", "password": "one"}
    assert (await put(admin, body)).json()["action"] == "created"
    spelled = body | {"url": "https://GIT.example.com/Team/shop/"}
    assert (await put(admin, body)).json()["action"] == "unchanged"
    other = spelled | {"password": "two"}
    refused = await put(admin, other)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
    assert "--upsert" in refused.text
    assert (await put(admin, other, upsert=True)).json()["action"] == "configured"
    assert len((await admin.get("/api/v1/repositories")).json()["items"]) == 1
    assert (await access(world, URL)).credentials.password == "two"


async def test_removing(world: World, admin: httpx2.AsyncClient) -> None:
    id = (await put(admin, {"url": URL, "password": "x"})).json()["id"]
    assert (await admin.delete(f"/api/v1/repositories/{id}")).json() == {"id": id, "url": URL}
    assert (await admin.delete(f"/api/v1/repositories/{id}")).status_code == 404
    assert (await admin.get(f"/api/v1/repositories/{id}")).status_code == 404
    assert not (await access(world, URL)).credentials
    reasons = [event.reason for event in await world.store.list_events()]
    assert reasons[:2] == ["RepositoryRemoved", "RepositoryRegistered"]


async def test_templates(world: World, admin: httpx2.AsyncClient) -> None:
    template = {"url": "https://git.example.com/team", "username": "bot", "password": "all"}
    id = (await put(admin, template, "repository-credentials")).json()["id"]
    assert (await put(admin, {"url": URL})).status_code == 200
    (item,) = (await admin.get("/api/v1/repositories")).json()["items"]
    assert (item["inherits"], item["has_password"]) == ("https://git.example.com/team", False)
    assert (await access(world, "https://git.example.com/team/other")).credentials.password == "all"
    (shown,) = (await admin.get("/api/v1/repository-credentials")).json()["items"]
    assert (shown["id"], shown["has_password"]) == (id, True)
    assert (await admin.get(f"/api/v1/repositories/{id}")).status_code == 404, "it is no repository"
    assert (await admin.delete(f"/api/v1/repository-credentials/{id}")).status_code == 200
    assert not (await access(world, URL)).credentials


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"url": "https://u:p@git.example.com/x"}, "not in the URL"),
        ({"url": "nonsense"}, "no address"),
        ({"url": "--upload-pack=touch /tmp/x"}, "begins with"),
        ({"url": URL, "type": "oci"}, ""),
        ({"url": URL, "password": "a\nb"}, "line break"),
        ({"url": URL, "username": "a:b"}, "colon"),
        ({"url": URL, "bearer_token": "a b"}, "bearer token"),
        ({"url": URL, "tls_client_certificate": "x"}, "belong together"),
        ({"url": URL, "tls_client_certificate": "x", "tls_client_key": "y"}, "belong together"),
        ({"url": "git@git.example.com:x", "ssh_private_key": "x"}, "cannot be read"),
        ({"url": URL, "ssh_private_key": key_pem()}, "SSH private key is for"),
        ({"url": URL, "github_app": {"app_id": 1, "private_key": "x"}}, "RSA"),
        ({"url": URL, "proxy": "ftp://x"}, "proxy is none"),
        ({"url": URL, "no_proxy": "a\n"}, "list of hosts"),
        ({"url": URL, "project": "No Name"}, "project"),
        ({"url": URL, "enable_oci": True}, "--enable-oci"),
    ],
)
async def test_what_cannot_work_is_told_at_once(
    world: World, admin: httpx2.AsyncClient, values: dict[str, Any], words: str
) -> None:
    reply = await put(admin, values)
    if not words:
        assert reply.status_code == 200, reply.text
        return
    assert reply.status_code == 422, reply.text
    assert words in reply.json()["error"]["message"]
    assert await world.store.list_entries() == []


async def test_a_key_with_a_passphrase(world: World, admin: httpx2.AsyncClient) -> None:
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

    key = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")).decode()
    reply = await put(admin, {"url": "git@git.example.com:x", "ssh_private_key": pem})
    assert "has a passphrase" in reply.json()["error"]["message"]


class TestTesting:
    class Probe:
        """Stands for the network."""

        def __init__(self) -> None:
            self.asked: list[tuple[Repository, Access]] = []
            self.error: Exception | None = None

        async def probe(self, repository: Repository, access: Access) -> None:
            self.asked.append((repository, access))
            if self.error is not None:
                raise self.error

    @pytest.fixture
    async def probe(self, world: World) -> Probe:
        probe = self.Probe()
        object.__setattr__(world.services, "prober", probe)
        return probe

    async def test_with_what_is_given(self, world: World, admin: httpx2.AsyncClient, probe: Probe) -> None:
        await put(admin, {"server": "git.example.com", "certificates": Authority().pem}, "certificates")
        reply = await admin.post("/api/v1/repositories/test", json={"url": URL, "password": "x", "insecure": True})
        assert reply.status_code == 200, reply.text
        ((repository, given),) = probe.asked
        assert (repository.url, given.credentials.password, given.insecure) == (URL, "x", True)
        assert given.authorities
        assert await world.store.list_entries() == []

    async def test_with_what_is_stored(self, world: World, admin: httpx2.AsyncClient, probe: Probe) -> None:
        missing = await admin.post("/api/v1/repositories/test", json={"url": URL, "stored": True})
        assert missing.status_code == 404
        await put(admin, {"url": URL, "password": "kept"})
        assert (await admin.post("/api/v1/repositories/test", json={"url": URL, "stored": True})).status_code == 200
        assert probe.asked[0][1].credentials.password == "kept"

    async def test_a_failure_says_what_to_do(self, admin: httpx2.AsyncClient, probe: Probe) -> None:
        probe.error = RepositoryDenied("it refuses", detail="the server's own words")
        reply = await admin.post("/api/v1/repositories/test", json={"url": URL, "password": "x"})
        assert (reply.status_code, reply.json()["error"]["code"]) == (422, "repository-denied")
        assert "own words" not in reply.text


class TestCertificates:
    async def test_host_keys(self, world: World, admin: httpx2.AsyncClient) -> None:
        lines = f"# comment\n\ngit.example.com,10.0.0.1 ssh-ed25519 {ED25519} somebody@somewhere\n"
        reply = await put(admin, {"known_hosts": lines}, "certificates")
        assert reply.json() == {"created": ["git.example.com,10.0.0.1 ssh-ed25519"], "unchanged": 0}, reply.text
        (item,) = (await admin.get("/api/v1/certificates", params={"type": "ssh"})).json()["items"]
        assert item["fingerprint"].startswith("SHA256:")
        known = (await access(world, "git@git.example.com:x")).known_hosts
        assert known == f"git.example.com,10.0.0.1 ssh-ed25519 {ED25519}\n"
        again = await put(admin, {"known_hosts": lines}, "certificates")
        assert again.json() == {"created": [], "unchanged": 1}
        gone = await admin.delete("/api/v1/certificates", params={"server": "git.example.com"})
        assert gone.json() == {"removed": 1}
        assert not (await access(world, "git@git.example.com:x")).known_hosts

    async def test_authorities(self, world: World, admin: httpx2.AsyncClient) -> None:
        authority, other = Authority(), Authority()
        _, key = authority.client()
        body = {"server": "Git.example.com", "certificates": authority.pem + key}
        assert (await put(admin, body, "certificates")).status_code == 200
        (item,) = (await admin.get("/api/v1/certificates")).json()["items"]
        assert (item["type"], item["server"]) == ("https", "git.example.com")
        assert item["expires_at"]
        believed = (await access(world, URL)).authorities
        assert "BEGIN CERTIFICATE" in believed
        assert "PRIVATE" not in believed
        body["certificates"] = other.pem
        assert (await put(admin, body, "certificates")).status_code == 409
        assert (await put(admin, body, "certificates", upsert=True)).status_code == 200
        assert (await access(world, URL)).authorities == other.pem

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"known_hosts": "git.example.com ssh-ed25519"},
            {"known_hosts": "git.example.com ssh-ed25519 !!!"},
            {"known_hosts": f"git.example.com ssh-rsa {ED25519}"},
            {"server": "git.example.com", "certificates": "none"},
            {"server": "https://git.example.com", "certificates": "none"},
        ],
    )
    async def test_what_is_none(self, world: World, admin: httpx2.AsyncClient, body: dict[str, Any]) -> None:
        assert (await put(admin, body, "certificates")).status_code == 422
        assert await world.store.list_host_trust() == []


async def test_pages(world: World, admin: httpx2.AsyncClient) -> None:
    for number in range(3):
        await put(admin, {"url": f"https://git.example.com/{number}"})
    first = (await admin.get("/api/v1/repositories", params={"limit": 2})).json()
    rest = (await admin.get("/api/v1/repositories", params={"limit": 2, "continue": first["continue"]})).json()
    urls = [item["url"] for item in first["items"] + rest["items"]]
    assert urls == [f"https://git.example.com/{number}" for number in range(3)]
    assert rest["continue"] == ""
    found = (await admin.get("/api/v1/repositories", params={"url": "https://GIT.example.com/1.git"})).json()["items"]
    assert [item["url"] for item in found] == ["https://git.example.com/1"]


async def test_argo_cds_own_objects_are_applied(world: World, admin: httpx2.AsyncClient) -> None:
    labels = {"argocd.argoproj.io/secret-type": "repository"}
    key = {"ssh_known_hosts": f"git.example.com ssh-ed25519 {ED25519}"}
    objects = [
        {
            "kind": "Secret",
            "metadata": {"name": "one", "labels": labels},
            "stringData": {"url": URL, "password": "x1x"},
        },
        {"kind": "ConfigMap", "metadata": {"name": "argocd-ssh-known-hosts-cm"}, "data": key},
        {"kind": "ConfigMap", "metadata": {"name": "argocd-tls-certs-cm"}, "data": {"h": Authority().pem}},
    ]
    body = {"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", **item} for item in objects]}
    would = (await admin.post("/api/v1/objects/apply", json=body, params={"dry_run": True})).json()["results"]
    assert {result["action"] for result in would} == {"would-create"}
    assert await world.store.list_entries() == []
    reply = await admin.post("/api/v1/objects/apply", json=body)
    assert [(r["kind"], r["name"], r["action"]) for r in reply.json()["results"]] == [
        ("Repository", URL, "created"),
        ("ConfigMap", "argocd-ssh-known-hosts-cm", "created"),
        ("ConfigMap", "argocd-tls-certs-cm", "created"),
    ]
    assert "x1x" not in reply.text
    assert (await access(world, URL)).credentials.password == "x1x"
    assert len(await world.store.list_host_trust()) == 2
    again = (await admin.post("/api/v1/objects/apply", json=body)).json()["results"]
    assert {result["action"] for result in again} == {"unchanged"}


async def test_objects_that_cannot_work_are_refused_whole(world: World, admin: httpx2.AsyncClient) -> None:
    labels = {"argocd.argoproj.io/secret-type": "repository"}
    given = [{"url": URL}, {"url": "git@h:x", "sshPrivateKey": "no key"}]
    items = [{"apiVersion": "v1", "kind": "Secret", "metadata": {"labels": labels}, "stringData": d} for d in given]
    reply = await admin.post("/api/v1/objects/apply", json={"apiVersion": "v1", "kind": "List", "items": items})
    assert reply.status_code == 422
    assert await world.store.list_entries() == []
