"""Takes an event's body in: bounded in size, in time, and in how many large ones are taken at once."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import Sequence

from starlette.requests import Request

from hub.api.errors import RequestTimeout
from hub.api.turns import Turns
from hub.api.webhooks.skim import SMALL
from hub.errors import HubError, TooLarge

LIMIT = 50 * 1024 * 1024
STRANGER_LIMIT = SMALL
"""For what nobody vouches for."""
SECONDS = 60.0


class ClientLeft(HubError):
    """In the middle of the body: there is nobody to answer."""

    code = "bad-request"
    status = 400


class Intake:
    def __init__(self, *, seconds: float = SECONDS) -> None:
        self._large = Turns(2, 8, "large events are being taken in")
        self._seconds = seconds

    async def take(
        self, request: Request, signatures: Sequence[hmac.HMAC], *, limit: int, turns: contextlib.AsyncExitStack
    ) -> bytearray:
        """Return the body, which is given to the signatures as it comes. A large one has its turn until `turns` is
        closed. Raises TooLarge, TooManyRequests, RequestTimeout, ClientLeft."""
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > limit:
            raise _too_large(limit)
        body = bytearray()
        has_turn = False
        try:
            async with asyncio.timeout(self._seconds):
                while True:
                    message = await request.receive()
                    if message["type"] != "http.request":
                        raise ClientLeft("the event broke off in the middle")
                    part = message.get("body", b"")
                    if len(body) + len(part) > limit:
                        raise _too_large(limit)
                    if len(body) + len(part) > SMALL and not has_turn:
                        # While it waits, nothing more is read from the connection.
                        await turns.enter_async_context(self._large.turn())
                        has_turn = True
                    body += part
                    for signature in signatures:
                        signature.update(part)
                    if not message.get("more_body", False):
                        return body
        except TimeoutError as error:
            raise RequestTimeout(f"the event's body did not arrive within {self._seconds:.0f} s") from error


def _too_large(limit: int) -> TooLarge:
    more = "" if limit == LIMIT else "; more are taken where the provider's secret is set"
    return TooLarge(f"the event is larger than {limit:,} bytes, which is all that is taken here{more}")
