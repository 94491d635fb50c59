"""One control plane for all the worker processes of a test run.

A plane costs half a gigabyte and seconds of two cores, so workers share it. Whoever comes first has a *keeper* process
start it; every worker holds a shared lock on the file ``users`` for as long as it needs the plane; the keeper waits
for the exclusive lock, and stops the plane when it gets it. The kernel drops the lock of a worker that dies, so a
count can never be wrong and the plane never outlives the run.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from tests.controlplane.access import ClusterAccess
from tests.controlplane.build import BuildError
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.process import StartError

START_LIMIT = 110.0
"""Below the time limit of one test, so that the reason is shown and not only the clock."""
STOP_LIMIT = 15.0
POLL_EVERY = 0.05
ROOT = Path(__file__).parents[2]


class KeeperError(Exception):
    """The shared plane did not start; the message has what its keeper said."""


@contextlib.contextmanager
def shared_plane(directory: Path, *, workloads: bool) -> Iterator[ClusterAccess]:
    """The plane kept in ``directory``: started when nobody has one there, stopped when nobody uses it any more."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "users").open("a") as users:
        with _lock(directory / "starting"):
            # Waits here while the keeper of an earlier plane is stopping it.
            fcntl.flock(users, fcntl.LOCK_SH)
            if not _kept(directory):
                _start_keeper(directory, workloads)
        yield ClusterAccess.load(directory)
    _see_it_stopped(directory)


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[IO[str]]:
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle


def _try(path: Path, kind: int) -> bool:
    """Whether that lock could be had just now."""
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _kept(directory: Path) -> bool:
    # A shared lock is enough to ask with, and two who ask do not take each other for the keeper.
    return not _try(directory / "keeper", fcntl.LOCK_SH)


def _start_keeper(directory: Path, workloads: bool) -> None:
    (directory / "access.json").unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.controlplane.shared", str(directory)]
    log = directory / "keeper.log"
    # Its own process group: Ctrl-C is for the tests, which let go of the plane in their own time.
    keeper = os.posix_spawn(
        command[0],
        [*command, "--workloads"] if workloads else command,
        {**os.environ, "PYTHONPATH": str(ROOT)},
        setpgroup=0,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
    )
    deadline = time.monotonic() + START_LIMIT
    while not (directory / "access.json").exists():
        ended, _status = os.waitpid(keeper, os.WNOHANG)
        if ended:
            raise KeeperError(f"the shared control plane did not start:\n{log.read_text()}")
        if time.monotonic() > deadline:
            os.kill(keeper, signal.SIGKILL)  # its children die with it
            os.waitpid(keeper, 0)
            raise KeeperError(f"the shared control plane was not ready in {START_LIMIT:.0f} s:\n{log.read_text()}")
        time.sleep(POLL_EVERY)


def _see_it_stopped(directory: Path) -> None:
    """If this was the last user, return only when the processes are gone: a run leaves nothing behind."""
    deadline = time.monotonic() + STOP_LIMIT
    while _kept(directory) and time.monotonic() < deadline:
        users = directory / "users"
        others = not _try(users, fcntl.LOCK_EX) and _try(users, fcntl.LOCK_SH)
        if others:
            return
        time.sleep(POLL_EVERY)


def keep(directory: Path, *, workloads: bool) -> None:
    """Run a plane for as long as somebody holds the lock on ``users``."""
    # Who gets "users" after this must find "keeper" free, so that lock is let go first.
    with (directory / "users").open("a") as users, _lock(directory / "keeper"):
        # Without workloads too: namespaces that tests delete must really go.
        plane = ControlPlane.start(directory, workloads=workloads, controllers=True)
        try:
            fcntl.flock(users, fcntl.LOCK_EX)
        finally:
            (directory / "access.json").unlink(missing_ok=True)
            plane.stop()


def _end(_signal: int, _frame: Any) -> None:
    sys.exit(0)  # through keep()'s finally


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.controlplane.shared")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--workloads", action="store_true")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    try:
        keep(arguments.directory, workloads=arguments.workloads)
    except (BuildError, StartError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
