"""GitHub Apps: an App proves itself with a signed statement (JWT, RS256) and gets an installation's token, good for an
hour, which git then uses as a password.

Tokens are kept in memory until shortly before they expire. One that GitHub took back is forgotten when a server refuses
it, and fetched anew.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import orjson

from hub.domain.repository import Access, Credentials, GitHubApp
from hub.source.errors import RepositoryDenied, RepositoryRefused, RepositoryUnreachable, SourceError
from hub.source.flight import Flight
from hub.source.http import HttpLimits, SourceClient
from hub.source.http_failures import refused_by
from hub.source.urls import RepoUrl

USER = "x-access-token"
PUBLIC_API = "https://api.github.com"

_MOST_ANSWER = 256 * 1024
_MOST_TOKENS = 1000
_STATEMENT_SECONDS = 540
"""GitHub takes ten minutes at most; its clock may be ahead."""
_BACKDATED_SECONDS = 60
_EARLY_SECONDS = 300.0
"""How long before its end a token is not used any more: a fetch may take as long."""
_SHORTEST_USE_SECONDS = 60.0
_LIMITS = HttpLimits(whole=20.0)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    until: float
    """In seconds of the clock, when to fetch another."""


class GitHubTokens:
    """Every installation's token. `clock` gives seconds since the epoch."""

    def __init__(
        self,
        *,
        ca_file: Path | None = None,
        clock: Callable[[], float] = time.time,
        limits: HttpLimits = _LIMITS,
    ) -> None:
        self._ca_file = ca_file
        self._clock = clock
        self._limits = limits
        self._tokens: OrderedDict[str, _Token] = OrderedDict()
        self._flights: dict[str, Flight[_Token]] = {}

    async def credentials(self, app: GitHubApp, repository: RepoUrl, access: Access) -> tuple[str, str]:
        """Return the user name and the password that git uses for a repository. Raises SourceError."""
        owner = "" if app.installation_id else _owner(repository)
        key = _key(app, owner)
        token = self._tokens.get(key)
        if token is None or token.until <= self._clock():
            flight = self._flights.setdefault(key, Flight())
            try:
                token = await flight.join(lambda: self._fetch(app, owner, repository, access))
            finally:
                self._flights.pop(key, None)
            self._tokens[key] = token
            self._tokens.move_to_end(key)
            while len(self._tokens) > _MOST_TOKENS:
                self._tokens.popitem(last=False)
        return USER, token.text

    def forget(self, app: GitHubApp) -> None:
        """Fetch its tokens anew when they are needed the next time."""
        for key in [key for key in self._tokens if key.startswith(_key(app, ""))]:
            del self._tokens[key]

    async def _fetch(self, app: GitHubApp, owner: str, repository: RepoUrl, access: Access) -> _Token:
        api = (app.base_url or PUBLIC_API).rstrip("/")
        signed = Credentials(bearer_token=statement(app, int(self._clock())))
        async with SourceClient(
            _api_access(access, repository, api), api, ca_file=self._ca_file, limits=self._limits
        ) as client:
            installation = app.installation_id or await _installation(client, api, owner, signed)
            url = f"{api}/app/installations/{installation}/access_tokens"
            answer = await _ask(client, "POST", url, signed)
        text, expires = str(answer.get("token", "")), str(answer.get("expires_at", ""))
        try:
            end = datetime.fromisoformat(expires.replace("Z", "+00:00")).astimezone(UTC).timestamp()
        except ValueError:
            end = 0.0
        if not text or not text.isascii() or not text.isprintable():
            raise RepositoryUnreachable(f"{api} gives no token for the GitHub App {app.app_id}: is it GitHub's API?")
        return _Token(text, max(end - _EARLY_SECONDS, self._clock() + _SHORTEST_USE_SECONDS))


def statement(app: GitHubApp, now: int) -> str:
    """Return the JWT by which an App proves itself at this time, in seconds since the epoch.

    Raises RepositoryRefused when its key is none.
    """
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(app.private_key.encode(), None)
    except (ValueError, TypeError) as error:
        raise RepositoryRefused(
            f"The private key of the GitHub App {app.app_id} cannot be read: give the PEM file that GitHub made."
        ) from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise RepositoryRefused(f"The private key of the GitHub App {app.app_id} is no RSA key, as GitHub's are.")
    claims = {"iat": now - _BACKDATED_SECONDS, "exp": now + _STATEMENT_SECONDS, "iss": str(app.app_id)}
    body = b".".join(_base64(orjson.dumps(part)) for part in ({"alg": "RS256", "typ": "JWT"}, claims))
    return b".".join((body, _base64(key.sign(body, padding.PKCS1v15(), SHA256())))).decode()


async def _installation(client: SourceClient, api: str, owner: str, signed: Credentials) -> int:
    """Find where the App is installed. An owner is an organization or a person; GitHub has a path for each."""
    for kind in ("orgs", "users"):
        answer = await client.request(
            "GET", f"{api}/{kind}/{quote(owner, safe='')}/installation", most=_MOST_ANSWER, credentials=signed
        )
        if answer.status == 200 and isinstance(found := _read(api, answer.content).get("id"), int):
            return found
        if answer.status != 404:
            raise _refusal(api, answer.status, answer.headers)
    raise RepositoryDenied(
        f"The GitHub App is not installed for {owner}: install it there, or give --github-app-installation-id."
    )


async def _ask(client: SourceClient, method: str, url: str, signed: Credentials) -> dict[str, Any]:
    answer = await client.request(method, url, most=_MOST_ANSWER, credentials=signed)
    if not 200 <= answer.status < 300:
        raise _refusal(url, answer.status, answer.headers)
    return _read(url, answer.content)


def _refusal(url: str, status: int, headers: Any) -> SourceError:
    host = urlsplit(url).netloc
    if status in (401, 403, 404) and headers.get("x-ratelimit-remaining") != "0":
        return RepositoryDenied(
            f"{host} refuses the GitHub App: check its id, its installation's id, that its private key is one of "
            "its own and not revoked, and the hub's clock.",
            detail=f"HTTP {status}",
        )
    return refused_by(host, 429 if status == 403 else status, headers)


def _read(url: str, content: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(content)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise RepositoryUnreachable(f"{urlsplit(url).netloc} does not answer as GitHub's API does: check the base URL.")
    return value


def _api_access(access: Access, repository: RepoUrl, api: str) -> Access:
    """What is known of the repository's host counts for its API where that is on the same host."""
    same = urlsplit(api).netloc.lower() == repository.host
    return Access(
        insecure=access.insecure and same,
        authorities=access.authorities if same else "",
        proxy=access.proxy,
        no_proxy=access.no_proxy,
    )


def _owner(repository: RepoUrl) -> str:
    return urlsplit(repository.location).path.strip("/").partition("/")[0]


def _key(app: GitHubApp, owner: str) -> str:
    """Name whose token it is; with an empty owner, what the names of all of an App's begin with."""
    secret = hashlib.sha256(app.private_key.encode()).hexdigest()
    return "\0".join((secret, str(app.app_id), app.base_url, str(app.installation_id), owner))


def _base64(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")
