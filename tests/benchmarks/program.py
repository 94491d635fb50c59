"""The product's own programs, run as anybody would run them: what a bench says of their size is theirs alone."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson
import yaml

from tests.benchmarks.host import cpu_seconds, rss_mb
from tests.controlplane.process import Process

SAMPLE_SECONDS = 1.0
_WITHOUT_DOCSTRINGS = "-OO"


def start_hub(root: Path, port: int, agent_port: int) -> Process:
    """Run `escadre-hub serve` with its defaults on the data that a `HubHost` of the same root has left."""
    options = {
        "data-dir": root / "hub",
        "host": "127.0.0.1",
        "port": port,
        "agent-port": agent_port,
        "allow-file-repositories": root,
    }
    return _start("hub", "serve", root, options)


_ALL_OF_THE_AGENT = "import agent.__main__, agent.kube.cluster.client, agent.kube.kubeconfig"


def start_agent(root: Path, directory: Path, kubeconfig: Path) -> Process:
    """Run `escadre-agent run` on a data directory that holds an identity, as in its image: compiled beforehand and
    without docstrings. The kubeconfig is given in JSON, for in a pod there is none, and so no YAML to read."""
    subprocess.run([sys.executable, "-P", _WITHOUT_DOCSTRINGS, "-c", _ALL_OF_THE_AGENT], env=_compiling(), check=True)
    in_json = root / "kubeconfig.json"
    in_json.write_bytes(orjson.dumps(yaml.safe_load(kubeconfig.read_text())))
    in_json.chmod(0o600)
    options = {"data-dir": directory, "kubeconfig": in_json}
    return _start("agent", "run", root, options, _WITHOUT_DOCSTRINGS)


def _compiling() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _start(module: str, command: str, root: Path, options: Mapping[str, object], *python: str) -> Process:
    flags = [f"--{name}={value}" for name, value in options.items()]
    # -P: a directory of a bench may be called what a package is.
    return Process(module, [sys.executable, "-P", *python, "-m", module, command, *flags], root)


@dataclass(frozen=True, slots=True)
class Size:
    rss_mb: float
    """The largest that was seen, children included."""
    cpu_percent: float
    """Of one core, on average."""


async def size_at_rest(pid: int, seconds: float) -> Size:
    """Watch a process and its children for so long."""
    began, before = time.monotonic(), cpu_seconds(pid)
    resident = [rss_mb(pid)]
    while (left := began + seconds - time.monotonic()) > 0:
        await asyncio.sleep(min(SAMPLE_SECONDS, left))
        resident.append(rss_mb(pid))
    used = cpu_seconds(pid) - before
    return Size(round(max(resident), 1), round(100 * used / (time.monotonic() - began), 2))


async def settled(pid: int, share: float = 0.1, longest: float = 120.0) -> None:
    """Wait until a process has used little CPU for three seconds on end: what its start leaves to do is done."""
    deadline = time.monotonic() + longest
    recent: list[float] = []
    while len(recent) < 3 or statistics.mean(recent[-3:]) > share:
        if time.monotonic() > deadline:
            raise RuntimeError(f"process {pid} has not come to rest within {longest:.0f} s")
        before = cpu_seconds(pid)
        await asyncio.sleep(1.0)
        recent.append(cpu_seconds(pid) - before)
