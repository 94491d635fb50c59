"""The render worker: a process that renders one task after another, and can be killed at any point of it.

It is started as `python -m hub.render.worker`, with an environment made from nothing. It imports no more than rendering
needs: it is started again after every task that went wrong.
"""

from __future__ import annotations

import gc
import io
import os
import pickle
import sys
import traceback
from dataclasses import asdict
from pathlib import Path

from hub.render.sandbox import Bounds, enter
from hub.render.wire import TASK_LENGTH, Setup, encode_error, encode_hello, encode_outcome

_SPARE = 64 * 1024 * 1024
"""What a worker may write to one file beyond what it may read and put out."""


def main() -> None:
    requests, replies = _claimed_channels()
    setup: Setup = pickle.loads(_received(requests) or b"")  # noqa: S301 - the hub's own, see hub.render.wire
    limits = setup.limits
    isolation = enter(
        Bounds(
            parent=setup.parent,
            memory_bytes=limits.memory_bytes,
            file_bytes=limits.input_bytes + limits.output_bytes + _SPARE,
            scratch=Path(setup.scratch),
            hidden=setup.hidden,
            readable=setup.readable,
        )
    )
    os.chdir(setup.scratch)
    from hub.render.errors import RenderError
    from hub.render.execute import execute

    gc.freeze()
    _send(replies, encode_hello(asdict(isolation)))
    while content := _received(requests):
        try:
            reply = encode_outcome(execute(pickle.loads(content), setup), _peak_rss())  # noqa: S301
        except RenderError as error:
            reply = encode_error(error, _peak_rss())
        except Exception:
            # Unforeseen: the hub logs the traceback, starts another worker, and fails this render alone.
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        _send(replies, reply)


def _claimed_channels() -> tuple[io.BufferedReader, int]:
    """Take the channel for this module alone: what a library prints goes to the log."""
    replies = os.dup(1)
    os.dup2(2, 1)
    requests = os.fdopen(os.dup(0), "rb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return requests, replies


def _received(requests: io.BufferedReader) -> bytes:
    """Return the next message; empty when the hub has closed the channel."""
    length = requests.read(TASK_LENGTH.size)
    if len(length) < TASK_LENGTH.size:
        return b""
    return requests.read(TASK_LENGTH.unpack(length)[0])


def _send(replies: int, pieces: list[bytes]) -> None:
    for piece in pieces:
        view = memoryview(piece)
        while view:
            view = view[os.write(replies, view) :]


def _peak_rss() -> int:
    """Bytes of the most memory this process has had resident; 0 where the kernel does not tell.

    Not `getrusage`, whose figure a process inherits from the one that started it: under a large hub every worker would
    seem too large.
    """
    try:
        status = Path("/proc/self/status").read_bytes()
    except OSError:
        return 0
    _, found, rest = status.partition(b"VmHWM:")
    return int(rest.split(None, 1)[0]) * 1024 if found else 0


if __name__ == "__main__":
    main()
