"""Ctrl-C while modules are still being loaded, of which there are many.

Raised in the middle of an import it is a traceback, or a module of C takes it for a fault of its own. Nothing has been
asked for by then: the process is ended as the signal ends any other, and a shell tells 130.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def begin() -> bool:
    """Have Ctrl-C end the process. Returns whether that is anything else than before."""
    if threading.current_thread() is not threading.main_thread():
        return False
    # Who has it ignored, or takes it otherwise, has reasons.
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return False
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return True


def end(began: bool) -> None:
    if began:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def loading() -> Iterator[None]:
    """Around an import that comes later."""
    began = begin()
    try:
        yield
    finally:
        end(began)
