"""A real gRPC listener with mutual TLS, as the gateway opens one, and real clients of it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
from cryptography import x509

from tests.pki.support import AgentKey, HubTrust

METHOD = "/test.Trust/WhoAmI"


def configuration(hub: HubTrust) -> grpc.ServerCertificateConfiguration:
    material = hub.server.current
    return grpc.ssl_server_certificate_configuration(
        [(material.private_key, material.certificate_chain)], material.client_authorities
    )


@asynccontextmanager
async def gateway(hub: HubTrust) -> AsyncIterator[int]:
    """Serve on the port given; answers with the uid of the calling cluster."""

    async def who_am_i(_: bytes, context: grpc.aio.ServicerContext) -> bytes:
        return hub.peer(context.auth_context()["x509_pem_cert"][0]).cluster.encode()

    credentials = grpc.dynamic_ssl_server_credentials(configuration(hub), lambda: configuration(hub), True)
    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(who_am_i)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Trust", {"WhoAmI": handler}),))
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


async def call(port: int, trusted: bytes, key: AgentKey | None = None, certificate: bytes | None = None) -> str:
    """Return the cluster the gateway takes the caller for. Raises ConnectionError when TLS or the gateway refuses."""
    credentials = grpc.ssl_channel_credentials(trusted, key.pem if key else None, certificate)
    async with grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel:
        try:
            answer: bytes = await channel.unary_unary(METHOD)(b"", timeout=20)
        except grpc.aio.AioRpcError as error:
            raise ConnectionError(f"{error.code().name}: {error.details()}") from error
    return answer.decode()


def served_leaf(port: int, trusted: bytes, directory: Path, key: AgentKey, certificate: bytes) -> x509.Certificate:
    """Return the certificate the gateway serves, verified as strictly as OpenSSL can."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(cadata=trusted.decode())
    context.set_alpn_protocols(["h2"])
    path = directory / "agent.pem"
    path.write_bytes(key.pem + certificate)
    context.load_cert_chain(path)
    with (
        socket.create_connection(("localhost", port), timeout=20) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as tls,
    ):
        der = tls.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der)
