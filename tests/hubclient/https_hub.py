"""The hub's HTTPS port as agents see it before they have a certificate: real TLS, real enrolment, faults on demand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from hub.errors import HubError
from hub.pki.enrolment import enrolment_reply, read_enrol_body, read_recover_body
from hub.pki.refusals import Caller
from tests.pki.support import HubTrust

Fault = Callable[[str, str], bytes | None]
"""(method, path) → what to send instead of the answer; None sends the answer."""


class HttpsHub:
    def __init__(self, hub: HubTrust) -> None:
        self.hub = hub
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.port = 0
        self.gateway = "localhost:1"
        self.seen: list[str] = []
        """Paths that were asked for, after TLS."""
        self.bodies: list[bytes] = []
        self.fault: Fault = lambda method, path: None
        self.change: Callable[[dict[str, Any]], None] = lambda reply: None
        """Changes an answer before it is sent."""
        self.stalled = asyncio.Event()
        """Set when an answer is being withheld: a fault that gives b"stall"."""
        self.reload()

    @property
    def address(self) -> str:
        return f"localhost:{self.port}"

    def reload(self) -> None:
        self.hub.server.current.load_into(self.context)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, path, _ = head.split(" ", 2)
            length = next((int(h[15:]) for h in head.split("\r\n") if h.lower().startswith("content-length:")), 0)
            body = await reader.readexactly(length)
            self.seen.append(path)
            self.bodies.append(body)
            answer = await self._answer(path, body)
            instead = self.fault(method, path)
            if instead == b"stall":
                self.stalled.set()
                await reader.read()  # until the agent gives up
            else:
                writer.write(answer if instead is None else instead)
                await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()

    async def _answer(self, path: str, body: bytes) -> bytes:
        try:
            return http_answer(200, await self._dispatch(path, json.loads(body or b"null")))
        except HubError as error:
            return http_answer(error.status, {"error": {"code": error.code, "message": error.message}})

    async def _dispatch(self, path: str, body: Any) -> dict[str, Any]:
        enrolments = self.hub.enrolments
        if path == "/agent/v1/authorities":
            answer: dict[str, Any] = enrolments.authorities()
        else:
            if path == "/agent/v1/enrol":
                token, request, version = read_enrol_body(body)
                issued = await enrolments.enrol(token, request, Caller("127.0.0.1", version))
            else:
                certificate, request, version = read_recover_body(body)
                issued = await enrolments.recover(certificate, request, Caller("127.0.0.1", version))
            answer = enrolment_reply(issued, self.hub.pki, cluster="prod-1", gateway=self.gateway)
        self.change(answer)
        return answer


def http_answer(status: int, value: Any) -> bytes:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(content), content)


@asynccontextmanager
async def https_hub(hub: HubTrust, host: str = "127.0.0.1") -> AsyncIterator[HttpsHub]:
    served = HttpsHub(hub)
    async with await asyncio.start_server(served.serve, host, 0, ssl=served.context) as server:
        served.port = server.sockets[0].getsockname()[1]
        yield served
