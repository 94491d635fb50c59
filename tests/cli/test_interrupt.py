"""Ctrl-C: what goes on without us, and how to look at it; exit code 130, and never a traceback."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from hub.cli import joining
from tests.cli import samples
from tests.cli.conftest import Outcome, Terminal
from tests.cli.fakehub import FakeHub, Reply, Request, refused
from tests.cli.test_program import PROGRAM, environment

APP = "/applications/web"


def interrupted(run: Terminal, *arguments: str, when: Callable[[], object]) -> Outcome:
    """Run a command line in a process of its own, and press Ctrl-C once `when` holds."""
    process = subprocess.Popen(
        [*PROGRAM, *arguments], env=environment(run), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        deadline = time.monotonic() + 30
        while not when():
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert "Traceback" not in err
    return Outcome(process.returncode, out, err)


@pytest.fixture
def waiting(hub: FakeHub) -> FakeHub:
    """A hub where nothing comes to an end."""

    def quiet(_: Request) -> Reply:
        def chunks() -> Iterator[bytes]:
            yield b": heartbeat\n\n"
            hub.stopping.wait(20)

        return Reply(chunks=chunks())

    hub.on("GET", APP, samples.detail(samples.row(sync="OutOfSync", operation=None)))
    hub.on("GET", f"{APP}/watch", quiet)
    hub.on("POST", f"{APP}/sync", Reply({"operation_id": "ours"}, 202))
    hub.on("POST", f"{APP}/rollback", Reply({"operation_id": "ours"}, 202))
    accepted = {"id": "argocd/web", "cascade": True, "propagation": "foreground", "clusters": [], "message": "soon"}
    hub.on("DELETE", APP, Reply(accepted, 202))
    return hub


@pytest.mark.parametrize("verb", ["sync", "rollback"])
def test_an_operation_goes_on(waiting: FakeHub, run: Terminal, verb: str) -> None:
    outcome = interrupted(run, "app", verb, "web", when=lambda: waiting.asked("GET", f"{APP}/watch"))
    assert outcome.code == 130
    assert outcome.err.splitlines()[-1] == (
        f"interrupted: the {verb} of web goes on at its clusters. `escadre app wait web` waits for it, `escadre app "
        "get web` shows it, `escadre app terminate-op web` ends it"
    )


PRESSED = """
import builtins, os, signal, sys
sys.argv = ["escadre", "version", "--client"]
real = builtins.__import__
def pressing(name, *rest):
    if name == {module!r}:
        os.kill(os.getpid(), signal.SIGINT)
    return real(name, *rest)
builtins.__import__ = pressing
from hub.cli.main import main
main()
"""


@pytest.mark.parametrize("module", ["click", "hub.cli.session", "hub.cli.printer"])
def test_while_the_program_is_loaded_it_ends_without_a_word(module: str) -> None:
    done = subprocess.run([sys.executable, "-c", PRESSED.format(module=module)], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_ctrl_c_is_heard_again_once_the_program_is_loaded() -> None:
    code = "import signal\nfrom hub.cli.main import cli\nassert signal.getsignal(2) is signal.default_int_handler"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    code = "import signal\nsignal.signal(2, signal.SIG_IGN)\nfrom hub.cli.main import cli\n"
    code += "assert signal.getsignal(2) is signal.SIG_IGN"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_while_the_hub_is_asked_nobody_knows(hub: FakeHub, run: Terminal) -> None:
    def slow(_: Request) -> Reply:
        hub.stopping.wait(20)
        return Reply(drop=True)

    hub.on("GET", APP, samples.detail())
    hub.on("POST", f"{APP}/sync", slow)
    outcome = interrupted(run, "app", "sync", "web", when=lambda: hub.asked("POST", f"{APP}/sync"))
    assert outcome.code == 130
    assert outcome.err.splitlines()[-1] == (
        "interrupted: the hub was being asked, and may do it: look before you ask again"
    )


def test_waiting_changes_nothing(waiting: FakeHub, run: Terminal) -> None:
    outcome = interrupted(run, "app", "wait", "web", when=lambda: waiting.asked("GET", f"{APP}/watch"))
    assert (outcome.code, outcome.err.splitlines()[-1]) == (
        130,
        "interrupted: web is not ready yet. What is under way there goes on: see `escadre app get web`",
    )


@pytest.mark.parametrize("arguments", [("app", "wait", "web", "--delete"), ("app", "delete", "web", "-y", "--wait")])
def test_a_deletion_goes_on(waiting: FakeHub, run: Terminal, arguments: tuple[str, ...]) -> None:
    outcome = interrupted(run, *arguments, when=lambda: waiting.asked("GET", f"{APP}/watch"))
    assert (outcome.code, outcome.err.splitlines()[-1]) == (
        130,
        "interrupted: web is not gone yet. A deletion goes on: `escadre app wait web --delete` waits for it",
    )


def test_a_hub_that_is_polled_is_left_as_well(waiting: FakeHub, run: Terminal) -> None:
    waiting.on("GET", f"{APP}/watch", refused(404, "not-found", "no stream here"))
    outcome = interrupted(run, "app", "wait", "web", when=lambda: len(waiting.asked("GET", APP)) >= 2)
    assert outcome.code == 130 and "not ready yet" in outcome.err


# --- installing an agent


def install(run: Terminal, monkeypatch: pytest.MonkeyPatch, apply: Callable[[Any], None]) -> Outcome:
    opened = SimpleNamespace(apply=apply, troubles=lambda _: [])
    monkeypatch.setattr(joining, "installer", lambda *_: contextlib.nullcontext(opened))
    return run("cluster", "add", "edge-1", "--context", "kind")


def test_an_agent_that_is_installed_in_part(hub: FakeHub, run: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.on("POST", "/clusters", Reply(samples.join(), 201))

    def apply(item: Any) -> None:
        if item["kind"] == "Secret":
            raise KeyboardInterrupt

    outcome = install(run, monkeypatch, apply)
    assert (outcome.code, outcome.err.splitlines()[-1]) == (
        130,
        "interrupted: the agent is installed in part: cluster edge-1 is known to the hub; go on with `escadre cluster "
        "rotate-token edge-1 --context kind`",
    )


def test_an_agent_that_has_not_connected_yet(hub: FakeHub, run: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.on("POST", "/clusters", Reply(samples.join(), 201))
    hub.on("GET", "/clusters/edge-1", samples.cluster(liveness="NeverConnected"))

    class Impatient(list[float]):
        def append(self, _: float) -> None:
            raise KeyboardInterrupt

    run.paused = Impatient()
    outcome = install(run, monkeypatch, lambda _: None)
    assert (outcome.code, outcome.err.splitlines()[-1]) == (
        130,
        "interrupted: the agent of cluster edge-1 is installed, and connects by itself: see `escadre cluster get "
        "edge-1`",
    )
