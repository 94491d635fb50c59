"""Passwords: what one must be, and their argon2id hashes.

A hash takes 64 MiB and tens of milliseconds on purpose, so it is computed in a thread, two at a time, and only so
many may wait: a flood of logins costs the hub's other work nothing.
"""

from __future__ import annotations

import asyncio
import secrets
import unicodedata

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError

from hub.errors import Invalid, TooManyRequests

MIN_LENGTH = 8
MAX_LENGTH = 128
_PARALLEL = 2
_WAITING = 32


class Passwords:
    def __init__(self, hasher: PasswordHash | None = None) -> None:
        self._hasher = hasher or PasswordHash.recommended()
        self._slots = asyncio.Semaphore(_PARALLEL)
        self._waiting = 0
        self._decoy = ""

    async def hash(self, password: str) -> str:
        """Return the hash to store. Raises TooManyRequests."""
        return await self._in_thread(password, None) or ""

    async def verify(self, password: str, hash: str | None) -> tuple[bool, str | None]:
        """Return whether it is the password, and a new hash when the stored one was made with older parameters.

        With no hash, because there is no such account, it takes as long and is False. Raises TooManyRequests.
        """
        if len(password) > MAX_LENGTH:
            return False, None
        if hash is None:
            self._decoy = self._decoy or await self.hash(secrets.token_urlsafe())
        updated = await self._in_thread(password, hash or self._decoy)
        return updated is not None and hash is not None, updated or None

    async def _in_thread(self, password: str, hash: str | None) -> str | None:
        """Hash when there is no hash; else verify: None when it is wrong, "" or a better hash when it is right."""
        if self._waiting >= _WAITING:
            raise TooManyRequests("too many logins at the same time: try again", code="busy", retry_after=2.0)
        self._waiting += 1
        try:
            async with self._slots:
                return await asyncio.to_thread(self._work, unicodedata.normalize("NFC", password), hash)
        finally:
            self._waiting -= 1

    def _work(self, password: str, hash: str | None) -> str | None:
        if hash is None:
            return self._hasher.hash(password)
        try:
            right, updated = self._hasher.verify_and_update(password, hash)
        except UnknownHashError:
            return None
        return (updated or "") if right else None


def generate_password() -> str:
    """Return 24 characters that nobody guesses."""
    return secrets.token_urlsafe(18)


def check_password(password: str, account: str) -> None:
    """Raises Invalid when it will not do as the account's password."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise Invalid(f"a password has {MIN_LENGTH} to {MAX_LENGTH} characters", code="bad-password")
    if not password.isprintable():
        raise Invalid("a password has no control characters", code="bad-password")
    if password.casefold() == account.casefold() or len(set(password)) < 4:
        raise Invalid("this password is too easy to guess: choose another one", code="bad-password")
