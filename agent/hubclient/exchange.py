"""One JSON request to the hub's HTTPS port, bounded in size and time, and what each way of failing means.

Used a few times in an agent's life, before it has a certificate or when that has expired; the standard library is
enough, in a thread.
"""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
from dataclasses import dataclass
from typing import Any

import orjson

from agent.errors import ConfigError, EnrolmentError

MAX_ANSWER = 256 * 1024
_CLOCK_CODES = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_NAME_CODES = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH


@dataclass(frozen=True, slots=True)
class Address:
    """host:port of the hub's HTTPS port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read host:port, or [IPv6]:port. Raises ConfigError."""
    host, _, port = text.removeprefix("https://").rstrip("/").rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    plain = host.isascii() and host.isprintable() and not set(host) & set(" /@?#[]%\\")
    if not host or not plain or not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) < 65536:
        raise ConfigError(f"{text[:200]!r} is not an address: give host:port, such as hub.example.com:8443")
    return Address(host, int(port))


async def exchange(address: Address, method: str, path: str, context: ssl.SSLContext, body: Any, timeout: float) -> Any:
    """Send JSON (nothing when `body` is None) and return the JSON answer.

    Raises EnrolmentError, which says whether asking again may help; the body is in no message.
    """
    connection = http.client.HTTPSConnection(address.host, address.port, timeout=timeout, context=context)
    work = asyncio.get_running_loop().run_in_executor(None, _converse, connection, method, path, body)
    try:
        done, _ = await asyncio.wait({work}, timeout=timeout)
        if not done:
            raise EnrolmentError(f"the hub at {address} did not answer within {timeout:.0f} s", retryable=True)
        status, content = work.result()
    except ssl.SSLError as error:
        raise _tls_error(address, error) from error
    except TimeoutError as error:
        raise EnrolmentError(f"the hub at {address} did not answer within {timeout:.0f} s", retryable=True) from error
    except (OSError, http.client.HTTPException) as error:
        raise EnrolmentError(f"the hub at {address} cannot be reached: {_words(error)}", retryable=True) from error
    finally:
        if not work.done():
            _cut(connection)
            work.add_done_callback(_forget)
    return _answer(address, status, content)


def _converse(connection: http.client.HTTPSConnection, method: str, path: str, body: Any) -> tuple[int, bytes]:
    content = None if body is None else orjson.dumps(body)
    headers = {"Accept": "application/json"} | ({"Content-Type": "application/json"} if content else {})
    try:
        connection.request(method, path, content, headers)
        response = connection.getresponse()
        content = response.read(MAX_ANSWER + 1)
        if response.length and len(content) <= MAX_ANSWER:
            raise http.client.IncompleteRead(content, response.length)
        return response.status, content
    finally:
        connection.close()


def _cut(connection: http.client.HTTPSConnection) -> None:
    """End what the thread waits for. Below TLS, whose state is the thread's."""
    if isinstance(connection.sock, socket.socket):
        try:
            socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)
        except OSError:
            return  # it ended by itself meanwhile


def _forget(work: asyncio.Future[tuple[int, bytes]]) -> None:
    if not work.cancelled():
        work.exception()


def _answer(address: Address, status: int, content: bytes) -> Any:
    if len(content) > MAX_ANSWER:
        raise EnrolmentError(f"the hub at {address} sent more than {MAX_ANSWER} bytes: is this the hub's HTTPS port?")
    try:
        value = orjson.loads(content)
    except ValueError:
        value = None
    if status == 200 and value is not None:
        return value
    if status == 429 or status >= 500:
        raise EnrolmentError(f"the hub at {address} answered {status}: {_message(value)}", retryable=True)
    if status in (400, 401, 403, 409, 413, 422):
        raise EnrolmentError(f"the hub refused: {_message(value)}")
    raise EnrolmentError(f"{address} answered {status}, as no hub does: check the address and port of the hub")


def _message(value: Any) -> str:
    """Return what a hub's error body, {"error": {"message": …}}, says."""
    error = value.get("error") if isinstance(value, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    if not isinstance(message, str):
        return "it did not say why"
    return "".join(c for c in message[:300] if c.isprintable())


def _tls_error(address: Address, error: ssl.SSLError) -> EnrolmentError:
    if not isinstance(error, ssl.SSLCertVerificationError):
        return EnrolmentError(f"no TLS with {address}: {_words(error)}; is this the hub's HTTPS port?", retryable=True)
    if error.verify_code in _CLOCK_CODES:
        message = f"the certificate of {address} is not valid at this time: check the clocks here and on the hub"
        return EnrolmentError(message, retryable=True)
    if error.verify_code in _NAME_CODES:
        return EnrolmentError(
            f"the hub's certificate is not for {address.host}: use a name it has, or add this one to the hub's names"
        )
    return EnrolmentError(
        f"{address} has a certificate that this agent's hub did not issue ({error.verify_message}): something answers "
        "in its place, or the authority was replaced and the agent must join again with a new token"
    )


def _words(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return "".join(c for c in str(text)[:200] if c.isprintable())
