"""GitHub Apps against an API that checks what it is sent as GitHub's does."""

from __future__ import annotations

import base64
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hub.domain.repository import Access, Credentials, GitHubApp
from hub.source.errors import RepositoryDenied, RepositoryUnreachable
from hub.source.github_app import GitHubTokens, statement
from hub.source.urls import RepoUrl, parse_repo_url
from tests.source.conftest import Sources
from tests.source.repos import Repo
from tests.source.servers import serve_http
from tests.source.tls import Authority

KEY = rsa.generate_private_key(65537, 2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
AUTHORITY = Authority()
REPOSITORY = parse_repo_url("https://127.0.0.1/Team/shop.git")


@dataclass
class Api:
    url: str = ""
    asked: list[str] = field(default_factory=list)
    lifetime: timedelta = timedelta(hours=1)
    owners: dict[str, int] = field(default_factory=lambda: {"/users/Team": 8})
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)


class _Handler(http.server.BaseHTTPRequestHandler):
    api: Api

    def do_GET(self) -> None:
        api = self.api
        api.asked.append(f"{self.command} {self.path}")
        if api.status:
            self._answer(api.status, {"message": "no"})
        elif not _is_signed(self.headers.get("Authorization", "")):
            self._answer(401, {"message": "A JSON web token could not be decoded"})
        elif self.path.startswith("/api/v3/app/installations/8/"):
            end = datetime.now(UTC) + api.lifetime
            self._answer(201, {"token": f"ghs_{len(api.asked)}", "expires_at": end.strftime("%Y-%m-%dT%H:%M:%SZ")})
        elif (owner := self.path.removeprefix("/api/v3").removesuffix("/installation")) in api.owners:
            self._answer(200, {"id": api.owners[owner]})
        else:
            self._answer(404, {"message": "Not Found"})

    do_POST = do_GET

    def _answer(self, status: int, value: object) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        for name, text in self.api.headers.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _is_signed(authorization: str) -> bool:
    kind, _, token = authorization.partition(" ")
    parts = token.split(".")
    if kind != "Bearer" or len(parts) != 3:
        return False
    head, claims, signature = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in parts)
    try:
        KEY.public_key().verify(signature, f"{parts[0]}.{parts[1]}".encode(), padding.PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    said = json.loads(claims)
    now = datetime.now(UTC).timestamp()
    lives = bool(said["iat"] <= now < said["exp"] <= now + 600)
    return json.loads(head)["alg"] == "RS256" and said["iss"] == "7" and lives


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": api}))
    server.socket = AUTHORITY.server().wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    api.url = f"https://127.0.0.1:{server.server_port}/api/v3"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield api
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def app(api: Api) -> GitHubApp:
    return GitHubApp(7, 0, PEM, api.url)


def at(api: Api) -> RepoUrl:
    """A repository on the API's own host, as with GitHub Enterprise: so its authorities are the API's."""
    return parse_repo_url(f"{api.url.removesuffix('/api/v3')}/Team/shop.git")


ACCESS = Access(authorities=AUTHORITY.pem)


async def test_the_installation_is_found_by_the_owner_and_the_token_kept(api: Api, app: GitHubApp) -> None:
    tokens = GitHubTokens()
    assert await tokens.credentials(app, at(api), ACCESS) == ("x-access-token", "ghs_3")
    assert api.asked == [
        "GET /api/v3/orgs/Team/installation",
        "GET /api/v3/users/Team/installation",
        "POST /api/v3/app/installations/8/access_tokens",
    ]
    assert await tokens.credentials(app, at(api), ACCESS) == ("x-access-token", "ghs_3")
    assert len(api.asked) == 3


async def test_an_installation_that_is_named_is_not_looked_for(api: Api) -> None:
    await GitHubTokens().credentials(GitHubApp(7, 8, PEM, api.url), at(api), ACCESS)
    assert api.asked == ["POST /api/v3/app/installations/8/access_tokens"]


async def test_a_token_is_fetched_anew_shortly_before_it_expires(api: Api, app: GitHubApp) -> None:
    now = [datetime.now(UTC).timestamp()]
    tokens = GitHubTokens(clock=lambda: now[0])
    first = await tokens.credentials(app, at(api), ACCESS)
    now[0] += 3600 - 301
    assert await tokens.credentials(app, at(api), ACCESS) == first
    now[0] += 10
    api.asked.clear()
    # The App's statement is of the clock, which the API holds to its own.
    now[0] = datetime.now(UTC).timestamp() + 3600 - 290
    with pytest.raises(RepositoryDenied):
        await tokens.credentials(app, at(api), ACCESS)
    assert api.asked


async def test_one_that_a_server_refuses_is_forgotten(api: Api, app: GitHubApp) -> None:
    tokens = GitHubTokens()
    await tokens.credentials(app, at(api), ACCESS)
    tokens.forget(app)
    assert await tokens.credentials(app, at(api), ACCESS) == ("x-access-token", "ghs_6")


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_what_to_do_when_it_is_refused(api: Api, app: GitHubApp, status: int) -> None:
    api.status = status
    with pytest.raises(RepositoryDenied, match="private key"):
        await GitHubTokens().credentials(GitHubApp(7, 8, PEM, app.base_url), at(api), ACCESS)


async def test_a_limit_of_requests(api: Api, app: GitHubApp) -> None:
    api.status, api.headers = 403, {"X-RateLimit-Remaining": "0", "Retry-After": "30"}
    with pytest.raises(RepositoryUnreachable, match="too often") as caught:
        await GitHubTokens().credentials(app, at(api), ACCESS)
    assert caught.value.retry_after == 30


async def test_not_installed_there(api: Api, app: GitHubApp) -> None:
    api.owners.clear()
    with pytest.raises(RepositoryDenied, match="not installed for Team"):
        await GitHubTokens().credentials(app, at(api), ACCESS)


async def test_another_key(api: Api) -> None:
    other = rsa.generate_private_key(65537, 2048)
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(RepositoryDenied, match="private key"):
        await GitHubTokens().credentials(GitHubApp(7, 8, pem, api.url), at(api), ACCESS)


def test_the_statement_lives_for_less_than_ten_minutes() -> None:
    claims = statement(GitHubApp(7, 0, PEM), 1_000_000).split(".")[1]
    said = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert said == {"iat": 999_940, "exp": 1_000_540, "iss": "7"}


async def test_a_fetch_with_it(repo: Repo, sources: Sources, api: Api) -> None:
    app = GitHubApp(7, 8, PEM, api.url)
    with serve_http(repo.bare.parent, AUTHORITY.server()) as server:
        server.credentials = "x-access-token:ghs_1"
        access = Access(Credentials(github_app=app), authorities=AUTHORITY.pem)
        ca_file = sources.root.parent / "ca.pem"
        AUTHORITY.ca.cert_pem.write_to_path(ca_file)
        source = sources.open(access=lambda url, project: access, tokens=GitHubTokens(ca_file=ca_file))
        url = f"{server.url}/repo.git"
        assert (await source.resolve(url, "main")).sha
        assert len(api.asked) == 1
        # GitHub took it back: the next look has another.
        server.credentials = "x-access-token:ghs_2"
        with pytest.raises(RepositoryDenied):
            await source.refresh(url)
        assert (await source.refresh(url)).head
