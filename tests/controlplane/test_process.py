"""Processes end with those who need them, and say why they did not start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.controlplane import build, pins
from tests.controlplane.process import Process, StartError

ROOT = Path(__file__).parents[2]

STARTS_ONE_AND_WAITS = """
import sys, threading, time
from pathlib import Path
from tests.controlplane.process import Process
started = []
thread = threading.Thread(target=lambda: started.append(Process("sleeper", ["/bin/sleep", "60"], Path(sys.argv[1]))))
thread.start()
thread.join()
time.sleep(0.3)  # its thread is gone, the sleeper must not be
print(started[0].pid if started[0].running else 0, flush=True)
time.sleep(60)
"""


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux's kernel ties a process to its parent")
def test_a_process_outlives_its_starter_thread_but_not_its_starter(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTS_ONE_AND_WAITS, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert pid and alive(pid)
        os.kill(parent.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while alive(pid):
        assert time.monotonic() < deadline, f"process {pid} was left behind"
        time.sleep(0.02)


def test_an_early_end_shows_the_log(tmp_path: Path) -> None:
    process = Process("broken", ["/bin/sh", "-c", "echo wrong flag; exit 3"], tmp_path)
    with pytest.raises(StartError, match=r"exit code 3(.|\n)*wrong flag"):
        process.wait_until(lambda: False, "it was ready", 10)


def test_a_late_start_shows_the_log(tmp_path: Path) -> None:
    process = Process("slow", ["/bin/sh", "-c", "echo thinking; exec sleep 60"], tmp_path)
    try:
        process.wait_until(lambda: "thinking" in process.log.read_text(), "it said something", 10)
        with pytest.raises(StartError, match=r"waited 0 s in vain until it was ready(.|\n)*thinking"):
            process.wait_until(lambda: False, "it was ready", 0.1)
    finally:
        process.kill()
    assert not process.running


def test_without_binaries_and_go_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESCADRE_TEST_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    build.forget_path()
    try:
        with pytest.raises(build.BuildError, match="Install Go"):
            build.binary("etcd")
    finally:
        build.forget_path()


def test_assets_come_first_and_another_minor_version_on_path_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fake(directory: str, version: str) -> Path:
        path = tmp_path / directory / "helm"
        path.parent.mkdir()
        path.write_text(f"#!/bin/sh\necho {version}+g0000000\n")
        path.chmod(0o755)
        return path

    old, pinned = fake("old", "v3.9.0"), fake("pinned", pins.FAMILY_OF["helm"].version)
    monkeypatch.setenv("ESCADRE_TEST_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    build.forget_path()
    try:
        monkeypatch.setenv("PATH", str(pinned.parent))
        assert build.binary("helm") == pinned
        build.forget_path()
        monkeypatch.setenv("PATH", str(old.parent))
        with pytest.raises(build.BuildError):
            build.binary("helm")
        monkeypatch.setenv("KUBEBUILDER_ASSETS", str(old.parent))
        assert build.binary("helm") == old
    finally:
        build.forget_path()
