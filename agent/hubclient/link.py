"""The agent's link to the hub: dial, agree, take assignments, tell, and try again for ever.

The link owns no state that matters. What it takes is on disk before it is acknowledged; what it tells waits in the
outbox until the hub has acknowledged it. Losing the link therefore costs time and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import grpc

from agent.engine.assignment import Held
from agent.errors import LinkError, StorageError
from agent.hubclient import convert
from agent.hubclient.fetched import Question, QuestionFailed, Shelf, fetch_for
from agent.hubclient.intake import Intake, Taker, Voucher
from agent.hubclient.outbox import Batch, Outbox
from escadre.v1 import agent_pb2 as pb
from escadre.v1 import agent_pb2_grpc as rpc

log = logging.getLogger(__name__)

PROTOCOL = 1
MESSAGE_LIMIT = 16 * 1024 * 1024
BACKOFF_FIRST_SECONDS = 1.0
BACKOFF_CAP_SECONDS = 60.0
STEADY_SECONDS = 30.0
"""A stream that lasted this long was no failure: the back-off begins anew."""
COALESCE_SECONDS = 0.01
WELCOME_SECONDS = 60.0


class Receiver(Taker, Shelf, Protocol):
    """The agent's side of the link's conversation; the syncer, seen from here."""

    def inventory(self) -> list[Held]: ...

    def inventory_digest(self) -> str: ...

    def settings_digest(self) -> str: ...

    async def answer(self, query: Question, blobs: Mapping[str, bytes]) -> bytes: ...


class Trust(Voucher, Protocol):
    """The agent's identity as the link needs it; `agent.hubclient.identity` implements it."""

    def gateway(self) -> str: ...

    def channel_credentials(self) -> grpc.ChannelCredentials: ...

    def trust_digest(self) -> str: ...

    def update_trust(self, authorities: Sequence[bytes], keys: Mapping[str, bytes], digest: str) -> None: ...


@dataclass(slots=True)
class LinkOptions:
    server_name: str = ""
    """The name in the gateway's certificate, where it is not the host dialled."""
    agent_version: str = ""
    simulated: bool = False
    backoff_first_seconds: float = BACKOFF_FIRST_SECONDS
    backoff_cap_seconds: float = BACKOFF_CAP_SECONDS


@dataclass(slots=True)
class _Session:
    """One stream's state."""

    heartbeat_seconds: float = 15.0
    heard: float = field(default_factory=time.monotonic)
    sequence: int = 0
    outgoing: asyncio.Queue[pb.AgentMessage] = field(default_factory=lambda: asyncio.Queue(maxsize=256))
    welcomed: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self) -> None:
        self.heard = time.monotonic()


class Link:
    """Keeps the agent connected."""

    def __init__(
        self,
        trust: Trust,
        receiver: Receiver,
        outbox: Outbox,
        capabilities: Callable[[], Awaitable[pb.Capabilities]],
        boot_id: str,
        options: LinkOptions | None = None,
    ) -> None:
        self._trust = trust
        self._receiver = receiver
        self._outbox = outbox
        self._capabilities = capabilities
        self._boot_id = boot_id
        self._options = options or LinkOptions()
        self._reconnect = asyncio.Event()
        self._goodbye_seconds = 0.0
        self.cluster = ""
        self.turned_away = asyncio.Event()
        """Set when the hub could not be connected to."""

    def reconnect(self) -> None:
        """Open a new stream, with the certificate that is now on disk."""
        self._reconnect.set()

    async def run(self) -> None:
        """Stay connected until cancelled."""
        failures = 0
        while True:
            began = time.monotonic()
            self._goodbye_seconds = 0.0
            self._reconnect.clear()
            try:
                await self._session()
            except (grpc.aio.AioRpcError, LinkError) as error:
                log.warning("link to %s: %s", self._trust.gateway(), _words(error))
                if isinstance(error, grpc.aio.AioRpcError) and error.code() is grpc.StatusCode.UNAVAILABLE:
                    self.turned_away.set()
            except StorageError as error:
                log.error("link: %s", error)
            except Exception:
                # Whatever a hub says that this agent does not understand, the cluster is kept as assigned.
                log.exception("link to %s: internal error; dialled again", self._trust.gateway())
            finally:
                self._outbox.connected = False
            failures = 0 if time.monotonic() - began > STEADY_SECONDS else failures + 1
            if self._reconnect.is_set():
                continue
            await asyncio.sleep(self._delay(failures))

    def _delay(self, failures: int) -> float:
        """Full jitter, so that a fleet that lost its hub does not come back in one instant."""
        if self._goodbye_seconds:
            return self._goodbye_seconds * random.uniform(0.5, 1.5)  # noqa: S311 - jitter
        cap = min(self._options.backoff_cap_seconds, self._options.backoff_first_seconds * 2 ** min(failures, 10))
        return float(random.uniform(0.1, 1.0) * cap)  # noqa: S311 - jitter

    async def _session(self) -> None:
        async with channel_to(self._trust, self._options.server_name) as channel:
            stub: Any = rpc.AgentLinkStub(channel)  # type: ignore[no-untyped-call]  # generated code
            session = _Session()
            await session.outgoing.put(pb.AgentMessage(hello=await self._hello()))
            call = stub.Connect()
            intake = self._intake(stub, session)
            self._outbox.begin_session()
            tasks = [
                asyncio.create_task(self._write(call, session)),
                asyncio.create_task(self._read(call, stub, intake, session)),
                asyncio.create_task(self._tell(session)),
                asyncio.create_task(self._beat(session)),
                asyncio.create_task(intake.run()),
                asyncio.create_task(self._reconnect.wait()),
            ]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                self._outbox.connected = False
                call.cancel()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _hello(self) -> pb.Hello:
        return pb.Hello(
            protocol=PROTOCOL,
            agent_version=self._options.agent_version,
            boot_id=self._boot_id,
            capabilities=await self._capabilities(),
            inventory_digest=bytes.fromhex(self._receiver.inventory_digest()),
            status_digest=bytes.fromhex(self._outbox.status_digest()),
            trust_digest=bytes.fromhex(self._trust.trust_digest()),
            simulated=self._options.simulated,
            settings_digest=bytes.fromhex(self._receiver.settings_digest()),
        )

    async def _write(self, call: Any, session: _Session) -> None:
        while True:
            await call.write(await session.outgoing.get())

    # --- what comes in

    async def _read(self, call: Any, stub: Any, intake: Intake, session: _Session) -> None:
        answers: set[asyncio.Task[None]] = set()
        try:
            while (message := await call.read()) is not grpc.aio.EOF:
                session.heard = time.monotonic()
                kind = message.WhichOneof("body")
                if kind == "query":
                    task = asyncio.create_task(self._answer(stub, message.query, session))
                    answers.add(task)
                    task.add_done_callback(answers.discard)
                elif kind is not None:
                    await self._handle(kind, message, intake, session)
        finally:
            for task in answers:
                task.cancel()
            await asyncio.gather(*answers, return_exceptions=True)
        if await call.code() is not grpc.StatusCode.OK:
            raise LinkError(f"{(await call.code()).name}: {await call.details()}")
        raise LinkError("the hub closed the stream")

    async def _handle(self, kind: str, message: pb.HubMessage, intake: Intake, session: _Session) -> None:
        match kind:
            case "welcome":
                self._welcome(message.welcome, session)
            case "assignments":
                await intake.take(message.assignments)
            case "settings":
                await intake.take_settings(message.settings)
            case "status_receipt":
                if message.status_receipt.sequence >= session.sequence:
                    self._acknowledged()
            case "inventory_request":
                held = [convert.held_to_proto(h) for h in self._receiver.inventory()]
                await session.outgoing.put(pb.AgentMessage(inventory=pb.Inventory(held=held)))
            case "status_request":
                self._outbox.resend_all(operations=message.status_request.operations)
            case "trust":
                keys = {k.id: k.public_key for k in message.trust.signing_keys}
                self._trust.update_trust(list(message.trust.authorities), keys, message.trust.digest.hex())
            case "goodbye":
                self._goodbye_seconds = message.goodbye.retry_after_seconds
                raise LinkError(f"the hub said goodbye: {message.goodbye.message or message.goodbye.reason}")
            case _:
                # A heartbeat, or a message of a newer hub: hearing it is all there is to it.
                return

    def _welcome(self, welcome: pb.Welcome, session: _Session) -> None:
        session.heartbeat_seconds = min(max(welcome.heartbeat_seconds, 1.0), 300.0)
        session.welcomed.set()
        self.cluster = welcome.cluster
        self._outbox.connected = True
        skew = time.time() - welcome.hub_time_ms / 1000
        if abs(skew) > 60:
            log.warning("this clock is %.0f s %s the hub's; certificates may be refused", abs(skew), _side(skew))
        log.info("connected to %s as cluster %s", self._trust.gateway(), welcome.cluster)

    def _acknowledged(self) -> None:
        try:
            self._outbox.acknowledged()
        except StorageError as error:
            # The hub is told once more of what stays on the disk, and takes it for what it is.
            log.error("link: %s", error)

    def _intake(self, stub: Any, session: _Session) -> Intake:
        return Intake(self._trust, self._receiver, stub, partial(self._refuse, session), session.hear)

    async def _refuse(self, session: _Session, refusals: pb.Refusals) -> None:
        await session.outgoing.put(pb.AgentMessage(refusals=refusals))

    async def _answer(self, stub: Any, query: pb.Query, session: _Session) -> None:
        """Answer on a call of its own, so that a large answer delays no assignment."""
        seconds = min(max(query.timeout_seconds, 1.0), 120.0)
        question = Question(query.id, query.application, query.kind, query.parameters, seconds)
        try:
            async with asyncio.timeout(seconds):
                blobs = await fetch_for(question, self._trust, self._receiver, stub, session.hear)
                content = await self._receiver.answer(question, blobs)
            chunks = [
                pb.AnswerChunk(id=query.id, content=content[i : i + 512 * 1024])
                for i in range(0, max(len(content), 1), 512 * 1024)
            ]
        except TimeoutError:
            chunks = [pb.AnswerChunk(id=query.id, error="timeout", message=f"the cluster took over {seconds:.0f} s")]
        except QuestionFailed as error:
            chunks = [pb.AnswerChunk(id=query.id, error=error.code, message=error.message)]
        except Exception:
            log.exception("question %s about %s: internal error", query.kind, query.application)
            chunks = [pb.AnswerChunk(id=query.id, error="internal", message="the agent failed; its log says why")]
        with contextlib.suppress(grpc.aio.AioRpcError):
            await stub.Answer(_each(chunks), timeout=60)

    # --- what goes out

    async def _tell(self, session: _Session) -> None:
        while True:
            batch = await self._outbox.next_batch()
            session.sequence += 1
            await session.outgoing.put(pb.AgentMessage(status=_report(batch, session.sequence)))
            await asyncio.sleep(COALESCE_SECONDS)

    async def _beat(self, session: _Session) -> None:
        """Heartbeat both ways: say that we are here, and notice a hub that is not."""
        try:
            async with asyncio.timeout(WELCOME_SECONDS):
                await session.welcomed.wait()
        except TimeoutError:
            raise LinkError(f"the hub did not say welcome within {WELCOME_SECONDS:.0f} s") from None
        while True:
            await asyncio.sleep(session.heartbeat_seconds * random.uniform(0.7, 1.0))  # noqa: S311 - jitter
            silent = time.monotonic() - session.heard
            if silent > 3 * session.heartbeat_seconds:
                raise LinkError(f"the hub has been silent for {silent:.0f} s")
            await session.outgoing.put(pb.AgentMessage(heartbeat=pb.Heartbeat(sent_ms=time.time_ns() // 1_000_000)))


def channel_to(trust: Trust, server_name: str = "") -> grpc.aio.Channel:
    """Open a channel to the gateway, with the certificate that is now on disk."""
    options: list[tuple[str, int | str]] = [
        ("grpc.max_receive_message_length", MESSAGE_LIMIT),
        ("grpc.max_send_message_length", MESSAGE_LIMIT),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_retries", 0),
    ]
    if server_name:
        options.append(("grpc.ssl_target_name_override", server_name))
    return grpc.aio.secure_channel(trust.gateway(), trust.channel_credentials(), options=options)


def _report(batch: Batch, sequence: int) -> pb.StatusReport:
    return pb.StatusReport(
        sequence=sequence,
        applications=[convert.status_to_proto(s) for s in batch.statuses],
        drifts=[convert.drift_report_to_proto(d) for d in batch.drift_reports()],
        # The results are told with the status, of the newest; of the others it is the history that counts.
        finished_operations=[convert.operation_to_proto(o, results=False) for o in batch.operations],
    )


async def _each(chunks: list[pb.AnswerChunk]) -> AsyncIterator[pb.AnswerChunk]:
    for chunk in chunks:
        yield chunk


def _side(skew: float) -> str:
    return "ahead of" if skew > 0 else "behind"


def _words(error: Exception) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    return str(error)
