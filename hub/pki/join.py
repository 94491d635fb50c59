"""Join tokens: how an agent that has no certificate yet proves which cluster it was installed for.

`esc1.<cluster>.<secret>`: the middle part tells people which cluster a token is for; the secret is 32 random bytes, of
which only a hash is stored. A token is used once, within a day, for one cluster. An agent whose answer was lost on the
way may ask again with the same key; anybody else is told the same sentence whatever was wrong, and the event says what.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from hub.domain.pki import JoinToken
from hub.errors import Unauthenticated
from hub.pki.certificates import check_uid
from hub.pki.contract import Clock, PkiRecords, PkiSettings
from hub.pki.refusals import Caller, DoorLog

_PREFIX = "esc1"
_SECRET_BYTES = 32
_SHORT = 8
_TOKEN = re.compile(rf"{_PREFIX}\.([A-Za-z0-9]{{1,{_SHORT}}})\.([A-Za-z0-9_-]{{43}})", re.ASCII)

PUBLIC_MESSAGE = (
    "the join token is unknown, expired or already used: make a new one with `escadre cluster rotate-token NAME` "
    "and start the agent with it"
)


class JoinRefused(Unauthenticated):
    """`reason` is for the hub's own eyes: the caller is told PUBLIC_MESSAGE."""

    code = "join-token-refused"

    def __init__(self, reason: str) -> None:
        super().__init__(PUBLIC_MESSAGE)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Redeemed:
    cluster: str
    """The cluster's uid."""
    again: bool
    """The same key has used the token before: its answer was lost."""


class JoinTokens:
    def __init__(self, records: PkiRecords, door: DoorLog, clock: Clock, settings: PkiSettings) -> None:
        self._records = records
        self._door = door
        self._clock = clock
        self._settings = settings

    async def issue(self, cluster: str) -> str:
        """Make the cluster's one valid token, in place of an unused earlier one. It can be shown only now."""
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        expires_at = self._clock() + self._settings.join_token_validity
        await self._records.put_join_token(JoinToken(_hash(secret), check_uid(cluster), expires_at))
        return f"{_PREFIX}.{_short(cluster)}.{secret}"

    async def redeem(self, text: str, key_pin: str, caller: Caller) -> Redeemed:
        """Use a token for the agent with that public key. Raises JoinRefused, having recorded why; StoreUnavailable,
        after which the same agent may try again."""
        match = _TOKEN.fullmatch(text)
        if match is None:
            raise await self._refuse("JoinTokenMalformed", caller)
        short, secret = match.groups()
        token = await self._records.get_join_token(_hash(secret))
        if token is None:
            raise await self._refuse("JoinTokenUnknown", caller)
        if short != _short(token.cluster):
            raise await self._refuse("JoinTokenForAnotherCluster", caller, token)
        now = self._clock()
        if now >= token.expires_at:
            raise await self._refuse("JoinTokenExpired", caller, token)
        if token.used_at is None and await self._records.use_join_token(token.hash, now, key_pin):
            return Redeemed(token.cluster, again=False)
        # Used: before, or just now by another request that ran at the same time.
        used = await self._records.get_join_token(token.hash)
        if used is None or not hmac.compare_digest(used.used_by, key_pin):
            raise await self._refuse("JoinTokenReused", caller, token)
        return Redeemed(token.cluster, again=True)

    async def _refuse(self, reason: str, caller: Caller, token: JoinToken | None = None) -> JoinRefused:
        about = f" for cluster {token.cluster}" if token else ""
        message = f"refused a join token{about} from {caller}"
        await self._door.refused(reason, message, cluster=token.cluster if token else "")
        return JoinRefused(reason)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _short(cluster: str) -> str:
    return re.sub("[^A-Za-z0-9]", "", cluster)[:_SHORT]
