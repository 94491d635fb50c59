"""What the tests need beyond Python is put there before they start, or the run ends saying how to put it there.

    python -m tests.setup

Nothing is left out for want of a component: a run that quietly skips PostgreSQL or Kubernetes proves nothing. As root,
on a machine with apt-get, system packages are installed; otherwise they are named. The control plane, Helm,
Kustomize and kubectl are built with Go once and kept in a cache (see ``tests.controlplane.build``).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.controlplane.build import BuildError, binaries
from tests.controlplane.process import StartError
from tests.postgres.server import find_program

INSTALL_LIMIT = 15 * 60.0
"""Seconds apt-get may take, with a slow mirror."""

BESIDE_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where servers are, and ordinary accounts do not look."""

Say = Callable[[str], None]


class SetupError(Exception):
    """Something is missing and could not be installed; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Need:
    """A program that a system package brings."""

    program: str
    package: str
    """Debian's and Ubuntu's name for it."""
    purpose: str
    only_root: bool = False


NEEDS = (
    Need("git", "git", "repositories over file, HTTP and SSH"),
    Need("sshd", "openssh-server", "repositories over SSH"),
    Need("ssh", "openssh-client", "repositories over SSH"),
    Need("ssh-keygen", "openssh-client", "repositories over SSH"),
    Need("initdb", "postgresql", "the store on PostgreSQL"),
    Need("postgres", "postgresql", "the store on PostgreSQL"),
    Need("unshare", "util-linux", "disks that are full"),
    Need("nsenter", "util-linux", "disks that are full"),
    Need("setpriv", "util-linux", "PostgreSQL, which does not run as root", only_root=True),
)


def find(program: str) -> str | None:
    """Return where a program is, or None: on PATH, beside it, or where Debian keeps PostgreSQL's."""
    found = shutil.which(program) or shutil.which(program, path=BESIDE_PATH)
    if found is None:
        try:
            found = find_program(program)
        except StartError:
            return None
    return found


def missing(needs: tuple[Need, ...] = NEEDS) -> list[Need]:
    root = os.geteuid() == 0
    return [need for need in needs if (root or not need.only_root) and find(need.program) is None]


def install(needs: list[Need], say: Say) -> None:
    """Install the packages that bring what is missing. Raises SetupError when that is not for us to do, or fails."""
    packages = sorted({need.package for need in needs})
    command = f"apt-get install {' '.join(packages)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        lines = [f"{need.program} is missing; the tests need it for {need.purpose}" for need in needs]
        raise SetupError("\n".join([*lines, f"On Debian and Ubuntu, as root: {command}"]))
    say(f"{command} (needed once)")
    _apt_get("update")
    _apt_get("install", "--yes", "--no-install-recommends", *packages)
    left = [need.program for need in missing(tuple(needs))]
    if left:
        raise SetupError(f"{', '.join(left)}: still not found after {command}")


def _apt_get(*arguments: str) -> None:
    command = ["apt-get", "-qq", *arguments]
    # Nobody is there to answer; and a server that a package brings is not to be started: the tests start their own.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=INSTALL_LIMIT, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise SetupError(f"`{' '.join(command)}` took more than {INSTALL_LIMIT:.0f} s and was ended") from None
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise SetupError(f"`{' '.join(command)}` failed (exit code {done.returncode}):\n{tail}")


def prepare(say: Say) -> None:
    """Make everything ready. Raises SetupError or BuildError."""
    absent = missing()
    if absent:
        install(absent, say)
    binaries(say)


def main() -> None:
    def say(line: str) -> None:
        print(f"setup: {line}", file=sys.stderr, flush=True)

    began = time.monotonic()
    try:
        prepare(say)
    except (SetupError, BuildError) as error:
        sys.exit(f"setup: {error}")
    say(f"everything the tests need is there ({time.monotonic() - began:.0f} s)")


if __name__ == "__main__":
    main()
