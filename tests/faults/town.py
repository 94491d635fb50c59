"""Two honest agents of a hub with both its ports, and what somebody needs who is up to no good there."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import httpx2

from escadre.v1 import agent_pb2 as pb
from hub.fleet.quotas import Quota
from tests.faults.scene import Scene, has
from tests.faults.waiting import answered
from tests.fleet.handmade import Clients, Identity
from tests.fleet.kit import Fleet
from tests.pki.support import AgentKey

HERE = re.compile(r"127\.0\.0\.1|\[::1\]")
NORMAL_SECONDS = 10.0
"""Within which a commit arrives, on a busy machine, whatever the intruders do."""


@dataclass
class Town:
    """Two honest agents, c0 and c1, whose application goes through commit after commit; and the intruder's tools."""

    scene: Scene
    clients: Clients
    web: httpx2.AsyncClient
    number: int = 1

    @property
    def fleet(self) -> Fleet:
        return self.scene.fleet

    async def goes_on(self, *clusters: str) -> None:
        """Everybody, or the clusters named, get a new commit in normal time."""
        self.number += 1
        revision = await self.scene.commit(settings=str(self.number))
        names = clusters or ("c0", "c1")
        await self.fleet.wait("web", lambda f: all(has(f, name, revision) for name in names), timeout=NORMAL_SECONDS)

    async def token(self, cluster: str) -> str:
        """Of the cluster that `escadre cluster rotate-token` would print."""
        return await self.fleet.hub.trust.join_tokens.issue(await self.uid(cluster))

    async def uid(self, cluster: str) -> str:
        found = await self.fleet.hub.store.find_cluster(cluster)
        assert found is not None
        return found.uid

    def quota(self, uid: str) -> Quota:
        assert self.fleet.hub._gateway is not None
        return self.fleet.hub._gateway._quotas.of(uid)

    async def enrol(self, token: str, key: AgentKey | None = None) -> httpx2.Response:
        csr = (key or AgentKey()).request().decode()
        return await self.web.post("/agent/v1/enrol", json={"token": token, "csr": csr, "agent_version": "9.9"})

    async def certificate(self, cluster: str) -> Identity:
        """A certificate of a cluster, beside its agent's own: one that was stolen, say."""
        found = await self.fleet.hub.store.find_cluster(cluster)
        assert found is not None
        key = AgentKey()
        trust = self.fleet.hub.trust
        issued = await trust.pki.issue_from_csr(found.uid, key.request())
        return Identity(found, key, issued, trust.certificate.current.client_authorities)

    async def turned_away(self, identity: Identity) -> tuple[grpc.StatusCode, str]:
        """How an attempt to connect ends."""
        client = self.clients.dial(identity)
        client.open()
        # One that was refused before that takes no message.
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await client.say(hello=pb.Hello(protocol=1))
        return await client.ended()

    async def events(self, reason: str, cluster: str = "") -> list[dict[str, Any]]:
        """What `escadre events` shows, by the API it asks."""
        password = (self.fleet.root / "password").read_text().strip()
        if "Authorization" not in self.web.headers:
            reply = await self.web.post("/api/v1/session", json={"username": "admin", "password": password})
            self.web.headers["Authorization"] = f"Bearer {reply.json()['token']}"
        query = {"cluster": cluster} if cluster else {}
        reply = await self.web.get("/api/v1/events", params={"limit": 1000, **query})
        assert reply.status_code == 200, reply.text
        return [event for event in reply.json()["items"] if event["reason"] == reason]

    async def recorded(self, reason: str, cluster: str = "") -> dict[str, Any]:
        """The event is shown, with the cluster where the intruder had something of one, and the peer's address."""

        async def found() -> list[dict[str, Any]]:
            return [event for event in await self.events(reason) if event["cluster"] == cluster]

        event = (await answered(found, f"the event {reason}"))[0]
        assert event["severity"] == "warning"
        assert HERE.search(event["message"]), event["message"]
        return event


@asynccontextmanager
async def settled(scene: Scene) -> AsyncIterator[Town]:
    """Have the application on c0 and c1, and on no cluster that comes later."""
    await scene.open("", "", destinations=[{"name": name, "namespace": "default"} for name in ("c0", "c1")])
    clients = Clients(scene.fleet.hub)
    base = f"https://127.0.0.1:{scene.fleet.hub.api_port}"
    async with httpx2.AsyncClient(base_url=base, verify=_unverified(), timeout=20) as web:
        yield Town(scene, clients, web)
    await clients.close()


def _unverified() -> ssl.SSLContext:
    """Whom it is talking to is not what these tests are about."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@asynccontextmanager
async def flooding(work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Do something over and over, in the background."""

    over = asyncio.Event()

    async def loop() -> None:
        # Asked each time: a call may take the cancellation for its own.
        while not over.is_set():
            await work()
            await asyncio.sleep(0)

    task = asyncio.create_task(loop())
    try:
        yield
    finally:
        over.set()
        task.cancel()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        assert outcome is None or isinstance(outcome, asyncio.CancelledError), outcome
