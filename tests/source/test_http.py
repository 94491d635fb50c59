"""HTTP to places that sources come from: what an address is known by goes nowhere else, and all has bounds."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.repository import Access, Credentials, Repository, RepositoryKind
from hub.source.errors import RepositoryDenied, RepositoryRefused, RepositoryTooLarge, RepositoryUnreachable
from hub.source.http import HttpLimits, SourceClient
from hub.source.policy import SourcePolicy
from hub.source.probe import Prober
from hub.source.proxies import bypasses_proxy
from tests.search import examples
from tests.source.proxies import serve_proxy
from tests.source.tls import Authority

AUTHORITY = Authority()
BOB = Credentials("bob", "tops3cret")


@dataclass
class Site:
    url: str = ""
    seen: list[tuple[str, str, str]] = field(default_factory=list)
    """(method, path, Authorization)"""
    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)


class _Handler(http.server.BaseHTTPRequestHandler):
    site: Site
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        site = self.site
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        site.seen.append((self.command, self.path, self.headers.get("Authorization", "")))
        if self.path == "/slow":
            site.stopping.wait(30)
        status, headers, content = site.answers.get(self.path, (404, {}, b"the server's own words"))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Transfer-Encoding" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(content)

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients break off in these tests."""


@contextlib.contextmanager
def serve(tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[Site]:
    site = Site()
    server = _Server((host, 0), type("Handler", (_Handler,), {"site": site}))
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    site.url = f"{'https' if tls else 'http'}://{host}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        site.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    with serve(AUTHORITY.server()) as site:
        site.answers["/x"] = (200, {}, b"content")
        yield site


@pytest.fixture
def other() -> Iterator[Site]:
    with serve(AUTHORITY.server()) as site:
        site.answers["/x"] = (200, {}, b"elsewhere")
        yield site


def client(site: Site, access: Access | None = None, **options: HttpLimits) -> SourceClient:
    return SourceClient(access or Access(BOB, authorities=AUTHORITY.pem), site.url, **options)  # type: ignore[arg-type]


async def test_credentials_are_sent(site: Site) -> None:
    async with client(site) as asking:
        assert (await asking.get(f"{site.url}/x", most=100)).content == b"content"
    assert site.seen[0][2] == "Basic Ym9iOnRvcHMzY3JldA=="


async def test_a_bearer_token(site: Site) -> None:
    async with client(site, Access(Credentials(bearer_token="t0k"), authorities=AUTHORITY.pem)) as asking:
        await asking.get(f"{site.url}/x", most=100)
    assert site.seen[0][2] == "Bearer t0k"


async def test_a_redirect_takes_neither_credentials_nor_trust_elsewhere(site: Site, other: Site) -> None:
    site.answers["/away"] = (302, {"Location": f"{other.url}/x"}, b"")
    site.answers["/here"] = (302, {"Location": "/x"}, b"")
    async with client(site) as asking:
        assert (await asking.get(f"{site.url}/here", most=100)).content == b"content"
        assert all(authorization for *_, authorization in site.seen)
        # The authorities are for the first host only.
        with pytest.raises(RepositoryUnreachable, match="authority"):
            await asking.get(f"{site.url}/away", most=100)
    assert other.seen == []


async def test_another_host_is_asked_as_a_stranger(site: Site, other: Site, tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    AUTHORITY.ca.cert_pem.write_to_path(ca_file)
    site.answers["/away"] = (302, {"Location": other.url.replace("//", "//eve:own@") + "/x"}, b"")
    async with SourceClient(Access(BOB), site.url, ca_file=ca_file) as asking:
        answer = await asking.request("GET", f"{site.url}/away", headers={"Authorization": "Bearer mine"})
        assert answer.content == b"elsewhere"
        await asking.get(f"{other.url}/x", most=100)
    assert [authorization for *_, authorization in other.seen] == ["", ""]


@pytest.mark.parametrize("target", ["http://example.com/", "ftp://example.com/x", "//"])
async def test_redirects_that_are_not_followed(site: Site, target: str) -> None:
    site.answers["/away"] = (302, {"Location": target}, b"")
    async with client(site) as asking:
        with pytest.raises((RepositoryUnreachable, RepositoryRefused)):
            await asking.get(f"{site.url}/away", most=100)


async def test_redirects_without_end(site: Site) -> None:
    site.answers["/round"] = (302, {"Location": "/round"}, b"")
    async with client(site) as asking:
        with pytest.raises(RepositoryUnreachable, match="more than 5 times"):
            await asking.get(f"{site.url}/round", most=100)


@pytest.mark.parametrize(
    "target",
    ["https://169.254.169.254/latest/meta-data", "https://127.0.0.1/x", "https://[::1]/x", "https://0.0.0.0/x"],
)
async def test_nothing_is_read_from_the_hubs_own_machine_or_link(target: str) -> None:
    """A server with an address of its own leads on to ours."""
    asking = SourceClient(Access(insecure=True), "https://203.0.113.7")
    with pytest.raises(RepositoryRefused, match="own machine or network link"):
        await asking.get(target, most=100)
    await asking.close()


@pytest.mark.parametrize("headers", [{}, {"Transfer-Encoding": "chunked"}])
async def test_an_answer_that_is_too_large(site: Site, headers: dict[str, str]) -> None:
    content = b"x" * 5000
    if headers:
        content = b"1388\r\n" + content + b"\r\n0\r\n\r\n"
    site.answers["/large"] = (200, headers, content)
    async with client(site) as asking:
        with pytest.raises(RepositoryTooLarge, match="4,999 bytes"):
            await asking.get(f"{site.url}/large", most=4999)
        assert len((await asking.get(f"{site.url}/large", most=5000)).content) == 5000


async def test_an_answer_that_unpacks_to_more_than_is_taken(site: Site) -> None:
    site.answers["/bomb"] = (200, {"Content-Encoding": "gzip"}, gzip.compress(b"\0" * 10_000_000))
    async with client(site) as asking:
        with pytest.raises(RepositoryTooLarge):
            await asking.get(f"{site.url}/bomb", most=100_000)


async def test_a_server_that_says_nothing(site: Site) -> None:
    async with client(site, limits=HttpLimits(whole=0.3, silence=5.0)) as asking:
        with pytest.raises(RepositoryUnreachable, match=r"within 0\.3 s"):
            await asking.get(f"{site.url}/slow", most=100)
    async with client(site, limits=HttpLimits(whole=10, silence=0.3)) as asking:
        with pytest.raises(RepositoryUnreachable, match="does not answer"):
            await asking.get(f"{site.url}/slow", most=100)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, RepositoryDenied, "escadre repo add"),
        (403, RepositoryDenied, "escadre repo add"),
        (404, RepositoryDenied, "no such repository"),
        (429, RepositoryUnreachable, "too often"),
        (500, RepositoryUnreachable, "HTTP 500"),
    ],
)
async def test_refusals(site: Site, status: int, kind: type[Exception], words: str) -> None:
    site.answers["/no"] = (status, {"Retry-After": "7"}, b"the server's own words")
    async with client(site) as asking:
        with pytest.raises(kind, match=words) as caught:
            await asking.get(f"{site.url}/no", most=100)
    assert "own words" not in str(caught.value)
    assert caught.value.retry_after == (7 if status == 429 else 0)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: AUTHORITY.server(expired=True), "has expired"),
        (lambda: AUTHORITY.server("git.example.com"), "for another host"),
        (lambda: Authority().server(), "escadre cert add-tls"),
        (lambda: AUTHORITY.server(clients=AUTHORITY), "client certificate"),
        (lambda: None, "speak TLS"),
    ],
)
async def test_why_a_server_is_not_believed(make: Callable[[], ssl.SSLContext | None], words: str) -> None:
    with serve(make()) as site:
        site.url = site.url.replace("http:", "https:")
        async with client(site) as asking:
            with pytest.raises(RepositoryUnreachable, match=words):
                await asking.get(f"{site.url}/x", most=100)


async def test_a_client_certificate() -> None:
    clients = Authority()
    certificate, key = clients.client()
    with serve(AUTHORITY.server(clients=clients)) as site:
        site.answers["/x"] = (200, {}, b"content")
        access = Access(Credentials(client_certificate=certificate, client_key=key), authorities=AUTHORITY.pem)
        async with client(site, access) as asking:
            assert (await asking.get(f"{site.url}/x", most=100)).content == b"content"


@pytest.mark.parametrize("kind", ["http", "socks5"])
async def test_through_a_proxy(site: Site, kind: str) -> None:
    with serve_proxy(kind, "pat:pr0xy") as proxy:
        access = Access(authorities=AUTHORITY.pem, proxy=proxy.url("pat:pr0xy"))
        async with client(site, access) as asking:
            assert (await asking.get(f"{site.url}/x", most=100)).content == b"content"
        assert proxy.places == [site.url.removeprefix("https://")]
        without = Access(authorities=AUTHORITY.pem, proxy=proxy.url("pat:wrong"), no_proxy="127.0.0.0/8")
        async with client(site, without) as asking:
            await asking.get(f"{site.url}/x", most=100)


async def test_a_proxy_that_refuses(site: Site) -> None:
    # Not of SOCKS: there the library leaves the refused connection to the garbage collector, which warns of it.
    with serve_proxy("http", "pat:pr0xy") as proxy:
        refused = Access(authorities=AUTHORITY.pem, proxy=proxy.url("pat:wrong"))
        async with client(site, refused) as asking:
            with pytest.raises(RepositoryUnreachable, match="the proxy refuses") as caught:
                await asking.get(f"{site.url}/x", most=100)
        assert "wrong" not in str(caught.value) + caught.value.detail


class TestProbe:
    @pytest.fixture
    def prober(self, tmp_path: Path) -> Prober:
        return Prober(tmp_path / "probe", SourcePolicy())

    async def test_a_chart_repository(self, site: Site, prober: Prober) -> None:
        site.answers["/charts/index.yaml"] = (200, {}, b"x" * 100_000)
        access = Access(BOB, authorities=AUTHORITY.pem)
        await prober.probe(Repository(f"{site.url}/charts", RepositoryKind.HELM), access)
        with pytest.raises(RepositoryDenied, match="no such repository"):
            await prober.probe(Repository(f"{site.url}/none", RepositoryKind.HELM), access)

    async def test_a_registry_with_a_token_service(self, site: Site, other: Site, prober: Prober) -> None:
        challenge = f'Bearer realm="{other.url}/token",service="registry"'
        site.answers["/v2/"] = (401, {"WWW-Authenticate": challenge}, b"")
        path = "/token?service=registry&scope=repository%3Ateam%2Fcharts%3Apull"
        other.answers[path] = (200, {}, b'{"token": "t"}')
        repository = Repository(site.url.replace("https://", "oci://") + "/team/charts", RepositoryKind.OCI)
        await prober.probe(repository, Access(BOB, authorities=AUTHORITY.pem))
        assert [(p, bool(a)) for _, p, a in other.seen] == [(path, True)]
        other.answers[path] = (401, {}, b"")
        with pytest.raises(RepositoryDenied):
            await prober.probe(repository, Access(BOB, authorities=AUTHORITY.pem))

    async def test_a_registry_that_takes_a_password_itself(self, site: Site, prober: Prober) -> None:
        site.answers["/v2/"] = (200, {}, b"{}")
        repository = Repository(site.url.removeprefix("https://") + "/charts", RepositoryKind.HELM, oci=True)
        await prober.probe(repository, Access(BOB, authorities=AUTHORITY.pem))
        assert site.seen[0][2].startswith("Basic ")


@pytest.mark.parametrize(
    ("host", "port", "no_proxy", "direct"),
    [
        ("git.example.com", 443, "git.example.com", True),
        ("git.example.com", 443, "example.com", True),
        ("git.example.com", 443, ".example.com", True),
        ("git.example.com", 443, "*.example.com", True),
        ("git.example.com", 443, "other.com, GIT.example.com", True),
        ("notexample.com", 443, "example.com", False),
        ("git.example.com", 443, "git.example.com:8443", False),
        ("git.example.com", 8443, "git.example.com:8443", True),
        ("10.1.2.3", 443, "10.0.0.0/8", True),
        ("11.1.2.3", 443, "10.0.0.0/8", False),
        ("[::1]", 443, "::1", True),
        ("anything", 1, "*", True),
        ("anything", 1, "", False),
    ],
)
def test_hosts_without_a_proxy(host: str, port: int, no_proxy: str, direct: bool) -> None:
    assert bypasses_proxy(host, port, no_proxy) is direct


@examples(200)
@given(st.text(max_size=30), st.integers(0, 65535), st.text(max_size=40))
def test_any_list_of_hosts(host: str, port: int, no_proxy: str) -> None:
    assert bypasses_proxy(host, port, no_proxy) in (True, False)
