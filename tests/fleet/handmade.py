"""Clients of the gateway made by hand, which say what no agent of ours would: real gRPC over real mutual TLS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc

from escadre.v1 import agent_pb2 as pb
from escadre.v1 import agent_pb2_grpc as rpc
from hub.domain.cluster import Cluster
from hub.pki.authority import IssuedCertificate
from hub.server import Hub
from tests.pki.support import AgentKey

SECONDS = 10.0
MIB = 1024 * 1024


@dataclass
class Identity:
    """A cluster's certificate, as the hub's authority issued it."""

    cluster: Cluster
    key: AgentKey
    issued: IssuedCertificate
    authorities: bytes

    def credentials(self) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(self.authorities, self.key.pem, self.issued.pem)


async def enrol(hub: Hub, name: str) -> Identity:
    """Add a cluster and issue its certificate."""
    cluster = Cluster(f"uid-{name}", name)
    await hub.store.add_cluster(cluster)
    key = AgentKey()
    issued = await hub.trust.pki.issue_from_csr(cluster.uid, key.request())
    return Identity(cluster, key, issued, hub.trust.certificate.current.client_authorities)


@dataclass
class Client:
    """One connection to one gateway."""

    channel: grpc.aio.Channel
    stub: Any
    call: Any = None
    heard: list[pb.HubMessage] = field(default_factory=list)

    def open(self) -> None:
        self.call = self.stub.Connect()

    async def say(self, **body: Any) -> None:
        await asyncio.wait_for(self.call.write(pb.AgentMessage(**body)), SECONDS)

    async def hello(self, **values: Any) -> pb.HubMessage:
        """Open the stream, say hello and return the first message."""
        self.open()
        await self.say(hello=pb.Hello(**({"protocol": 1} | values)))
        return await self.next()

    async def next(self) -> pb.HubMessage:
        """Return the next message. Raises EOFError at the end of the stream, AioRpcError when it was refused."""
        message: pb.HubMessage = await asyncio.wait_for(self.call.read(), SECONDS)
        if message is grpc.aio.EOF:
            raise EOFError(f"{await self.call.code()} {await self.call.details()}")
        self.heard.append(message)
        return message

    async def until(self, kind: str) -> Any:
        """Read on to the next message of a kind, and return what is in it."""
        while True:
            message = await self.next()
            if message.WhichOneof("body") == kind:
                return getattr(message, kind)

    async def ended(self) -> tuple[grpc.StatusCode, str]:
        """Read to the end of the stream; returns how it ended."""
        try:
            while await asyncio.wait_for(self.call.read(), SECONDS) is not grpc.aio.EOF:
                pass
        except grpc.aio.AioRpcError as error:
            return error.code(), error.details() or ""
        return await self.call.code(), await self.call.details()

    async def fetch(self, digests: Iterable[bytes]) -> list[pb.BlobChunk]:
        request = pb.FetchBlobsRequest(digests=list(digests))
        return [chunk async for chunk in self.stub.FetchBlobs(request, timeout=SECONDS)]

    async def close(self) -> None:
        if self.call is not None:
            self.call.cancel()
        await self.channel.close()


class Clients:
    """Opens clients, and closes them all."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._open: list[Client] = []

    def dial(self, identity: Identity, *, port: int = 0, options: Iterable[tuple[str, Any]] = ()) -> Client:
        target = f"localhost:{port or self.hub.agent_port}"
        given = [
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_receive_message_length", 64 * MIB),
            ("grpc.max_send_message_length", 64 * MIB),
            *options,
        ]
        channel = grpc.aio.secure_channel(target, identity.credentials(), options=given)
        client = Client(channel, rpc.AgentLinkStub(channel))  # type: ignore[no-untyped-call]  # generated code
        self._open.append(client)
        return client

    async def join(self, name: str, **hello: Any) -> Client:
        """Enrol a cluster, connect for it and read its welcome."""
        client = self.dial(await enrol(self.hub, name))
        assert (await client.hello(**hello)).HasField("welcome")
        return client

    async def close(self) -> None:
        for client in self._open:
            await client.close()


async def chunks(*parts: pb.AnswerChunk) -> AsyncIterator[pb.AnswerChunk]:
    for part in parts:
        yield part
