"""A PostgreSQL server of one's own, on loopback, that can be killed and started again.

The server refuses to run as root; there it runs as ``nobody`` (or ``postgres``), in a directory that account owns.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from tests.controlplane.process import Process, StartError, free_port

START_LIMIT = 30.0
KILL_LIMIT = 10.0
USER = "escadre"

_MISSING = "PostgreSQL's {} is not installed: apt-get install postgresql, or put its directory on PATH"
_SETTINGS = {
    # The machine is not going to lose power during a test; the process is, and that needs no flush.
    "fsync": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "logging_collector": "off",
}


class PostgresServer:
    """Runs from ``start`` (or ``with``) to ``stop``; the data stays until ``remove``."""

    def __init__(self) -> None:
        initdb = find_program("initdb")
        self.port = free_port()
        self._directory = Path(tempfile.mkdtemp(prefix="escadre-postgres-"))
        self._data = self._directory / "data"
        self._process: Process | None = None
        try:
            self._initialise(initdb)
        except BaseException:
            self.remove()
            raise

    def _initialise(self, initdb: str) -> None:
        if os.geteuid() == 0:
            account = _unprivileged()
            os.chown(self._directory, account.pw_uid, account.pw_gid)
        command = [initdb, "-D", str(self._data), "-U", USER, "--auth=trust", "--no-sync"]
        done = subprocess.run(
            _as_unprivileged([*command, "--encoding=UTF8", "--locale=C"]),
            cwd=self._directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            raise StartError(f"initdb failed: {done.stderr.strip()}")

    def __enter__(self) -> PostgresServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        command = [find_program("postgres"), "-D", str(self._data), "-p", str(self.port), "-k", str(self._directory)]
        for name, value in _SETTINGS.items():
            command += ["-c", f"{name}={value}"]
        self._process = Process("postgres", _as_unprivileged(command), self._directory)
        self._process.wait_until(self._answers, "it answered", START_LIMIT)

    def stop(self) -> None:
        """Stop in order, breaking off what is connected."""
        if self._process is not None and self._process.running:
            os.kill(self._server_pid(), signal.SIGINT)
            deadline = time.monotonic() + KILL_LIMIT
            while self._process.running and time.monotonic() < deadline:
                time.sleep(0.02)
        self.kill()

    def kill(self) -> None:
        """End all of it at once, as a machine that fails does."""
        if self._process is None:
            return
        # Its children lead process groups of their own.
        pids = _children(self._process.pid)
        self._process.kill()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + KILL_LIMIT
        while any(map(_alive, pids)) and time.monotonic() < deadline:
            time.sleep(0.02)
        self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._directory, ignore_errors=True)

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """Make a database that lives as long as the context; yields its URL."""
        name = f"test_{secrets.token_hex(6)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield self.url(name)
        finally:
            with psycopg.connect(self.url(), autocommit=True) as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())

    def _server_pid(self) -> int:
        return int((self._data / "postmaster.pid").read_text().splitlines()[0])

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def find_program(name: str) -> str:
    """Find one of the server's programs. Raises StartError saying what to install."""
    found = shutil.which(name)
    if found is None:
        versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4]))
        found = str(versions[-1]) if versions else _beside_pg_config(name)
    if found is None:
        raise StartError(_MISSING.format(name))
    return found


def _beside_pg_config(name: str) -> str | None:
    tool = shutil.which("pg_config")
    if tool is None:
        return None
    directory = subprocess.run([tool, "--bindir"], check=True, capture_output=True, text=True).stdout.strip()
    return shutil.which(name, path=directory)


def _unprivileged() -> pwd.struct_passwd:
    for name in ("nobody", "postgres"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise StartError("PostgreSQL does not run as root, and there is no account nobody or postgres to run it as")


def _as_unprivileged(command: list[str]) -> list[str]:
    if os.geteuid() != 0:
        return command
    account = _unprivileged()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise StartError("PostgreSQL does not run as root, and setpriv is not installed: apt-get install util-linux")
    identity = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    # A change of account makes the kernel forget the tie to this process, so it is asked for again.
    return [setpriv, *identity, "--pdeathsig=KILL", *command]


def _children(parent: int) -> list[int]:
    children = Path(f"/proc/{parent}/task/{parent}/children")
    return [int(pid) for pid in children.read_text().split()] if children.exists() else []


def _alive(pid: int) -> bool:
    """Whether it runs; one that ended and was not yet waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
