"""The agent as it is run: a process of its own, with a kubeconfig that may do what its ClusterRole says."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hub.cli.agent_objects import NAME, Installation, agent_objects, in_order
from tests.controlplane.access import ClusterAccess

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 5.0


class AgentProcess:
    """`python -m agent run`, its output in a file. Started and stopped as often as a test wants."""

    def __init__(self, directory: Path, *words: str, prefix: Sequence[str] = ()) -> None:
        """`prefix` is a command that runs the program in surroundings of its own."""
        self.data = directory / "data"
        self.log = directory / "agent.log"
        self._words = words
        self._prefix = prefix
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, *words: str) -> None:
        """Start with the words given here, those of the constructor where there are none."""
        arguments: Sequence[str] = words or self._words
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._prefix, sys.executable, "-m", "agent", "run", "--data-dir", str(self.data), *arguments,
                cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}"},
            )  # fmt: skip

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def ended(self, seconds: float = 20.0) -> int:
        """Wait for its end and return its exit code."""
        assert self._process is not None
        try:
            return await asyncio.wait_for(self._process.wait(), seconds)
        except TimeoutError:
            raise AssertionError(f"still running after {seconds:g} s:\n{self.words()}") from None

    async def stop(self) -> int:
        """Ask it to end, as Kubernetes does, and return its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return await self.ended(STOP_SECONDS)

    async def kill(self) -> None:
        """End it if it runs, without a word."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def closed_drifts(self, count: int) -> None:
        """Wait until so many drifts are healed in its books, on its disk: what is healed on the cluster may not be."""
        deadline = asyncio.get_running_loop().time() + 20
        while self._closed_drifts() < count:
            assert asyncio.get_running_loop().time() < deadline, f"not {count} healed on disk:\n{self.words()}"
            await asyncio.sleep(0.05)

    def _closed_drifts(self) -> int:
        """Count in a copy, as it would be found if the agent were killed now: it alone may open its own file."""
        with tempfile.TemporaryDirectory() as directory:
            for file in self.data.glob("agent.db*"):
                with contextlib.suppress(FileNotFoundError):
                    shutil.copy(file, directory)
            # What was copied while it was written cannot be read.
            with (
                contextlib.closing(sqlite3.connect(Path(directory) / "agent.db")) as copy,
                contextlib.suppress(sqlite3.DatabaseError),
            ):
                (count,) = copy.execute("SELECT count(*) FROM drifts WHERE standing = 0").fetchone()
                return int(count)
        return 0

    def words(self) -> str:
        """Return what it has written."""
        return self.log.read_text("utf-8", "replace")

    def resident_kilobytes(self) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))


def admit(plane: ClusterAccess, namespace: str) -> str:
    """Give a namespace's service account what the installed agent may do, and no more. Returns a token of it."""
    installation = Installation(hub="hub:8443", ca_pin="sha256:" + "0" * 64, token="none", namespace=namespace)
    objects = {obj["kind"]: obj for obj in in_order(agent_objects(installation))}
    role, account, binding = objects["ClusterRole"], objects["ServiceAccount"], objects["ClusterRoleBinding"]
    # The role is the same for all tests of a run; what binds it is each test's own.
    binding["metadata"]["name"] = f"{NAME}-{namespace}"
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    plane.apply(f"{rbac}/clusterroles/{NAME}", role)
    plane.apply(f"/api/v1/namespaces/{namespace}/serviceaccounts/{NAME}", account)
    plane.apply(f"{rbac}/clusterrolebindings/{NAME}-{namespace}", binding)
    return plane.service_account_token(namespace, NAME)


def dismiss(plane: ClusterAccess, namespace: str) -> None:
    plane.request("DELETE", f"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{NAME}-{namespace}")
