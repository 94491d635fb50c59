"""A TLS handshake and not a word more: what a server says when it breaks off is lost when more is sent to it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl

_SECONDS = 10.0
_ALERT_SECONDS = 1.0


async def shake_hands(host: str, port: int, context: ssl.SSLContext) -> None:
    """Connect, and wait a moment for what the server may say against it. Raises OSError, ssl.SSLError among them."""
    async with asyncio.timeout(_SECONDS):
        reader, writer = await asyncio.open_connection(host, port, ssl=context)
        try:
            # A server that wants a certificate says so after the handshake, one that wants none waits for a request.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.read(1), _ALERT_SECONDS)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
