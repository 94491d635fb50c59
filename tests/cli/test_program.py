"""The program as a process, its help, and its documentation."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from hub.cli import docs
from hub.cli.command import Command, LazyGroup
from hub.cli.exit import MEANINGS, Exit
from hub.cli.main import cli
from tests.cli.conftest import Terminal
from tests.cli.fakehub import FakeHub, Reply, Request

ROOT = Path(__file__).parents[2]
COMMANDS = [(path, command) for path, command, _ in docs.walk()]
PROGRAM = [sys.executable, "-m", "hub.cli.main"]


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[path for path, _ in COMMANDS])
def test_every_command_has_help_and_an_example_that_parses(path: str, command: Command) -> None:
    assert command.help, f"{path} has no help"
    assert command.example.strip(), f"{path} has no example"
    assert f"escadre {path.removeprefix('escadre ')}" in command.example.replace("project", "project")
    for option in command.params:
        assert isinstance(option, click.Argument) or option.help, f"{path} {option.opts} has no help"
    names = {option for param in command.params for option in param.opts}
    for word in command.example.replace("\\\n", " ").split():
        if word.startswith("--"):
            assert word.partition("=")[0] in names | {"--no-wait"}, f"{path}: the example has {word}"


def groups(group: click.Group) -> list[LazyGroup]:
    context = click.Context(group)
    found = [group.get_command(context, name) for name in group.list_commands(context)]
    below = [inner for command in found if isinstance(command, LazyGroup) for inner in groups(command)]
    assert isinstance(group, LazyGroup)
    return [group, *below]


@pytest.mark.parametrize("group", groups(cli), ids=lambda group: group.name)
def test_groups_list_their_commands_as_they_are(group: LazyGroup) -> None:
    for name, (module, help) in group.entries.items():
        command = importlib.import_module(module).command
        assert command.name == name
        assert help.endswith("."), f"{name}: {help}"
        assert len(help) <= 60, f"{name}: {help}"
    assert set(group.aliases.values()) <= set(group.entries)
    assert not set(group.aliases) & set(group.entries)


def test_the_manual_says_what_the_commands_say() -> None:
    assert (ROOT / "docs" / "cli.md").read_text("utf-8") == docs.document(), "run `python -m hub.cli.docs`"


def test_the_manual_names_every_command_exit_code_and_variable() -> None:
    text = docs.document()
    assert all(f"### {path}\n" in text for path, _ in COMMANDS)
    assert set(MEANINGS) == set(Exit)
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "hub" / "cli").rglob("*.py"))
    for word in sources.replace('"', " ").replace("'", " ").split():
        if word.startswith("ESCADRE_") and word.isupper() and word.isidentifier():
            assert f"`{word}`" in text or word.startswith(("ESCADRE_AGENT_", "ESCADRE_COMPLETE")), word


def test_help_needs_little() -> None:
    """What makes starting slow is imported only by commands that use it."""
    heavy = ["httpx2", "rich", "kubernetes", "cryptography", "yaml", "asyncio", "orjson", "hub.formats"]
    code = (
        "import sys\nfrom hub.cli.main import cli\n"
        "try: cli.main(args=sys.argv[1:])\nexcept SystemExit: pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    for arguments in (["--help"], ["app", "--help"], ["cluster", "--help"]):
        done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True)
        loaded = [name for name in json.loads(done.stderr.replace("'", '"')) if name != "orjson"]
        assert loaded == [], arguments


def environment(terminal: Terminal, **more: str) -> dict[str, str]:
    given = {name: value for name, value in {**os.environ, **terminal.env, **more}.items() if value is not None}
    return {**given, "PYTHONPATH": str(ROOT)}


def test_ctrl_c_ends_it_without_a_traceback(hub: FakeHub, run: Terminal) -> None:
    def slow(_: Request) -> Reply:
        hub.stopping.wait(20)
        return Reply(drop=True)

    hub.on("GET", "/applications", slow)
    process = subprocess.Popen(
        [*PROGRAM, "app", "list"], env=environment(run), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 20
    while not hub.requests:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err


def test_a_reader_that_leaves_is_no_error(hub: FakeHub, run: Terminal) -> None:
    from tests.cli import samples

    hub.on("GET", "/clusters", {"items": [samples.cluster(f"c{n}") for n in range(3000)], "continue": ""})
    command = f"set -o pipefail; {' '.join(PROGRAM)} cluster list -o json | head -1"
    done = subprocess.run(["bash", "-c", command], env=environment(run), capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("{\n", "")
    assert done.returncode == 0


def test_output_that_cannot_be_written_is_told(hub: FakeHub, run: Terminal) -> None:
    from tests.cli import samples

    hub.on("GET", "/clusters", {"items": [samples.cluster()], "continue": ""})
    for arguments in (["cluster", "list"], ["cluster", "list", "-o", "json"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run([*PROGRAM, *arguments], env=environment(run), stdout=full, stderr=subprocess.PIPE)
        assert (done.returncode, done.stderr) == (1, b"error: the output cannot be written: No space left on device\n")


def test_without_an_output_it_does_its_work(hub: FakeHub, run: Terminal) -> None:
    from tests.cli import samples

    hub.on("GET", "/clusters", {"items": [samples.cluster()], "continue": ""})
    command = f"{' '.join(PROGRAM)} cluster list -o json >&-"
    done = subprocess.run(["bash", "-c", command], env=environment(run), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_told_beside_needs_no_place_to_go(hub: FakeHub, run: Terminal) -> None:
    from tests.cli import samples

    row = samples.row(operation=samples.operation("ours"))
    hub.on("GET", "/applications/web", samples.detail(samples.row(operation=None)), samples.detail(row))
    hub.on("POST", "/applications/web/sync", Reply({"operation_id": "ours"}, 202))
    command = f"{' '.join(PROGRAM)} app sync web 2>&-"
    done = subprocess.run(["bash", "-c", command], env=environment(run), capture_output=True, text=True)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "web: sync succeeded on 1 of 1 cluster.")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("app delete web", "there is no terminal to ask: give --yes to go on without"),
        ("apply -f -", "standard input cannot be read: it is closed"),
        ("admin health -", "standard input cannot be read: it is closed"),
        ("admin diff - -o json x", "standard input cannot be read: it is closed"),
        ("account update-password --password-stdin", "the password cannot be read from standard input: it is closed"),
    ],
)
def test_an_input_that_is_closed_is_told(run: Terminal, words: str, message: str) -> None:
    command = f"{' '.join(PROGRAM)} {words} <&-"
    done = subprocess.run(["bash", "-c", command], env=environment(run), capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {message}\n")


def test_a_terminal_that_knows_no_unicode_gets_something(hub: FakeHub, run: Terminal) -> None:
    from tests.cli import samples

    hub.on("GET", "/applications/web/drifts", {"items": [samples.drift()]})
    env = environment(run, PYTHONIOENCODING="ascii")
    done = subprocess.run([*PROGRAM, "app", "drift", "web"], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert ".spec.replicas: 2 " in done.stdout


def test_names_are_completed(hub: FakeHub, run: Terminal) -> None:
    from tests.cli import samples

    hub.on("GET", "/applications", {"items": [samples.summary("web"), samples.summary("db")], "continue": ""})
    hub.on("GET", "/clusters", {"items": [samples.cluster("edge-1"), samples.cluster("mid")], "continue": ""})

    def completed(line: str) -> list[str]:
        words = line.split(" ")
        env = environment(run, _ESCADRE_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1))
        done = subprocess.run(PROGRAM, env=env, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        return [item.partition(",")[2] for item in done.stdout.split()]

    assert completed("escadre app sy") == ["sync"]
    assert completed("escadre app get ") == ["web", "db"]
    assert completed("escadre cluster rm e") == ["edge-1"]
    assert completed("escadre app list --cluster m") == ["mid"]
    hub.on("GET", "/clusters", Reply(content=b"<html>"))
    assert completed("escadre cluster rm e") == []
