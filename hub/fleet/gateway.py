"""The gRPC service agents connect to: who is it, may it, and one session a stream.

The cluster is taken from the certificate and from nothing an agent says.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc

from escadre.v1 import agent_pb2 as pb
from hub.domain.cluster import Cluster
from hub.errors import HubError, Invalid, NotFound, TooLarge, TooManyRequests, Unauthenticated, Unavailable
from hub.fleet import convert
from hub.fleet.agreement import Agreement
from hub.fleet.desk import Desk
from hub.fleet.dispatch import Dispatcher
from hub.fleet.doorkeeper import Doorkeeper
from hub.fleet.incidents import Incidents
from hub.fleet.liveness import Liveness
from hub.fleet.quotas import Call, Quotas
from hub.fleet.registry import Registry
from hub.fleet.reports import Reports
from hub.fleet.session import Session
from hub.fleet.settings import SettingsFeed
from hub.pki.verify import PeerIdentity, PeerRefused
from hub.store.contract import Store

log = logging.getLogger(__name__)

PROTOCOL = 1
OLDEST_PROTOCOL = 1
HELLO_SECONDS = 20.0
CHUNK_BYTES = 512 * 1024
FETCH_LIMIT = 10_000
FETCH_BATCH = 200
FETCH_BATCH_BYTES = 4 * 1024 * 1024
"""About as much of the store's content as one call holds at a time."""
REPORTS_UNDER_WAY = 4
"""Reports of one agent that wait to be written. Agents send the next when the last was acknowledged."""
HELLO_BYTES = 1024 * 1024
"""What a cluster serves is kept, and read whenever something is rendered for it."""
GOODBYE_SECONDS = 2.0
"""How long a stream that was closed may take to say so."""

Context = Any
"""grpc.aio.ServicerContext; the stubs of grpc give it no useful type."""


@dataclass(frozen=True, slots=True)
class _Newcomer:
    """What is known of an agent that has just come. It is taken out to greet it: hundreds of API versions, twice, are
    20 KB that nobody needs while the agent stays."""

    words: list[tuple[Cluster, pb.Hello]]


class Gateway:
    """Serves AgentLink. Method names are the service's."""

    def __init__(
        self,
        store: Store,
        doorkeeper: Doorkeeper,
        registry: Registry,
        agreement: Agreement,
        dispatcher: Dispatcher,
        reports: Reports,
        liveness: Liveness,
        desk: Desk,
        incidents: Incidents,
        settings: SettingsFeed,
    ) -> None:
        self._store = store
        self._door = doorkeeper
        self._registry = registry
        self._agreement = agreement
        self._dispatcher = dispatcher
        self._reports = reports
        self._liveness = liveness
        self._desk = desk
        self.draining = False
        self._incidents = incidents
        self._settings = settings
        self._quotas = Quotas()

    # --- Connect

    async def connect(self, _: Any, context: Context) -> None:
        """One agent's stream, from Hello to the end."""
        peer = await self._identify(context)
        async with self._call(peer, "Connect", context):
            newcomer = await self._newcomer(peer, context)
            await self._serve(self._session(peer, newcomer, context), newcomer, context)

    async def _newcomer(self, peer: PeerIdentity, context: Context) -> _Newcomer:
        cluster = await self._cluster(peer, context)
        return _Newcomer([(cluster, await self._hello(context, cluster))])

    def _session(self, peer: PeerIdentity, newcomer: _Newcomer, context: Context) -> Session:
        ((cluster, hello),) = newcomer.words
        return Session(
            id=str(uuid.uuid4()),
            cluster=cluster.uid,
            name=cluster.name,
            serial=peer.serial,
            expires_at=peer.not_after.timestamp(),
            agent_version=hello.agent_version[:64],
            simulated=hello.simulated,
            peer=context.peer(),
            quota=self._quotas.of(cluster.uid),
        )

    async def _serve(self, session: Session, newcomer: _Newcomer, context: Context) -> None:
        self._registry.add(session)
        self._liveness.connected(session)
        writer = asyncio.create_task(self._write(session, context))
        overdue = asyncio.create_task(session.overdue(GOODBYE_SECONDS))
        reader = asyncio.create_task(self._converse(session, newcomer, context))
        try:
            done, _pending = await asyncio.wait((writer, reader, overdue), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if session.closing and not writer.done():
                # The goodbye says when to come back.
                await asyncio.wait((writer, overdue), return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Before anything is awaited: an agent that goes cancels this, wherever it is.
            if self._registry.remove(session):
                self._liveness.disconnected(session)
            tasks = (writer, reader, overdue)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _converse(self, session: Session, newcomer: _Newcomer, context: Context) -> None:
        """Greet the agent, then take in what it says, until the stream or the session ends."""
        try:
            await self._greet(session, *newcomer.words.pop())
            # Only now is it known what this cluster may report on.
            await self._read(session, context)
        except HubError as error:
            log.warning("stream of %s: %s", session.name, error.message)
            session.close("unavailable", error.message)

    async def _identify(self, context: Context) -> PeerIdentity:
        if self.draining:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "this hub is shutting down; try again")
        pems = context.auth_context().get("x509_pem_cert") or []
        try:
            if not pems:
                raise Unauthenticated("no client certificate", code="bad-certificate")
            return self._door.identify(pems[0])
        except HubError as error:
            cluster = error.cluster if isinstance(error, PeerRefused) else ""
            await self._incidents.record("ConnectionRefused", error.message, cluster=cluster, peer=context.peer())
            await _abort(context, error)

    @contextlib.asynccontextmanager
    async def _call(self, peer: PeerIdentity, call: Call, context: Context) -> AsyncIterator[None]:
        """Count a call in while it lasts, or refuse it."""
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self._quotas.call(peer.cluster, call))
            except HubError as error:
                await self._incidents.record("Flood", error.message, cluster=peer.cluster, peer=context.peer())
                await _abort(context, error)
            yield

    async def _cluster(self, peer: PeerIdentity, context: Context) -> Cluster:
        try:
            cluster = await self._store.get_cluster(peer.cluster)
        except HubError as error:
            await _abort(context, error)
        if cluster is not None:
            return cluster
        message = "this cluster was removed from the hub"
        await self._incidents.record("ConnectionRefused", message, cluster=peer.cluster, peer=context.peer())
        await _abort(context, Unauthenticated(message, code="certificate-revoked"))

    async def _hello(self, context: Context, cluster: Cluster) -> pb.Hello:
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                first = await context.read()
        except TimeoutError:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "no Hello")
        if first is grpc.aio.EOF or first.WhichOneof("body") != "hello":
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the first message must be Hello")
        hello: pb.Hello = first.hello
        if hello.ByteSize() > HELLO_BYTES:
            message = f"a Hello of {hello.ByteSize():,} bytes, of which {HELLO_BYTES:,} are taken"
            await self._incidents.record("MalformedReport", message, cluster=cluster.uid, peer=context.peer())
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, message)
        if hello.protocol < OLDEST_PROTOCOL:
            message = (
                f"the agent of {cluster.name} speaks protocol {hello.protocol}; {OLDEST_PROTOCOL} is the oldest served"
            )
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{message}: update the agent")
        return hello

    async def _greet(self, session: Session, cluster: Cluster, hello: pb.Hello) -> None:
        capabilities = convert.capabilities_from_proto(hello.capabilities)
        if capabilities != cluster.capabilities or (not cluster.server and hello.capabilities.server):
            await self._store.put_capabilities(cluster.uid, capabilities, hello.capabilities.server[:500])
        session.agreed = agree = await self._agreement.begin(session, hello)
        welcome = pb.Welcome(
            protocol=min(PROTOCOL, hello.protocol),
            cluster=session.name,
            session=session.id,
            heartbeat_seconds=self._liveness.heartbeat_seconds,
            hub_time_ms=time.time_ns() // 1_000_000,
            in_agreement=agree,
        )
        trust = self._door.trust()
        if trust.digest != hello.trust_digest:
            session.put_control("trust", pb.HubMessage(trust=trust))
        self._settings.greet(session, hello, cluster)
        session.ready = True
        session.put_first("welcome", pb.HubMessage(welcome=welcome))

    def announce_trust(self) -> None:
        """Tell every agent connected here whom to trust from now on: what is signed with a new key comes after this."""
        message = pb.HubMessage(trust=self._door.trust())
        for session in self._registry:
            session.put_control("trust", message)

    async def _write(self, session: Session, context: Context) -> None:
        while not session.said_goodbye:
            for message in await session.outgoing():
                await context.write(message)

    async def _read(self, session: Session, context: Context) -> None:
        while True:
            message = await context.read()
            if message is grpc.aio.EOF or session.closing:
                # What is still sent on a stream that was ended, because it was revoked, say, is not heard.
                return
            now = time.monotonic()
            session.heard = now
            if flood := _flood(session, message, now):
                await self._incidents.record("Flood", f"{flood}; cut off", cluster=session.cluster, peer=session.peer)
                session.close("protocol", flood, retry_after=30)
                return
            try:
                await self._handle(session, message)
                if session.reports_under_way > REPORTS_UNDER_WAY:
                    raise convert.Malformed(f"{session.reports_under_way} reports without waiting for a receipt")
            except convert.Malformed as error:
                words = f"the agent of {session.name} sent {error}"
                await self._incidents.record("MalformedReport", words, cluster=session.cluster, peer=session.peer)
                session.close("protocol", f"not understood: {error}", retry_after=60)
                return

    async def _handle(self, session: Session, message: pb.AgentMessage) -> None:
        match message.WhichOneof("body"):
            case "status":
                self._reports.take(session, message.status)
            case "refusals":
                for item in self._reports.refuse(session, message.refusals.items):
                    held = convert.generation_of(item.held_generation)
                    await self._store.hold_back(session.cluster, item.application, held)
            case "inventory":
                if not session.inventories_due:
                    raise convert.Malformed("an inventory nobody asked for")
                session.inventories_due -= 1
                await self._agreement.settle(session, message.inventory)
            case _:
                # A heartbeat, or a message of a newer agent: having heard it is all there is to it.
                return

    # --- the other calls

    async def fetch_blobs(self, request: pb.FetchBlobsRequest, context: Context) -> AsyncIterator[pb.BlobChunk]:
        """Stream blobs in the order asked for. Any enrolled cluster may ask for any digest it can name: a digest is
        known only to whoever was assigned it."""
        peer = await self._identify(context)
        async with self._call(peer, "FetchBlobs", context):
            await self._cluster(peer, context)
            async for chunk in self._blobs(request, context):
                yield chunk

    async def _blobs(self, request: pb.FetchBlobsRequest, context: Context) -> AsyncIterator[pb.BlobChunk]:
        digests = [d.hex() for d in request.digests]
        if len(digests) > FETCH_LIMIT:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"at most {FETCH_LIMIT} digests a request")
        start, count = 0, 1
        while start < len(digests):
            batch = digests[start : start + count]
            try:
                found = await self._store.get_blobs(batch)
            except HubError as error:
                await _abort(context, error)
            for digest in batch:
                content = found.get(digest)
                if content is None:
                    yield pb.BlobChunk(digest=bytes.fromhex(digest), missing=True)
                    return
                self._dispatcher.blobs_sent += 1
                for chunk in _chunks(digest, content):
                    yield chunk
            start += len(batch)
            # Manifests of one set are about as large as one another.
            mean = sum(map(len, found.values())) // len(batch)
            count = min(FETCH_BATCH, count * 8, max(1, FETCH_BATCH_BYTES // max(mean, 1)))

    async def answer(self, chunks: AsyncIterator[pb.AnswerChunk], context: Context) -> pb.AnswerReceipt:
        """Take the answer to a question that was put to this cluster."""
        peer = await self._identify(context)
        async with self._call(peer, "Answer", context):
            try:
                await self._desk.take_answer(peer.cluster, chunks)
            except HubError as error:
                await _abort(context, error)
        return pb.AnswerReceipt()

    async def renew(self, request: pb.RenewRequest, context: Context) -> pb.RenewResponse:
        """Give the peer its next certificate."""
        peer = await self._identify(context)
        async with self._call(peer, "Renew", context):
            await self._cluster(peer, context)
            try:
                certificate = await self._door.renew(peer, request.csr)
            except HubError as error:
                await self._incidents.record("RenewalRefused", error.message, cluster=peer.cluster, peer=context.peer())
                await _abort(context, error)
        return pb.RenewResponse(certificate=certificate, trust=self._door.trust())


def _flood(session: Session, message: pb.AgentMessage, now: float) -> str:
    """Say what there is too much of; "" when there is not."""
    quota = session.quota
    if not quota.messages.take(now):
        return f"too many messages: the agent of {session.name} sends more than {quota.messages.rate:.0f} a second"
    if not quota.size.take(now, message.ByteSize()):
        return f"too much: the agent of {session.name} sends more than {quota.size.rate / 1024:.0f} KiB a second"
    return ""


def _chunks(digest: str, content: bytes) -> list[pb.BlobChunk]:
    raw = bytes.fromhex(digest)
    parts = [content[i : i + CHUNK_BYTES] for i in range(0, max(len(content), 1), CHUNK_BYTES)]
    last = len(parts) - 1
    return [pb.BlobChunk(digest=raw, content=part, last=number == last) for number, part in enumerate(parts)]


_STATUS = {
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    NotFound: grpc.StatusCode.NOT_FOUND,
    Invalid: grpc.StatusCode.INVALID_ARGUMENT,
    TooLarge: grpc.StatusCode.RESOURCE_EXHAUSTED,
    TooManyRequests: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
}


async def _abort(context: Context, error: HubError) -> NoReturn:
    code = next((c for t, c in _STATUS.items() if isinstance(error, t)), grpc.StatusCode.INTERNAL)
    await context.abort(code, error.message)
    raise AssertionError("abort returned")
