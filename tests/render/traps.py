"""Trees whose files misbehave when a worker reads them: they run in the worker, as a broken tool would."""

from __future__ import annotations

import errno
import json
import os
import resource
import socket
import sys
import time
from pathlib import Path
from typing import Any

from tests.render.trees import Content, MemoryTree, config_map


class Trap(MemoryTree):
    """A directory with one manifest, `m.yaml`; reading it does what `trap` says."""

    def __init__(self, trap: str, argument: Any = None) -> None:
        files: dict[str, Content] = {"m.yaml": f"{trap} {argument}"}
        super().__init__(files)
        self._trap = trap
        self._argument = argument

    def read(self, path: str, limit: int) -> bytes:
        answer: dict[str, Any] = getattr(self, f"_{self._trap}")() or {}
        return config_map("answer", answer=json.dumps(answer)).encode()

    def _nothing(self) -> None:
        pass

    def _abort(self) -> None:
        os.write(2, b"fatal error: something went wrong\n")
        os.abort()

    def _exit(self) -> None:
        os._exit(3)

    def _kill(self) -> None:
        os.kill(os.getpid(), 9)

    def _raise(self) -> None:
        raise RuntimeError("a bug of the worker's")

    def _broken_disk(self) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def _hang(self) -> None:
        Path(self._argument).write_text(str(os.getpid()))
        while True:
            time.sleep(1)

    def _hang_with_child(self) -> None:
        child = os.fork()
        if child == 0:
            time.sleep(600)
        self._argument.write_text(f"{os.getpid()} {child}")
        time.sleep(600)

    def _wait_for(self) -> dict[str, Any]:
        while not self._argument.exists():
            time.sleep(0.01)
        return {"pid": os.getpid()}

    def _eat_memory(self) -> None:
        hoard = []
        while True:
            hoard.append(bytearray(64 * 1024 * 1024))

    def _litter(self) -> None:
        Path("litter").write_text("x")
        Path("deep/er").mkdir(parents=True)

    def _chatter(self) -> None:
        print("chatter on standard output", flush=True)
        os.write(1, b"more of it\n")

    def _lie(self) -> None:
        """Answer in the worker's place, with something that is no answer."""
        for descriptor in range(3, 10):
            try:
                os.write(descriptor, self._argument)
            except OSError:
                continue
        time.sleep(600)

    def _open(self) -> dict[str, Any]:
        """Try to read, list, write and run: path → what went wrong."""
        return {str(path): _attempt(path) for path in self._argument}

    def _look_around(self) -> dict[str, Any]:
        return {
            "environment": dict(os.environ),
            "descriptors": sorted(os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")[:-1]),
            "interfaces": [name for _, name in socket.if_nameindex()],
            "connects": _connects(self._argument),
            "memory": resource.getrlimit(resource.RLIMIT_AS)[0],
            "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
            "modules": sorted(sys.modules),
            "directory": str(Path.cwd()),
            "pid": os.getpid(),
        }


def _attempt(path: Path) -> list[str]:
    failed = []
    for what, action in (
        ("read", lambda: path.read_bytes() if path.is_file() else os.listdir(path)),
        ("write", lambda: (path / "new").write_text("x") if path.is_dir() else path.write_text("x")),
    ):
        try:
            action()
        except PermissionError:
            failed.append(what)
    return failed


def _connects(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False
