"""Takes away from a render worker what rendering does not need, before it sees anything of a repository.

Called once, at the very start of a worker, while it has one thread. What the kernel does not permit is left out, and
`Isolation` says so; the hub logs it when it starts.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
from dataclasses import dataclass
from pathlib import Path

from hub.render.landlock import hide

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38

_OPEN_FILES = 512


@dataclass(frozen=True, slots=True)
class Isolation:
    network: bool
    """Whether the worker is in a network of its own, with nothing in it."""
    memory: bool
    """Whether its address space is limited."""
    files: bool
    """Whether it can open the hub's own files."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a worker is held to."""

    parent: int
    """The hub's process id."""
    memory_bytes: int
    file_bytes: int
    """Of any file it writes."""
    scratch: Path
    """The one directory it may write in."""
    hidden: tuple[Path, ...] = ()
    readable: tuple[Path, ...] = ()
    """Inside of hidden ones."""


def enter(bounds: Bounds) -> Isolation:
    """Isolate this process. Ends it when its parent, the hub, is already gone."""
    libc = ctypes.CDLL(None, use_errno=True)
    network = _leave_network(libc)
    # After the namespaces, which reset it: a worker must not outlive the hub.
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != bounds.parent:
        os._exit(0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    os.umask(0o077)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _limit(resource.RLIMIT_FSIZE, bounds.file_bytes)
    files = not hide(bounds.hidden, bounds.readable, (bounds.scratch,)) if bounds.hidden else True
    return Isolation(network=network, memory=_limit(resource.RLIMIT_AS, bounds.memory_bytes), files=files)


def die_with_parent() -> None:
    """For a child of a worker, between fork and exec."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


_LIBC = ctypes.CDLL(None)


def _leave_network(libc: ctypes.CDLL) -> bool:
    """Move into an empty network; in a user namespace of its own where the hub is not privileged."""
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            # Unmapped, the process still owns its files; only their owners read as nobody.
            with contextlib.suppress(OSError):
                Path("/proc/self", name).write_text(text)
        return True
    return bool(libc.unshare(_CLONE_NEWNET) == 0)


def _limit(kind: int, value: int) -> bool:
    try:
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))
    except (OSError, ValueError):
        return False
    return True
