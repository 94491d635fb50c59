"""Private keys at rest: whoever reads the database, or its backup, holds no key of the fleet without the key file too.

AES-256-GCM under a key that is kept apart from the database. Every value is bound to its purpose, so that one sealed
value cannot be put in another's place, and carries the key's id, so that a wrong key file is told from a damaged value.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
import stat
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.errors import HubError

_VERSION = 1
_KEY_BYTES = 32
_ID_BYTES = 8
_NONCE_BYTES = 12
_TAG_BYTES = 16
_HEADER = "escadre-key-1:"
_MAX_FILE = 4096


class KeyFileError(HubError):
    """The key file is missing, unreadable, or not the one the stored keys were encrypted with."""

    code = "key-file"


class SecretBox:
    def __init__(self, key: bytes, origin: str = "the key given") -> None:
        """`key` is 32 bytes; `origin` names where it came from, for messages."""
        if len(key) != _KEY_BYTES:
            raise KeyFileError(f"{origin} must hold {_KEY_BYTES} bytes, not {len(key)}")
        self._cipher = AESGCM(key)
        self._origin = origin
        self._id = hashlib.sha256(b"escadre/v1/key-id\x00" + key).digest()[:_ID_BYTES]

    @classmethod
    def open(cls, path: Path) -> SecretBox:
        """Read the key file, making it first when there is none. Raises KeyFileError."""
        try:
            if not path.exists():
                _create(path)
            return cls(_read(path), f"the key file {path}")
        except OSError as error:
            raise KeyFileError(f"cannot read or write the key file {path}: {error.strerror}") from error

    def seal(self, plaintext: bytes, purpose: str) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return bytes([_VERSION]) + self._id + nonce + self._cipher.encrypt(nonce, plaintext, purpose.encode())

    def unseal(self, sealed: bytes, purpose: str) -> bytes:
        """Give back what was sealed for this purpose. Raises KeyFileError."""
        start = 1 + _ID_BYTES
        if len(sealed) < start + _NONCE_BYTES + _TAG_BYTES or sealed[0] != _VERSION:
            raise KeyFileError(f"the stored secret {purpose} is damaged: restore the database from a backup")
        if sealed[1:start] != self._id:
            raise KeyFileError(
                f"the stored secret {purpose} was encrypted with key {sealed[1:start].hex()}, but {self._origin} "
                f"holds key {self._id.hex()}: put the right key file back; it belongs with the database's backups"
            )
        nonce, body = sealed[start : start + _NONCE_BYTES], sealed[start + _NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, body, purpose.encode())
        except InvalidTag as error:
            raise KeyFileError(
                f"the stored secret {purpose} is damaged, or belongs elsewhere: restore the database from a backup"
            ) from error


def _create(path: Path) -> None:
    """Write a new key. Of several processes that start at once the first one's stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    text = _HEADER + base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode() + "\n"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            return
        _sync_directory(path.parent)
    finally:
        temporary.unlink()


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise KeyFileError(f"the key file {path} is not a file")
        if status.st_mode & (stat.S_IRWXO | stat.S_IWGRP):
            raise KeyFileError(f"the key file {path} is open to others: chmod 600 {path} (640 when a group reads it)")
        text = file.read(_MAX_FILE + 1)
    try:
        header, encoded = text[: len(_HEADER)].decode("ascii"), text[len(_HEADER) :].strip()
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, UnicodeDecodeError):
        header, key = "", b""
    if header != _HEADER or len(key) != _KEY_BYTES:
        raise KeyFileError(f"the key file {path} does not hold a key: it is one line, {_HEADER}<base64 of 32 bytes>")
    return key
