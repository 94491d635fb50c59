"""Connections, identities, and limits of time and size, against a server with real TLS."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys
import time
from asyncio.sslproto import SSLProtocol
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import trustme
from aiohttp import web

from agent.errors import ConfigError
from agent.kube.client import Kind
from agent.kube.cluster import ClusterClient, transport
from agent.kube.connection import Connection, ExecPlugin, Impersonation, Pem
from agent.kube.errors import Forbidden, KubeError, Rejected, Throttled, Unreachable
from tests.kube.serving import authority, raw_serving, refusal, server_context, serving, until

CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps", True)
MANIFEST = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "team"}}


@contextlib.asynccontextmanager
async def client_of(connection: Connection, **options: Any) -> AsyncIterator[ClusterClient]:
    client = ClusterClient(connection, **options)
    try:
        yield client
    finally:
        await client.close()


async def found(request: web.Request) -> web.Response:
    return web.json_response(MANIFEST)


async def test_sends_what_an_api_server_needs_and_no_more() -> None:
    async with serving(found) as server, client_of(server.connection()) as client:
        await client.apply(CONFIG_MAP, MANIFEST)
        request = server.requests[0]
    assert request.method == "PATCH"
    assert request.path_qs == (
        "/api/v1/namespaces/team/configmaps/c?fieldManager=escadre-agent&force=true&fieldValidation=Ignore"
    )
    assert {name: value for name, value in request.headers.items() if name != "Host"} == {
        "Authorization": "Bearer secret-token",
        "User-Agent": "escadre-agent",
        "Accept": "application/json",
        "Content-Type": "application/apply-patch+yaml",
        "Content-Length": str(len(server.bodies[0])),
    }
    assert orjson.loads(server.bodies[0]) == MANIFEST


async def test_the_path_of_the_server_s_url_is_kept() -> None:
    async with serving(found) as server:
        url = f"https://127.0.0.1:{server.port}/k8s/clusters/c1"
        async with client_of(server.connection(server=url)) as client:
            await client.get(CONFIG_MAP, "team", "c")
        assert server.requests[0].path == "/k8s/clusters/c1/api/v1/namespaces/team/configmaps/c"


async def test_reuses_connections() -> None:
    peers = set()

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return web.json_response(MANIFEST)

    async with serving(answer) as server, client_of(server.connection()) as client:
        for _ in range(5):
            await client.apply(CONFIG_MAP, MANIFEST)
    assert len(peers) == 1


async def test_does_not_trust_a_server_of_another_authority() -> None:
    other = trustme.CA(key_type=trustme.KeyType.ECDSA).cert_pem.bytes()
    async with serving(found) as server, client_of(server.connection(ca=Pem(data=other))) as client:
        with pytest.raises(Unreachable, match="certificate is not trusted"):
            await client.get(CONFIG_MAP, "team", "c")
        assert not server.requests


async def test_checks_the_name_in_the_certificate() -> None:
    async with serving(found, context=server_context("api.example.org")) as server:
        async with client_of(server.connection()) as client:
            with pytest.raises(Unreachable, match="not trusted"):
                await client.get(CONFIG_MAP, "team", "c")
        async with client_of(server.connection(tls_server_name="api.example.org")) as client:
            assert await client.get(CONFIG_MAP, "team", "c") == MANIFEST
        async with client_of(server.connection(insecure=True, ca=None)) as client:
            assert await client.get(CONFIG_MAP, "team", "c") == MANIFEST


async def test_shows_its_client_certificate() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA).configure_cert(context)
    authority().configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    leaf = authority().issue_cert("agent@example.org", key_type=trustme.KeyType.ECDSA)
    pair = {
        "client_cert": Pem(data=leaf.cert_chain_pems[0].bytes()),
        "client_key": Pem(data=leaf.private_key_pem.bytes()),
    }
    async with serving(found, context=context) as server:
        async with client_of(server.connection(token="", **pair)) as client:
            assert await client.get(CONFIG_MAP, "team", "c") == MANIFEST
        async with client_of(server.connection(token="")) as client:
            with pytest.raises(Unreachable):
                await client.get(CONFIG_MAP, "team", "c")


async def test_repeats_the_header_of_each_impersonated_group() -> None:
    who = Impersonation("jane", groups=("a", "b"))
    async with serving(found) as server, client_of(server.connection(impersonate=who)) as client:
        await client.get(CONFIG_MAP, "team", "c")
        assert server.requests[0].headers.getall("Impersonate-Group") == ["a", "b"]


async def test_a_refused_token_is_replaced_once(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old")

    async def answer(request: web.Request) -> web.Response:
        if request.headers["Authorization"] != "Bearer new":
            path.write_text("new")
            return refusal(401, "Unauthorized", "Unauthorized")
        return web.json_response(MANIFEST)

    async with serving(answer) as server, client_of(server.connection(token_file=path)) as client:
        assert await client.apply(CONFIG_MAP, MANIFEST) == MANIFEST
        assert len(server.requests) == 2


async def test_a_token_that_stays_refused_is_forbidden(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old")

    async def answer(request: web.Request) -> web.Response:
        path.write_text(f"another {len(request.headers)}".replace(" ", "-") + str(time.monotonic_ns()))
        return refusal(401, "Unauthorized", "Unauthorized")

    async with serving(answer) as server, client_of(server.connection(token_file=path)) as client:
        with pytest.raises(Forbidden, match="credentials") as caught:
            await client.apply(CONFIG_MAP, MANIFEST)
        assert len(server.requests) == 2
        assert "another" not in str(caught.value)


async def test_a_watch_with_a_refused_token_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old")

    async def answer(request: web.Request) -> web.Response:
        if request.headers["Authorization"] != "Bearer new":
            path.write_text("new")
            return refusal(401, "Unauthorized", "Unauthorized")
        return web.Response(body=orjson.dumps({"type": "ADDED", "object": MANIFEST}) + b"\n")

    async with serving(answer) as server, client_of(server.connection(token_file=path)) as client:
        assert [event.object async for event in client.watch(CONFIG_MAP, resource_version="1")] == [MANIFEST]


def plugin(status: dict[str, str]) -> ExecPlugin:
    document = {"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "status": status}
    return ExecPlugin(
        "client.authentication.k8s.io/v1", sys.executable, ("-c", f"print({orjson.dumps(document).decode()!r})")
    )


async def test_a_plugin_s_token_and_certificate_are_used() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA).configure_cert(context)
    authority().configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    leaf = authority().issue_cert("agent@example.org", key_type=trustme.KeyType.ECDSA)
    status = {
        "token": "fresh",
        "clientCertificateData": leaf.cert_chain_pems[0].bytes().decode(),
        "clientKeyData": leaf.private_key_pem.bytes().decode(),
    }
    async with (
        serving(found, context=context) as server,
        client_of(server.connection(token="", plugin=plugin(status))) as client,
    ):
        await client.get(CONFIG_MAP, "team", "c")
        assert server.requests[0].headers["Authorization"] == "Bearer fresh"


async def test_a_plugin_s_useless_certificate_is_forbidden() -> None:
    status = {"clientCertificateData": "x", "clientKeyData": "y"}
    async with serving(found) as server, client_of(server.connection(token="", plugin=plugin(status))) as client:
        with pytest.raises(Forbidden, match="exec plugin's certificate"):
            await client.get(CONFIG_MAP, "team", "c")


async def test_certificates_that_cannot_be_used_stop_the_agent_at_its_start() -> None:
    with pytest.raises(ConfigError, match="certificate-authority-data"):
        ClusterClient(Connection("https://host", ca=Pem(data=b"x")))


async def test_requests_in_flight_are_bounded() -> None:
    under_way, most, release = 0, 0, asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await release.wait()
        under_way -= 1
        return web.json_response(MANIFEST)

    async with serving(answer) as server, client_of(server.connection(), max_in_flight=3) as client:
        tasks = [asyncio.create_task(client.get(CONFIG_MAP, "team", "c")) for _ in range(10)]
        await until(lambda: under_way == 3)
        release.set()
        await asyncio.gather(*tasks)
    assert most == 3


async def test_a_watch_takes_no_slot() -> None:
    release = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return web.json_response(MANIFEST)
        stream = web.StreamResponse()
        await stream.prepare(request)
        await release.wait()
        return stream

    async with serving(answer) as server, client_of(server.connection(), max_in_flight=1) as client:
        watches = [asyncio.create_task(anext(client.watch(CONFIG_MAP, resource_version="1"), None)) for _ in range(4)]
        await until(lambda: len(server.requests) == 4)
        assert await client.get(CONFIG_MAP, "team", "c") == MANIFEST
        release.set()
        await asyncio.gather(*watches)


async def test_a_silent_server_is_given_up() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with raw_serving(answer) as server, client_of(server.connection(), timeout=0.2) as client:
        with pytest.raises(Unreachable, match=r"^get ConfigMap/team/c: no answer within 0\.2 s$"):
            await client.get(CONFIG_MAP, "team", "c")
        with pytest.raises(Unreachable, match=r"no answer within 0\.2 s"):
            await anext(client.watch(CONFIG_MAP, resource_version="1"))


async def test_a_server_that_drips_is_given_up() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        while True:
            await stream.write(b" ")
            await asyncio.sleep(0.02)

    async with serving(answer) as server, client_of(server.connection(), timeout=0.3) as client:
        with pytest.raises(Unreachable, match="no answer within"):
            await client.get(CONFIG_MAP, "team", "c")


async def test_nobody_there_is_unreachable() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    async with client_of(Connection(f"https://127.0.0.1:{port}")) as client:
        with pytest.raises(Unreachable, match=f"cannot connect to 127.0.0.1:{port}: Connect"):
            await client.get(CONFIG_MAP, "team", "c")


@pytest.mark.parametrize(
    "text",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"",
    ],
)
async def test_an_answer_that_is_none_is_unreachable(text: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(text)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with raw_serving(answer) as server, client_of(server.connection()) as client:
        with pytest.raises(Unreachable, match=r"^get ConfigMap/team/c: "):
            await client.get(CONFIG_MAP, "team", "c")


async def test_an_answer_is_read_up_to_a_limit() -> None:
    sent = 0

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        stream = web.StreamResponse()
        await stream.prepare(request)
        with contextlib.suppress(ConnectionError):
            while request.transport is not None and not request.transport.is_closing() and sent < 1 << 30:
                await stream.write(b" " * (1 << 16))
                sent += 1 << 16
                await asyncio.sleep(0)
        return stream

    async with serving(answer) as server, client_of(server.connection()) as client:
        with pytest.raises(Rejected, match="larger than 8 MB"):
            await client.get(CONFIG_MAP, "team", "c")
    assert transport.MAX_OBJECT < sent < 1 << 30


async def test_an_idle_connection_the_server_closed_costs_an_apply_nothing() -> None:
    """The server ends the connection just as the second request arrives on it: that one is asked again on another."""
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        body = orjson.dumps(MANIFEST)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        await reader.readuntil(b"PATCH")

    async with raw_serving(answer) as server, client_of(server.connection()) as client:
        for _ in range(3):
            assert await client.apply(CONFIG_MAP, MANIFEST) == MANIFEST
    assert connections == 3


async def test_a_create_is_never_sent_twice() -> None:
    requests = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await reader.readuntil(b"POST")
        requests += 1

    async with raw_serving(answer) as server, client_of(server.connection()) as client:
        with pytest.raises(Unreachable):
            await client.create(CONFIG_MAP, MANIFEST, field_manager="m")
    assert requests == 1


async def test_sockets_notice_a_peer_that_is_gone() -> None:
    with transport._socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 0))) as made:
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        idle = made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
        probes = made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT)
        assert idle + probes * made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) <= 60
        assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 60_000


async def test_a_tls_connection_costs_little_memory() -> None:
    """asyncio allots each 256 KB to read into: with forty watches a sixth of the agent's memory."""
    async with serving(found) as server, client_of(server.connection()) as client:
        await client.get(CONFIG_MAP, "team", "c")
        assert SSLProtocol.max_size <= 32 << 10


async def test_goes_through_a_proxy() -> None:
    asked: list[bytes] = []

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head)
        there, back = await asyncio.open_connection("127.0.0.1", int(head.split()[1].rpartition(b":")[2]))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(pump(reader, back), pump(there, writer))

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(1 << 16):
                sink.write(data)
                await sink.drain()
        sink.close()

    listener = await asyncio.start_server(tunnel, "127.0.0.1", 0)
    proxy = f"http://user:p4ss@127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with listener, serving(found) as server, client_of(server.connection(proxy_url=proxy)) as client:
        assert await client.get(CONFIG_MAP, "team", "c") == MANIFEST
    assert asked[0].startswith(b"CONNECT 127.0.0.1:%d " % server.port)
    assert b"Proxy-Authorization: Basic dXNlcjpwNHNz" in asked[0]
    assert b"secret-token" not in asked[0]


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "502 Bad Gateway"])
async def test_a_proxy_that_refuses_is_unreachable(status: str) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(refuse, "127.0.0.1", 0)
    proxy = f"http://user:p4ss@127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with listener, client_of(Connection("https://127.0.0.1:1", proxy_url=proxy)) as client:
        with pytest.raises(Unreachable, match=f"the proxy refused with status {status[:3]}") as caught:
            await client.get(CONFIG_MAP, "team", "c")
    assert "p4ss" not in str(caught.value)


async def test_a_proxy_that_is_not_there_is_unreachable() -> None:
    async with client_of(Connection("https://127.0.0.1:1", proxy_url="http://u:p4ss@127.0.0.1:1")) as client:
        with pytest.raises(Unreachable, match="cannot reach the proxy") as caught:
            await client.get(CONFIG_MAP, "team", "c")
    assert "p4ss" not in str(caught.value)


async def test_cancelling_a_request_frees_its_slot() -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.path.endswith("slow"):
            await asyncio.Event().wait()
        return web.json_response(MANIFEST)

    async with serving(answer) as server, client_of(server.connection(), max_in_flight=1) as client:
        slow = asyncio.create_task(client.get(CONFIG_MAP, "team", "slow"))
        await until(lambda: len(server.requests) == 1)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        assert await client.get(CONFIG_MAP, "team", "c") == MANIFEST


async def test_after_close_every_call_is_refused() -> None:
    async with serving(found) as server:
        client = ClusterClient(server.connection())
        await client.get(CONFIG_MAP, "team", "c")
        await client.close()
        await client.close()
        with pytest.raises(KubeError, match="closed"):
            await client.get(CONFIG_MAP, "team", "c")
        never_used = ClusterClient(server.connection())
        await never_used.close()
        with pytest.raises(KubeError, match="closed"):
            await anext(never_used.watch(CONFIG_MAP, resource_version="1"))


async def test_throttling_carries_the_server_s_pause() -> None:
    async def answer(request: web.Request) -> web.Response:
        response = refusal(429, "TooManyRequests", "slow down")
        response.headers["Retry-After"] = "7"
        return response

    async with serving(answer) as server, client_of(server.connection()) as client:
        with pytest.raises(Throttled) as caught:
            await client.apply(CONFIG_MAP, MANIFEST)
    assert caught.value.retry_after == 7.0
