"""A disk small enough to be filled: a tmpfs in a user and mount namespace of its own, where programs are run.

Nothing is mounted where others see it, no privilege is needed, and all of it is gone with the process that holds the
namespace, which ends with the test run, however that ends.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lives import Deed

_HOLD = 'mount -t tmpfs -o "size=$1,mode=0700" none "$2" && echo mounted && exec cat'
_STEP = 64 * 1024


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """`path` is where programs that run in it find it."""

    path: Path
    pid: int
    """Of the process that holds the namespaces."""

    @property
    def prefix(self) -> tuple[str, ...]:
        """What to put before a command to run it where the disk is."""
        namespaces = ("--user", "--mount", "--preserve-credentials", f"--target={self.pid}")
        return ("nsenter", *namespaces, f"--wd={self.path.parent}", "--")

    @property
    def deed(self) -> Deed:
        """The same for a process that is no command: see `tests.lives`."""
        return "tests.faults.smalldisk:enter", {"pid": self.pid, "directory": str(self.path.parent)}

    @property
    def seen(self) -> Path:
        """The disk, as seen from outside."""
        return Path(f"/proc/{self.pid}/root{self.path}")

    @property
    def free(self) -> int:
        """Bytes."""
        found = os.statvfs(self.seen)
        return found.f_bavail * found.f_frsize

    def fill(self) -> None:
        """Leave not one block; what was left or made free meanwhile, too."""
        with (self.seen / "ballast").open("ab", buffering=0) as file:
            while self.free:
                try:
                    file.write(bytes(min(_STEP, self.free)))
                except OSError:
                    return

    def make_room(self) -> None:
        (self.seen / "ballast").unlink()


def enter(given: dict[str, Any]) -> None:
    """Go where the disk is, from {"pid": of who holds the namespaces, "directory": where to work there}."""
    libc = ctypes.CDLL(None, use_errno=True)
    for namespace in ("user", "mnt"):
        with open(f"/proc/{given['pid']}/ns/{namespace}") as file:
            if libc.setns(file.fileno(), 0):
                raise OSError(ctypes.get_errno(), f"{namespace} namespace")
    os.chdir(given["directory"])


@contextmanager
def small_disk(path: Path, mebibytes: int) -> Iterator[SmallDisk]:
    """Make the directory, and a disk of that size on it, while the context lasts."""
    path.mkdir(parents=True)
    command = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _HOLD, "sh", f"{mebibytes}m", str(path))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as holder:
        assert holder.stdin is not None and holder.stdout is not None and holder.stderr is not None
        try:
            if holder.stdout.readline() != b"mounted\n":
                said = holder.stderr.read().decode(errors="replace").strip()
                raise AssertionError(
                    f"no small disk can be made: {said}. Needed is a kernel that lets this user have user namespaces"
                    " (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone,"
                    " kernel.apparmor_restrict_unprivileged_userns), or root"
                )
            yield SmallDisk(path, holder.pid)
        finally:
            holder.kill()
