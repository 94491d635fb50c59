"""HTTP as the hub speaks it to places that sources come from: chart repositories, registries, GitHub's API.

A `SourceClient` belongs to one registered address. What is known of that address (credentials, client certificate,
authorities, `insecure`) is used for its own scheme, host and port, and for nothing else: whatever a redirect or an
index leads to elsewhere is asked as a stranger. Every request is bounded in time and size, and every failure is a
SourceError that says what to do.

    async with SourceClient(access, "https://charts.example.com/stable") as client:
        answer = await client.get("https://charts.example.com/stable/index.yaml", most=50 * MIB)
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import os
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx2

from hub import __version__
from hub.domain.repository import Access, Credentials
from hub.source.errors import RepositoryRefused, RepositoryTooLarge, RepositoryUnreachable, SourceError
from hub.source.handshake import shake_hands
from hub.source.http_failures import redirected_away, refused_by, unreachable
from hub.source.proxies import bypasses_proxy
from hub.source.urls import redact

MIB = 1024 * 1024
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_MOST_TEXT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Seconds."""

    whole: float = 60.0
    """One request with everything it leads to, and its answer's body."""
    connect: float = 10.0
    silence: float = 20.0
    """Without a byte."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    """By names in lower case."""
    content: bytes
    url: str
    """Where it came from in the end."""


@dataclass(frozen=True, slots=True)
class Origin:
    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        """Raises RepositoryRefused."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise RepositoryRefused(f"{redact(url)!r} is not a URL.") from error
        if parts.scheme not in _PORTS or not parts.hostname:
            raise RepositoryRefused(f"{redact(url)!r} is no http or https address.")
        return cls(parts.scheme, parts.hostname.lower(), port or _PORTS[parts.scheme])


class SourceClient:
    def __init__(
        self,
        access: Access,
        address: str,
        *,
        ca_file: Path | None = None,
        limits: HttpLimits = HttpLimits(),
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """`address` is what the access was given for, an http or https URL; `ca_file` the hub's own authorities, for
        hosts that have none of theirs. Raises RepositoryRefused."""
        self._access = access
        self._home = Origin.of(address)
        self._name = redact(address)
        self._ca_file = ca_file
        self._limits = limits
        self._environment = environment
        self._clients: dict[tuple[bool, bool], httpx2.AsyncClient] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await asyncio.gather(*(client.aclose() for client in self._clients.values()))
        self._clients.clear()

    async def get(self, url: str, *, most: int, headers: Mapping[str, str] | None = None) -> Answer:
        """Return a good answer of at most so many bytes. Raises SourceError, for one that is not 2xx as well."""
        answer = await self.request("GET", url, most=most, headers=headers)
        if not 200 <= answer.status < 300:
            raise refused_by(self._name, answer.status, answer.headers)
        return answer

    async def request(
        self,
        method: str,
        url: str,
        *,
        most: int = _MOST_TEXT,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        credentials: Credentials | None = None,
    ) -> Answer:
        """Return whatever is answered, by its status. `credentials` are sent in place of the access's, to the address's
        own origin as they are; give an empty one to send none. Raises SourceError."""
        body = bytearray()
        options = {"headers": headers, "content": content, "credentials": credentials}
        async with self.stream(method, url, most=most, **options) as (answer, chunks):  # type: ignore[arg-type]
            async for chunk in chunks:
                body += chunk
        return Answer(answer.status, answer.headers, bytes(body), answer.url)

    @contextlib.asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        most: int,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        credentials: Credentials | None = None,
    ) -> AsyncIterator[tuple[Answer, AsyncIterator[bytes]]]:
        """Give the head of an answer (its content empty) and its body in pieces; more than `most` bytes raise
        RepositoryTooLarge. The time limit is over all of it. Raises SourceError."""
        try:
            async with asyncio.timeout(self._limits.whole) as timer:
                response = await self._followed(method, url, headers or {}, content, credentials)
                try:
                    head = Answer(response.status_code, _lowered(response.headers), b"", str(response.url))
                    yield head, self._pieces(response, most)
                finally:
                    await response.aclose()
        except TimeoutError as error:
            if not timer.expired():
                raise
            raise RepositoryUnreachable(
                f"{self._name} cannot be read: it did not answer in full within {self._limits.whole:g} s; the hub "
                "keeps trying."
            ) from error
        except (httpx2.HTTPError, httpx2.InvalidURL, ssl.SSLError) as error:
            raise await self._told(error) from error

    async def _told(self, error: Exception) -> SourceError:
        """Return what a failure means. A server that wants a client certificate breaks off, and what it says may
        be lost with what was sent to it meanwhile."""
        found = unreachable(self._name, error, proxied=bool(self._access.proxy))
        cut = isinstance(error, httpx2.ReadError | httpx2.WriteError | httpx2.RemoteProtocolError)
        if cut and self._home.scheme == "https" and not self._access.proxy:
            try:
                context = tls_context(self._access, self._name, self._ca_file)
                await shake_hands(self._home.host, self._home.port, context)
            except ssl.SSLError as said:
                return unreachable(self._name, said)
            except (OSError, SourceError):
                return found
        return found

    async def _pieces(self, response: httpx2.Response, most: int) -> AsyncIterator[bytes]:
        length = response.headers.get("content-length", "")
        count = int(length) if length.isdecimal() and len(length) < 20 else 0
        if count > most:
            raise self._too_large(most)
        count = 0
        async for chunk in response.aiter_bytes():
            count += len(chunk)
            if count > most:
                raise self._too_large(most)
            yield chunk

    def _too_large(self, most: int) -> RepositoryTooLarge:
        return RepositoryTooLarge(f"{self._name} answers with more than the {most:,} bytes that are taken here.")

    async def _followed(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        credentials: Credentials | None,
    ) -> httpx2.Response:
        """Return the answer at the end of redirects, its body unread."""
        current, astray = url, False
        for _ in range(_MOST_REDIRECTS + 1):
            origin = Origin.of(current)
            at_home = origin == self._home
            sent = dict(headers)
            if at_home:
                sent.update(_authorization(self._access.credentials if credentials is None else credentials))
            elif astray:
                # What the caller sent may be a token for the first address.
                sent = {name: value for name, value in sent.items() if name.lower() not in ("authorization", "cookie")}
            response = await self._send(method, current, origin, sent, content)
            if response.status_code not in _REDIRECTS or "location" not in response.headers:
                return response
            target = str(httpx2.URL(current).join(response.headers["location"]))
            await response.aclose()
            if response.status_code == 303 or (method == "POST" and response.status_code in (301, 302)):
                method, content = "GET", None
            if origin.scheme == "https" and Origin.of(target).scheme != "https":
                raise redirected_away(self._name, "to a place without TLS")
            current, astray = target, True
        raise redirected_away(self._name, f"more than {_MOST_REDIRECTS} times")

    async def _send(
        self, method: str, url: str, origin: Origin, headers: Mapping[str, str], content: bytes | None
    ) -> httpx2.Response:
        at_home = origin == self._home
        proxied = bool(self._access.proxy) and not bypasses_proxy(origin.host, origin.port, self._access.no_proxy)
        client = self._client(at_home=at_home, proxied=proxied)
        # Without a user and password: who the hub is, its access says, not somebody's redirect.
        plain = httpx2.URL(url).copy_with(username=None, password=None)
        request = client.build_request(method, plain, headers=dict(headers), content=content)
        if not at_home and not self._is_local():
            by_proxy = proxied or (not self._access.proxy and self._environment_proxy())
            address = await _outside_address(self._name, origin, resolve=not by_proxy)
            if not by_proxy:
                # Connected to as it was looked at: a name may mean another address the next moment.
                request.extensions["sni_hostname"] = origin.host
                request.url = request.url.copy_with(host=address)
        return await client.send(request, stream=True)

    def _environment_proxy(self) -> bool:
        names = ("http_proxy", "https_proxy", "all_proxy")
        return any(self._environment.get(name) or self._environment.get(name.upper()) for name in names)

    def _is_local(self) -> bool:
        """Whether the address itself is on this machine, so that others there are no secret to it."""
        with contextlib.suppress(ValueError):
            return ipaddress.ip_address(self._home.host).is_loopback
        return self._home.host == "localhost"

    def _client(self, *, at_home: bool, proxied: bool) -> httpx2.AsyncClient:
        key = (at_home, proxied)
        if key not in self._clients:
            limits = self._limits
            self._clients[key] = httpx2.AsyncClient(
                verify=tls_context(self._access if at_home else Access(), self._name, self._ca_file),
                proxy=self._proxy() if proxied else None,
                # The hub's own proxies, where the address has none of its own.
                trust_env=not self._access.proxy,
                timeout=httpx2.Timeout(limits.silence, connect=limits.connect),
                follow_redirects=False,
                headers={"User-Agent": f"escadre/{__version__}"},
            )
        return self._clients[key]

    def _proxy(self) -> httpx2.Proxy:
        try:
            return httpx2.Proxy(self._access.proxy)
        except (ValueError, httpx2.InvalidURL) as error:
            raise RepositoryRefused(
                f"The proxy of {self._name} is none: write http://, https://, socks5:// or socks5h://HOST:PORT."
            ) from error


def tls_context(access: Access, name: str, ca_file: Path | None = None) -> ssl.SSLContext:
    """Return whom a client believes and how it shows itself. `name` is for messages. Raises RepositoryRefused when a
    certificate or key of the access is none."""
    try:
        if access.authorities:
            context = ssl.create_default_context(cadata=access.authorities)
        else:
            context = ssl.create_default_context(cafile=ca_file)
    except (ssl.SSLError, ValueError, OSError) as error:
        raise RepositoryRefused(
            f"The certificates that {name} is believed by cannot be read: give them as PEM (`escadre cert add-tls`)."
        ) from error
    if access.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    credentials = access.credentials
    if credentials.client_certificate:
        try:
            load_client_certificate(context, credentials)
        except (ssl.SSLError, ValueError, OSError) as error:
            raise RepositoryRefused(
                f"The TLS client certificate for {name} cannot be used: give a certificate and the key that belongs to "
                "it, both as PEM and the key without a passphrase."
            ) from error
    return context


def load_client_certificate(context: ssl.SSLContext, credentials: Credentials) -> None:
    """Python takes only files: this one is in memory, and gone when it is closed."""
    descriptor = os.memfd_create("certificate")
    try:
        os.write(descriptor, f"{credentials.client_certificate.strip()}\n{credentials.client_key.strip()}\n".encode())
        # Without a passphrase: a prompt on the hub's terminal would wait for ever.
        context.load_cert_chain(f"/proc/self/fd/{descriptor}", password="")
    finally:
        os.close(descriptor)


def _authorization(credentials: Credentials) -> dict[str, str]:
    if credentials.bearer_token:
        return {"Authorization": f"Bearer {credentials.bearer_token}"}
    if credentials.username or credentials.password:
        pair = base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}
    return {}


async def _outside_address(name: str, origin: Origin, *, resolve: bool) -> str:
    """Return an address of another host than the hub was told of, which is neither this machine nor a link's own, where
    clouds keep their metadata. Not to `resolve` looks at the name alone: a proxy resolves it.

    Raises RepositoryRefused, RepositoryUnreachable.
    """
    loop = asyncio.get_running_loop()
    flags = 0 if resolve else socket.AI_NUMERICHOST
    try:
        found = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM, flags=flags)
    except OSError as error:
        if not resolve:
            return ""
        raise RepositoryUnreachable(
            f"{name} cannot be read: it leads on to {origin.host}, whose name cannot be resolved."
        ) from error
    for *_, place in found:
        address = ipaddress.ip_address(str(place[0]).partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None) or address
        if mapped.is_loopback or mapped.is_link_local or mapped.is_unspecified or mapped.is_multicast:
            raise RepositoryRefused(
                f"{name} leads on to {origin.host}, an address of the hub's own machine or network link: nothing is "
                "read from there."
            )
    return str(found[0][4][0])


def _lowered(headers: httpx2.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
