"""Standard input, whatever whoever started the program has made of it: a file, a directory, nothing."""

from __future__ import annotations

import io
import sys
from typing import Any

from hub.cli.errors import Misuse


class _Closed(io.RawIOBase):
    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        raise OSError("it is closed")


def closed_input() -> io.TextIOWrapper:
    """Return what stands for a standard input that is closed: no terminal, and no empty text either."""
    return io.TextIOWrapper(io.BufferedReader(_Closed()))


def read_input(most: int) -> bytes:
    """Return what there is, `most` bytes of it. Raises Misuse."""
    try:
        return sys.stdin.buffer.read(most)
    except OSError as error:
        raise Misuse(f"standard input cannot be read: {error.strerror or error}") from error
