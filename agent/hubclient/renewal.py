"""Keeps the certificate fresh: renewed at a random point in its last third, and the way back once it has run out, or is
refused for another reason: the hub's clock, or its memory, may be another one than when it was issued."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
import time
from datetime import UTC, datetime
from typing import Protocol

import grpc

from agent.errors import AgentError
from agent.hubclient.enrol import Enroller
from agent.hubclient.identity import Identity
from agent.hubclient.link import channel_to
from agent.hubclient.refused import certificate_refused
from escadre.v1 import agent_pb2 as pb
from escadre.v1 import agent_pb2_grpc as rpc

log = logging.getLogger(__name__)

SHORTEST_RETRY_SECONDS = 5.0
LONGEST_RETRY_SECONDS = 300.0
CALL_SECONDS = 30.0
CHECK_SECONDS = 60.0
"""A sleeping machine's timers stand still: the clock is looked at this often at least."""


class Connection(Protocol):
    """The link, as far as certificates concern it."""

    turned_away: asyncio.Event
    """Set when a connection was not had, for whatever reason."""

    def reconnect(self) -> None:
        """Open a new stream, with the certificate that is now on disk."""


async def keep_renewed(enroller: Enroller, identity: Identity, link: Connection) -> None:
    """Renew for ever. After each renewal the link opens a new stream with the new certificate."""
    due = identity.renewal_at(random.random)
    asked = -math.inf
    while True:
        turned_away = link.turned_away.is_set() and time.monotonic() - asked > LONGEST_RETRY_SECONDS
        link.turned_away.clear()
        refused = turned_away and await certificate_refused(identity)
        now = datetime.now(UTC)
        if not refused and not identity.renewal_needed(now, due):
            await _wait(link.turned_away, min(max((due - now).total_seconds(), 0.1), CHECK_SECONDS))
            continue
        try:
            if refused:
                log.warning("the hub refuses this agent's certificate; asking for another")
                asked = time.monotonic()
                await enroller.recover(identity)
            else:
                await _renew(enroller, identity)
        except (AgentError, grpc.aio.AioRpcError) as error:
            log.warning("the certificate could not be renewed: %s; tried again", _words(error))
            await asyncio.sleep(_retry_seconds(identity))
            continue
        log.info("the certificate was renewed, until %s", identity.link.valid_until.isoformat(timespec="seconds"))
        due = identity.renewal_at(random.random)
        link.reconnect()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)


async def _renew(enroller: Enroller, identity: Identity) -> None:
    if datetime.now(UTC) >= identity.link.valid_until:
        await enroller.recover(identity)
        return
    csr = await enroller.renewal_request(identity)
    async with channel_to(identity) as channel:
        stub = rpc.AgentLinkStub(channel)  # type: ignore[no-untyped-call]  # generated code
        response = await stub.Renew(pb.RenewRequest(csr=csr), timeout=CALL_SECONDS)
    keys = {k.id: k.public_key for k in response.trust.signing_keys}
    identity.update_trust(list(response.trust.authorities), keys, response.trust.digest.hex())
    await enroller.install_renewal(identity, response.certificate, list(response.chain))


def _retry_seconds(identity: Identity) -> float:
    """A tenth of what is left of the certificate, so that a short-lived one is not missed by waiting."""
    left = (identity.link.valid_until - datetime.now(UTC)).total_seconds()
    wait = min(max(left / 10, SHORTEST_RETRY_SECONDS), LONGEST_RETRY_SECONDS)
    return wait * random.uniform(0.5, 1.0)  # noqa: S311 - jitter


def _words(error: Exception) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    return str(error) or type(error).__name__
