"""Keeps a render worker's hands off the hub's files, by Linux's Landlock.

Helm, Kustomize and libgit2 read whatever is in a repository: should one of them be made to open a file it has no
business with, the hub's keys could end up in somebody's manifests. So a worker may write below its own directory only,
and cannot open what lies below the hidden directories at all. Landlock knows only what to allow: everything beside the
way to a hidden directory is, then what is needed from inside it.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_EVERYTHING = (1 << 13) - 1
"""All that the first version of Landlock governs: the four above, and removing and making anything."""
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE


class _Ruleset(ctypes.Structure):
    _fields_ = (("handled_access_fs", ctypes.c_uint64),)


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def hide(hidden: Iterable[Path], readable: Iterable[Path], writable: Iterable[Path]) -> bool:
    """Restrict this process and its children. False when the kernel cannot; then nothing has changed.

    `readable` and `writable` may lie inside `hidden`. Needs PR_SET_NO_NEW_PRIVS.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    attributes = _Ruleset(_EVERYTHING)
    ruleset = libc.syscall(_CREATE_RULESET, ctypes.byref(attributes), ctypes.sizeof(attributes), 0)
    if ruleset < 0:
        return False
    try:
        for path in (*_beside([path.resolve() for path in hidden]), *readable):
            _allow(libc, ruleset, path, _READ)
        for path in (*writable, Path(os.devnull)):
            _allow(libc, ruleset, path, _EVERYTHING)
        return bool(libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _beside(hidden: list[Path]) -> Iterator[Path]:
    """Yield paths that together hold everything but what is hidden."""
    on_the_way = {above for path in hidden for above in path.parents}
    pending = [Path("/")]
    while pending:
        path = pending.pop()
        if path in hidden:
            continue
        if path in on_the_way:
            pending += _listed(path)
        else:
            yield path


def _listed(directory: Path) -> list[Path]:
    """Return a directory's entries but symlinks: they may lead to what is hidden, and what else they lead to is
    allowed by its own path."""
    try:
        return [path for path in directory.iterdir() if not path.is_symlink()]
    except OSError:
        return []


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, access: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        # What is not there, or not for this process, needs no permission.
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            access &= _OF_FILES
        rule = _PathBeneath(access, descriptor)
        libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(descriptor)
