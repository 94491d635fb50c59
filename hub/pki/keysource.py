"""Where the keys come from that secrets are encrypted with: a file of the hub's own, or a program that asks whoever
keeps them, such as a cloud's key management.

Either gives lines of `escadre-key-1:<base64 of 32 bytes>`. The first is what is encrypted with from now on; the others
are what was encrypted with before, for as long as they are needed: so keys are changed without a moment in which
something cannot be read.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import shlex
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from hub.errors import HubError

KEY_BYTES = 32
MOST_KEYS = 8
_HEADER = "escadre-key-1:"
_MAX_TEXT = 4096
_COMMAND_SECONDS = 15.0


class KeyFileError(HubError):
    """The key file is missing, unreadable, or not the one the stored keys were encrypted with."""

    code = "key-file"


class KeySource(Protocol):
    @property
    def origin(self) -> str:
        """For messages."""
        ...

    def read(self) -> list[bytes]:
        """Return the keys, the one to encrypt with first. Raises KeyFileError."""
        ...

    def stamp(self) -> object:
        """Return something that is another when `read` may give others, at the cost of a look; None: not known."""
        ...


class KeyFile:
    """Made at the first use."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def origin(self) -> str:
        return f"the key file {self.path}"

    def read(self) -> list[bytes]:
        try:
            if not self.path.exists():
                self._create()
            return self._read()
        except OSError as error:
            raise KeyFileError(f"cannot read or write {self.origin}: {error.strerror}") from error

    def stamp(self) -> object:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def replace(self, keys: Sequence[bytes]) -> None:
        """Put other keys in the file's place, at once or not at all. Raises KeyFileError."""
        try:
            temporary = self._write_beside(keys)
            temporary.replace(self.path)
            _sync_directory(self.path.parent)
        except OSError as error:
            raise KeyFileError(
                f"{self.origin} cannot be replaced: {error.strerror}. Where it is mounted, put a new key in as its "
                "first line where it comes from, then run `escadre-hub secret-key reseal`"
            ) from error

    def _create(self) -> None:
        """Write a new key. Of several processes that start at once the first one's stays."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = self._write_beside([new_key()])
        try:
            self.path.hardlink_to(temporary)
        except FileExistsError:
            return
        finally:
            temporary.unlink()
        _sync_directory(self.path.parent)

    def _write_beside(self, keys: Sequence[bytes]) -> Path:
        temporary = self.path.with_name(f".{self.path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write("".join(f"{_HEADER}{base64.b64encode(key).decode()}\n" for key in keys))
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            temporary.unlink()
            raise
        return temporary

    def _read(self) -> list[bytes]:
        with self.path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise KeyFileError(f"{self.origin} is not a file")
            if status.st_mode & (stat.S_IRWXO | stat.S_IWGRP):
                raise KeyFileError(
                    f"{self.origin} is open to others: chmod 600 {self.path} (640 when a group reads it)"
                )
            return parse_keys(file.read(_MAX_TEXT + 1), self.origin)


class KeyCommand:
    """A program, without a shell, that prints the keys on its standard output, and says on the other what is wrong."""

    def __init__(self, command: str) -> None:
        """Raises KeyFileError."""
        try:
            self._arguments = shlex.split(command)
        except ValueError as error:
            raise KeyFileError(f"secret_key_command is no command: {error}") from error
        if not self._arguments:
            raise KeyFileError("secret_key_command names no program")

    @property
    def origin(self) -> str:
        return f"the key command {self._arguments[0]}"

    def read(self) -> list[bytes]:
        try:
            # The operator's own program, with the hub's environment: that is where it has its own credentials from.
            with subprocess.Popen(  # noqa: S603
                self._arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=None
            ) as process:
                try:
                    output, _ = process.communicate(timeout=_COMMAND_SECONDS)
                except subprocess.TimeoutExpired as error:
                    process.kill()
                    raise KeyFileError(f"{self.origin} did not end within {_COMMAND_SECONDS:g} s") from error
        except OSError as error:
            raise KeyFileError(f"{self.origin} cannot be run: {error.strerror}") from error
        if process.returncode != 0:
            raise KeyFileError(f"{self.origin} ended with exit code {process.returncode}: its own words are above")
        return parse_keys(output, self.origin)

    def stamp(self) -> object:
        return None


def new_key() -> bytes:
    return secrets.token_bytes(KEY_BYTES)


def parse_keys(text: bytes, origin: str) -> list[bytes]:
    """Read lines of keys. Raises KeyFileError, which shows nothing of them."""
    keys = []
    lines = [line for line in text.splitlines() if line.strip()]
    for line in lines:
        try:
            header, encoded = line[: len(_HEADER)].decode("ascii"), line[len(_HEADER) :].strip()
            key = base64.b64decode(encoded, validate=True)
        except (binascii.Error, UnicodeDecodeError):
            header, key = "", b""
        if header == _HEADER and len(key) == KEY_BYTES:
            keys.append(key)
    if not keys or len(keys) != len(lines) or len(text) > _MAX_TEXT:
        raise KeyFileError(f"{origin} does not hold a key: each line is {_HEADER}<base64 of 32 bytes>")
    if len(keys) > MOST_KEYS:
        raise KeyFileError(f"{origin} holds more than {MOST_KEYS} keys: see `escadre-hub secret-key forget`")
    return keys


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
