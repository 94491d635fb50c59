"""The agents' port: gRPC over mutual TLS, whose certificate and authorities change while it serves."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc

from escadre.v1 import agent_pb2 as pb
from hub.errors import Unavailable
from hub.fleet.gateway import Gateway

log = logging.getLogger(__name__)

MESSAGE_LIMIT = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """PEM."""

    private_key: bytes
    certificate_chain: bytes
    client_authorities: bytes


class AgentListener:
    """Listens for agents."""

    def __init__(self, gateway: Gateway, identity: Callable[[], ServerIdentity]) -> None:
        self._gateway = gateway
        self._identity = identity
        self._served: ServerIdentity | None = None
        self._server: Any = None

    async def start(self, host: str, port: int) -> int:
        """Begin to serve; returns the port. Raises Unavailable when it is taken."""
        server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", MESSAGE_LIMIT),
                ("grpc.max_send_message_length", MESSAGE_LIMIT),
                ("grpc.max_concurrent_streams", 100),
                ("grpc.keepalive_time_ms", 60_000),
                ("grpc.keepalive_timeout_ms", 20_000),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
                ("grpc.so_reuseport", 0),
                # TLS has buffers of this size ready for each connection: by default 16 KB, 27 MB for 1,000 agents.
                ("grpc.tsi.max_frame_size", 4096),
            ]
        )
        server.add_generic_rpc_handlers((_handlers(self._gateway),))
        self._served = self._identity()
        credentials = grpc.dynamic_ssl_server_credentials(
            _configuration(self._served), self._fetch, require_client_authentication=True
        )
        try:
            bound: int = server.add_secure_port(f"{host}:{port}", credentials)
        except RuntimeError as error:
            raise Unavailable(f"port {port} for agents cannot be opened on {host}: is it taken?") from error
        await server.start()
        self._server = server
        return bound

    async def stop(self, grace: float) -> None:
        """Stop taking calls, and end the open ones after `grace` seconds."""
        if self._server is not None:
            await self._server.stop(grace)

    def _fetch(self) -> Any:
        """Called by gRPC at each handshake: the new configuration, or None to keep the one in use."""
        identity = self._identity()
        if identity is self._served:
            return None
        self._served = identity
        return _configuration(identity)


def _configuration(identity: ServerIdentity) -> Any:
    pairs = [(identity.private_key, identity.certificate_chain)]
    return grpc.ssl_server_certificate_configuration(pairs, root_certificates=identity.client_authorities)


def _serialize(message: Any) -> bytes:
    """Messages for many agents are encoded once, and pass through as they are."""
    if isinstance(message, bytes):
        return message
    encoded: bytes = message.SerializeToString()
    return encoded


def _handlers(gateway: Gateway) -> Any:
    return grpc.method_handlers_generic_handler(
        "escadre.v1.AgentLink",
        {
            "Connect": grpc.stream_stream_rpc_method_handler(gateway.connect, pb.AgentMessage.FromString, _serialize),
            "FetchBlobs": grpc.unary_stream_rpc_method_handler(
                gateway.fetch_blobs, pb.FetchBlobsRequest.FromString, pb.BlobChunk.SerializeToString
            ),
            "Answer": grpc.stream_unary_rpc_method_handler(
                gateway.answer, pb.AnswerChunk.FromString, pb.AnswerReceipt.SerializeToString
            ),
            "Renew": grpc.unary_unary_rpc_method_handler(
                gateway.renew, pb.RenewRequest.FromString, pb.RenewResponse.SerializeToString
            ),
        },
    )
