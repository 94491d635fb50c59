"""A hub and an agent as processes of their own, killed wherever a test says; Git and the cluster outlive them."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests.faults.far_cluster import FarCluster
from tests.hub.program import Program
from tests.lives import Deed, Life, lives_of

T = TypeVar("T")

WAIT_SECONDS = 40.0
POLL_SECONDS = 0.06


@dataclass(frozen=True)
class Point:
    """Where a process dies: just before, or just after, a call of one of its functions."""

    when: str
    """before | after"""
    where: str
    """module:Class.method"""
    nth: int = 1
    """Of the calls since the trial began."""
    given: str = ""
    """Only of calls that have this among their arguments, as `repr` shows them."""

    def __str__(self) -> str:
        """The name of a test."""
        short = self.where.partition(":")[2]
        return "-".join(filter(None, (self.when, short, self.given, str(self.nth) if self.nth > 1 else "")))


class Fuse:
    """Tells a running program where to die."""

    def __init__(self, path: Path, points: Iterable[Point]) -> None:
        self.path = path
        self._points = sorted({p.where for p in points})
        self._numbers = itertools.count()

    def laid(self, program: str) -> Deed:
        """What has a new process go up with it."""
        return "tests.faults.mortal:prepare", {"program": program, "fuse": str(self.path), "points": self._points}

    def light(self, point: Point) -> None:
        assert point.where in self._points
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(point) | {"number": next(self._numbers)}))
        fresh.replace(self.path)

    def expect_death(self, ended: Callable[[], int]) -> None:
        """Wait until the program has died of it."""
        code = ended()
        assert not self.path.exists(), "it died, but not there"
        assert code == -signal.SIGKILL


class MortalHub(Program):
    """`escadre-hub serve`."""

    def __init__(self, root: Path, points: Iterable[Point], *flags: str, name: str = "hub") -> None:
        self.fuse = Fuse(root / f"{name}.fuse", points)
        super().__init__(
            root / name, "--allow-file-repositories", str(root), "--poll-seconds", "3600", "--heartbeat-seconds", "2",
            *flags, name=name, before=self.fuse.laid("hub"),
        )  # fmt: skip
        self.shows_password = False
        """Instead of writing it to a file."""

    @property
    def flags(self) -> list[str]:
        words = super().flags
        if self.shows_password:
            at = words.index("--initial-password-file")
            del words[at : at + 2]
        return words

    @contextlib.contextmanager
    def disk(self) -> Iterator[sqlite3.Connection]:
        """Open its database beside it."""
        with contextlib.closing(sqlite3.connect(f"file:{self.data_dir / 'escadre.db'}?mode=ro", uri=True)) as db:
            yield db


class MortalAgent:
    """`escadre-agent run`. `data` is its directory."""

    def __init__(self, root: Path, points: Iterable[Point], *words: str, name: str = "agent") -> None:
        self.data = root / name
        self.fuse = Fuse(root / f"{name}.fuse", points)
        self._root = root
        self._name = name
        self._words = words
        self._log = root / f"{name}.log"
        self._process: Life | None = None

    def start(self) -> None:
        words = ("run", "--data-dir", str(self.data), *self._words)
        # A developer's proxy or kubeconfig has no say in it.
        env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self._root)}
        self._process = lives_of("agent").begin(
            words, output=self._log, env=env, directory=self._root, before=self.fuse.laid("agent")
        )

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def wait(self) -> int:
        assert self._process is not None
        return self._process.wait(WAIT_SECONDS)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(WAIT_SECONDS)

    def text(self) -> str:
        """Return what it has written, in all its lives."""
        return self._log.read_text("utf-8", "replace")

    @contextlib.contextmanager
    def disk(self) -> Iterator[sqlite3.Connection]:
        """Open a copy of its database: it lets nobody else near that."""
        copy = self._root / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        with self._halted():
            for file in self.data.glob("agent.db*"):
                shutil.copy(file, copy)
        with contextlib.closing(sqlite3.connect(copy / "agent.db")) as db:
            yield db

    @contextlib.contextmanager
    def _halted(self) -> Iterator[None]:
        """Let it stand still, so that its files are of one moment; one that is dead does."""
        if self._process is None or not self.running:
            yield
            return
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


class Desk:
    """The hub's API as people use it. It outlives the hub: a call is repeated until there is one to answer."""

    def __init__(self, hub: Program) -> None:
        self._hub = hub
        self._token = ""

    def get(self, path: str) -> Any:
        return json.loads(self._patiently(lambda token: self._hub.get(f"/api/v1/{path}", token)))

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Once: what is asked for by this is not to be asked for twice. Raises OSError, HTTPException."""
        self._log_in()
        return self._hub.post(f"/api/v1/{path}", body, self._token)

    def delete(self, path: str) -> dict[str, Any]:
        self._log_in()
        return self._hub.delete(f"/api/v1/{path}", self._token)

    def is_gone(self, path: str) -> bool:
        try:
            self.get(path)
        except OSError as error:
            if getattr(error, "code", 0) == 404:
                return True
            raise
        return False

    def _log_in(self) -> None:
        if not self._token:
            self._token = self._hub.log_in()

    def _patiently(self, call: Callable[[str], str]) -> str:
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                self._log_in()
                return call(self._token)
            except (OSError, http.client.HTTPException) as error:
                if getattr(error, "code", 0) or time.monotonic() > deadline:
                    raise
            time.sleep(POLL_SECONDS)


def until(found: Callable[[], T], what: str, said: Callable[[], str] = str) -> T:
    """Call until what it gives is true, and return that."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not (value := found()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not reached within {WAIT_SECONDS:g} s: {what}; last: {value!r}\n{said()}")
        time.sleep(POLL_SECONDS)
    return value


@dataclass
class Stage:
    """All of it."""

    root: Path
    hub: MortalHub
    agent: MortalAgent
    cluster: FarCluster
    desk: Desk
    ended: dict[str, bytes] = field(default_factory=dict)
    """Operations that had ended when something was killed: none of them may be run again."""

    def die(self, program: MortalHub | MortalAgent, point: Point, deed: Callable[[], Any]) -> None:
        """Do something, see the program die of it, and start it again."""
        program.fuse.light(point)
        with contextlib.suppress(OSError, http.client.HTTPException):
            # Where it is the hub that dies, whoever asked it is left without an answer.
            deed()
        program.fuse.expect_death(program.wait)
        self.ended |= self._ended()
        program.start()

    def _ended(self) -> dict[str, bytes]:
        """Return the operations that have ended, as the agent's disk has them."""
        with self.agent.disk() as db:
            return dict(db.execute("SELECT id, content FROM operations WHERE finished = 1"))

    def up(self) -> None:
        """Have both running, whatever an earlier test has left."""
        for program in (self.hub, self.agent):
            program.fuse.path.unlink(missing_ok=True)
            if not program.running:
                program.start()

    def wait(self, found: Callable[[], T], what: str) -> T:
        """Call until what it gives is true, and return that."""
        return until(found, what, self._said)

    def _said(self) -> str:
        return f"--- hub\n{self.hub.text()[-3000:]}\n--- agent\n{self.agent.text()[-3000:]}"

    def inventories(self) -> tuple[list[Any], list[Any]]:
        """Return what the hub has assigned and what the agent holds, both as (application, generation, digest)."""
        query = "SELECT application, generation, digest FROM assignments"
        with self.hub.disk() as db:
            assigned = db.execute(f"{query} ORDER BY application").fetchall()
        with self.agent.disk() as db:
            held = db.execute(f"{query} WHERE deleted = 0 ORDER BY application").fetchall()
        return assigned, held

    def check_disks(self) -> None:
        """Both databases are whole, no operation was left open, and none that had ended was touched again."""
        with self.hub.disk() as hub, self.agent.disk() as agent:
            for db in (hub, agent):
                assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert agent.execute("SELECT count(*) FROM operations WHERE finished = 0").fetchone() == (0,)
        now = self._ended()
        # Of the oldest the agent keeps none.
        assert all(now[id] == content for id, content in self.ended.items() if id in now)
