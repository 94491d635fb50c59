"""One event, from its headers to the message that a repository is to be asked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from starlette.requests import Request

from hub.access.audit import printable
from hub.api.door import Door
from hub.api.metrics import Telemetry
from hub.api.webhooks.intake import LIMIT, STRANGER_LIMIT, Intake
from hub.api.webhooks.proof import Signature, WebhookRefused
from hub.api.webhooks.providers import PROVIDERS, Provider, names_of, provider_of
from hub.api.webhooks.secrets import SecretsReader
from hub.api.webhooks.skim import SMALL, Unreadable, read
from hub.domain.webhook_secrets import WebhookSecrets
from hub.errors import HubError, TooManyRequests
from hub.pki.contract import Clock
from hub.pki.limits import Allowance
from hub.pki.refusals import DoorLog
from hub.store.bus import Bus

Outcome = Literal["asked", "ping", "ignored"]

STRANGERS_PER_MINUTE = 600
"""Events that nobody vouches for, from one address."""
STRANGERS_PER_REPOSITORY = 30
"""A minute. The poll finds what comes on top."""


class UnknownProvider(HubError):
    code = "webhook-unknown"
    status = 400


class UnreadableEvent(HubError):
    code = "webhook-unreadable"
    status = 400


class WebhookDesk:
    """Of one API process."""

    def __init__(self, bus: Bus, secrets: SecretsReader, telemetry: Telemetry, refusals: DoorLog, clock: Clock) -> None:
        self._bus = bus
        self._secrets = secrets
        self._telemetry = telemetry
        self._refusals = refusals
        self._clock = clock
        self._intake = Intake()
        self._strangers = Door(STRANGERS_PER_MINUTE)
        self._repositories = Allowance(STRANGERS_PER_REPOSITORY, timedelta(minutes=1))

    async def receive(self, request: Request, address: str) -> tuple[str, Outcome]:
        """Return whose event it is, and what was done about it. Raises WebhookRefused, UnknownProvider,
        UnreadableEvent, TooLarge, TooManyRequests, StoreUnavailable."""
        headers, query = request.headers, request.query_params
        provider = provider_of(headers, query)
        if provider is None:
            self._telemetry.webhook("unknown", "refused")
            raise UnknownProvider(
                "the event is of no provider that is known here: send it to /api/webhook?provider=NAME with one of "
                + ", ".join(PROVIDERS)
            )
        try:
            outcome = await self._handle(request, provider, headers, query, address)
        except WebhookRefused as error:
            self._telemetry.webhook(provider.name, "refused")
            await self._refusals.refused(
                "WebhookRefused", f"an event of {provider.name} from {printable(address) or '?'}: {error.message}"
            )
            raise
        except Exception:
            self._telemetry.webhook(provider.name, "failed")
            raise
        self._telemetry.webhook(provider.name, outcome)
        return provider.name, outcome

    async def _handle(
        self, request: Request, provider: Provider, headers: Mapping[str, str], query: Mapping[str, str], address: str
    ) -> Outcome:
        kind = provider.kind(headers)
        if kind == "ping" and provider.name == "bitbucketserver":
            # Sent when somebody tries the connection; it is not signed.
            return "ping"
        secrets = await self._secrets.read()
        proofs = [proof for proof in provider.proofs if proof.is_set(secrets)]
        if not proofs:
            self._strangers.take(address, self._clock())
        async with contextlib.AsyncExitStack() as turns:
            body = await self._proven(request, provider, secrets, turns)
            if kind != "push":
                return "ping" if kind == "ping" else "ignored"
            names = await _names(provider, body)
        return await self._tell(provider, names, is_stranger=not proofs)

    async def _proven(
        self, request: Request, provider: Provider, secrets: WebhookSecrets, turns: contextlib.AsyncExitStack
    ) -> bytearray:
        """Return the body of an event that shows all it has to. Raises WebhookRefused."""
        headers = request.headers
        proofs = [proof for proof in provider.proofs if proof.is_set(secrets)]
        begun = [(proof, proof.begin(headers, request.query_params, secrets)) for proof in proofs]
        signatures = [made for _, made in begun if made is not None]
        limit = LIMIT if proofs else STRANGER_LIMIT
        body = await self._intake.take(request, signatures, limit=limit, turns=turns)
        for proof, made in begun:
            if isinstance(proof, Signature) and made is not None:
                proof.check(headers, made)
        return body

    async def _tell(self, provider: Provider, names: list[str] | None, *, is_stranger: bool) -> Outcome:
        if names is None:
            return "ignored"
        if not names:
            raise UnreadableEvent(f"the event of {provider.name} names no repository")
        for name in names:
            if is_stranger and not self._repositories.take(name, self._clock()):
                raise TooManyRequests(
                    "too many events about this repository without a secret within a minute", retry_after=60.0
                )
            await self._bus.publish("pushes", name)
        return "asked"


async def _names(provider: Provider, body: bytearray) -> list[str] | None:
    """Raises UnreadableEvent."""
    try:
        if len(body) > SMALL:
            return names_of(provider, await asyncio.to_thread(read, body, provider.wanted))
        return names_of(provider, read(body, provider.wanted))
    except Unreadable as error:
        raise UnreadableEvent(
            f"the body is not what {provider.name} sends: JSON is wanted; choose application/json for the webhook"
        ) from error
