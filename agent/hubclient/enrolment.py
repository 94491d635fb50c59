"""Before the link: an identity, from the data directory or by joining, and a certificate that has not run out."""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import UTC, datetime
from pathlib import Path

from agent.errors import ConfigError, EnrolmentError
from agent.hubclient.enrol import Enroller, token_mark
from agent.hubclient.identity import Identity

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
TOKEN_LIMIT = 512


async def ensure_enrolled(
    enroller: Enroller, directory: Path, *, hub: str, ca_pin: str, token_file: Path | None, gateway: str = ""
) -> Identity:
    """Return the identity in the directory, joining first when there is none.

    A hub that does not answer is asked again for ever, for the agent may be started before it. Raises ConfigError,
    EnrolmentError when the hub refuses, StorageError.
    """
    identity = Identity.load(directory)
    if identity is None:
        token = _read_token(token_file)
        identity = await _join(enroller, directory, hub=hub, ca_pin=ca_pin, token=token)
        log.info("joined the hub at %s as cluster %s", hub, identity.link.cluster)
    elif token_file is not None and hub and ca_pin:
        identity = await _rejoin(enroller, directory, identity, hub=hub, ca_pin=ca_pin, token_file=token_file)
    if gateway:
        identity.gateway_override = gateway
    return identity


async def _rejoin(
    enroller: Enroller, directory: Path, identity: Identity, *, hub: str, ca_pin: str, token_file: Path
) -> Identity:
    """Join anew when the operator has put another token there: the way in after a revocation, or a removal and a new
    registration. A token that is refused, or a hub that is away, changes nothing."""
    try:
        token = _read_token(token_file)
    except ConfigError:
        return identity
    if token_mark(token) == identity.link.joined_with:
        return identity
    try:
        identity = await enroller.enrol(directory, hub=hub, ca_pin=ca_pin, token=token)
    except EnrolmentError as error:
        log.warning("the new token was not taken (%s); going on as cluster %s", error, identity.link.cluster)
        return identity
    log.info("joined the hub at %s anew, as cluster %s", hub, identity.link.cluster)
    return identity


async def _join(enroller: Enroller, directory: Path, *, hub: str, ca_pin: str, token: str) -> Identity:
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return await enroller.enrol(directory, hub=hub, ca_pin=ca_pin, token=token)
        except EnrolmentError as error:
            if not error.retryable:
                raise
            log.warning("joining: %s; tried again", error)
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


async def recover_if_expired(enroller: Enroller, identity: Identity) -> None:
    """Take the way back when the certificate has run out while the agent was off. Failures are left to renewal, which
    tries again: the cluster is kept as assigned meanwhile."""
    if datetime.now(UTC) < identity.link.valid_until:
        return
    try:
        await enroller.recover(identity)
        log.info("the certificate had expired; the hub gave a new one")
    except EnrolmentError as error:
        log.warning("the certificate has expired: %s", error)


def _read_token(path: Path | None) -> str:
    if path is None:
        raise ConfigError("this agent is not enrolled yet: --token-file is needed")
    try:
        with path.open(encoding="utf-8") as file:
            token = file.read(TOKEN_LIMIT + 1).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the token file {path} cannot be read: {error}") from error
    if not token:
        raise ConfigError(f"the token file {path} is empty")
    return token
