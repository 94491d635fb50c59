"""Secrets at rest: whoever reads the database, or its backup, holds no key of the fleet without the key file too.

AES-256-GCM under a key that is kept apart from the database. Every value is bound to its purpose, so that one sealed
value cannot be put in another's place, and carries the key's id, so that a wrong key file is told from a damaged value,
and that what was encrypted with an earlier key is read with that one.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.pki.keysource import KEY_BYTES, KeyFile, KeyFileError, KeySource

__all__ = ["KeyFileError", "SecretBox", "key_id"]

_VERSION = 1
_ID_BYTES = 8
_NONCE_BYTES = 12
_TAG_BYTES = 16
_ASKED_AGAIN_SECONDS = 60.0
"""Between two times that a source without a stamp is asked whether it has a key that is not known."""


class SecretBox:
    """Safe to use from several threads."""

    def __init__(
        self,
        key: bytes,
        origin: str = "the key given",
        *,
        source: KeySource | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`key` is 32 bytes; `origin` names where it came from, for messages; `source` has others as well."""
        if len(key) != KEY_BYTES:
            raise KeyFileError(f"{origin} must hold {KEY_BYTES} bytes, not {len(key)}")
        self._origin = origin
        self._source = source
        self._clock = clock
        self._lock = threading.Lock()
        self._stamp: object = None
        self._asked_at = float("-inf")
        self._take([key])

    @classmethod
    def open(cls, path: Path) -> SecretBox:
        """Read the key file, making it first when there is none. Raises KeyFileError."""
        return cls.of(KeyFile(path))

    @classmethod
    def of(cls, source: KeySource, *, clock: Callable[[], float] = time.monotonic) -> SecretBox:
        """Raises KeyFileError."""
        stamp = source.stamp()
        keys = source.read()
        box = cls(keys[0], source.origin, source=source, clock=clock)
        box._take(keys)
        # Of a file that this has just made there was none before.
        box._stamp = stamp if stamp is not None else source.stamp()
        return box

    @classmethod
    def with_keys(cls, keys: Sequence[bytes], origin: str = "the keys given") -> SecretBox:
        """Encrypt with the first of these keys, whatever becomes of where they are from."""
        box = cls(keys[0], origin)
        box._take(keys)
        return box

    @property
    def ids(self) -> list[str]:
        """Name the keys: the one that is encrypted with, and those before it."""
        return [id.hex() for id in self._ciphers]

    def seal(self, plaintext: bytes, purpose: str) -> bytes:
        """Raises KeyFileError when the source has changed, and what is there now is no key."""
        if self._source is not None and self._source.stamp() != self._stamp:
            self._reload()
        id, cipher = next(iter(self._ciphers.items()))
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return bytes([_VERSION]) + id + nonce + cipher.encrypt(nonce, plaintext, purpose.encode())

    def unseal(self, sealed: bytes, purpose: str) -> bytes:
        """Give back what was sealed for this purpose. Raises KeyFileError."""
        start = 1 + _ID_BYTES
        if len(sealed) < start + _NONCE_BYTES + _TAG_BYTES or sealed[0] != _VERSION:
            raise KeyFileError(f"the stored secret {purpose} is damaged: restore the database from a backup")
        cipher = self._cipher(sealed[1:start])
        if cipher is None:
            raise KeyFileError(
                f"the stored secret {purpose} was encrypted with key {sealed[1:start].hex()}, but {self._origin} "
                f"holds key {', '.join(self.ids)}: put the right key file back; it belongs with the database's backups"
            )
        nonce, body = sealed[start : start + _NONCE_BYTES], sealed[start + _NONCE_BYTES :]
        try:
            return cipher.decrypt(nonce, body, purpose.encode())
        except InvalidTag as error:
            raise KeyFileError(
                f"the stored secret {purpose} is damaged, or belongs elsewhere: restore the database from a backup"
            ) from error

    def reseal(self, sealed: bytes, purpose: str) -> bytes:
        """Encrypt again, with the key that is encrypted with now. Raises KeyFileError."""
        return self.seal(self.unseal(sealed, purpose), purpose)

    def _cipher(self, id: bytes) -> AESGCM | None:
        """Return the cipher of a key. Another process may have changed the keys since they were read."""
        found = self._ciphers.get(id)
        if found is None and self._source is not None and self._may_ask():
            self._reload()
            found = self._ciphers.get(id)
        return found

    def _may_ask(self) -> bool:
        if self._source is None:
            return False
        stamp = self._source.stamp()
        if stamp is not None:
            return stamp != self._stamp
        return self._clock() - self._asked_at >= _ASKED_AGAIN_SECONDS

    def _reload(self) -> None:
        if self._source is None:
            return
        with self._lock:
            self._asked_at = self._clock()
            stamp = self._source.stamp()
            self._take(self._source.read())
            self._stamp = stamp

    def _take(self, keys: Sequence[bytes]) -> None:
        self._ciphers = {bytes.fromhex(key_id(key)): AESGCM(key) for key in keys}


def key_id(key: bytes) -> str:
    """Name a key without telling it, in hex."""
    return hashlib.sha256(b"escadre/v1/key-id\x00" + key).digest()[:_ID_BYTES].hex()
