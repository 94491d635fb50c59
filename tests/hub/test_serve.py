"""`escadre-hub serve` and the commands beside it, as processes: what they say, leave behind, and end with."""

from __future__ import annotations

import re
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.pki import contract
from tests.docs.metrics import declared_metrics
from tests.hub.program import Program, run, running

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """One hub of all roles, for the tests that leave it as it is."""
    program = Program(tmp_path_factory.mktemp("hub") / "data", "--log-level", "debug", anew=True)
    with running(program):
        program.wait_ready()
        yield program


# --- at the start


def test_what_the_first_start_makes_is_its_owners_only(hub: Program) -> None:
    assert len(hub.password_file.read_text().strip()) >= 12
    files = [hub.password_file, *(hub.data_dir / name for name in ("secret.key", "escadre.db", "lock", "replica"))]
    assert {f.name: stat.S_IMODE(f.stat().st_mode) & 0o077 for f in files} == {f.name: 0 for f in files}
    assert stat.S_IMODE(hub.password_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(hub.data_dir.stat().st_mode) == 0o700


def test_a_second_hub_on_the_data_directory_says_so_and_ends_with_1(hub: Program) -> None:
    other = Program(hub.data_dir)
    done = run("serve", *other.flags)
    assert done.returncode == 1
    assert f"error: another hub runs on the data directory {hub.data_dir}" in done.stderr
    assert "Traceback" not in done.stderr and hub.get("/readyz") == "ok\n"


@pytest.mark.parametrize("which", ["port", "agent_port"])
def test_a_port_that_is_taken_is_named_and_ends_with_1(hub: Program, tmp_path: Path, which: str) -> None:
    other = Program(tmp_path / "data")
    setattr(other, which, getattr(hub, which))
    done = run("serve", *other.flags)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ") and f"{getattr(hub, which)}" in last
    assert "Traceback" not in done.stderr


def test_a_database_that_is_away_is_said_without_its_password(tmp_path: Path) -> None:
    program = Program(tmp_path / "data")
    url = "postgresql+psycopg://escadre:hunter2secret@127.0.0.1:9/escadre?connect_timeout=3"
    done = run("serve", *program.flags, env={"ESCADRE_DATABASE_URL": url, "ESCADRE_LOG_LEVEL": "debug"})
    assert done.returncode == 1 and "error: the database" in done.stderr
    assert "hunter2secret" not in done.stderr + done.stdout and "Traceback" not in done.stderr


def test_an_url_that_is_no_databases_is_said_without_its_password(tmp_path: Path) -> None:
    program = Program(tmp_path / "data")
    for url in ("mysql://u:hunter2secret@h/d", "hunter2secret", "postgresql+psycopg://u:hunter2secret@h:port/d"):
        done = run("serve", *program.flags, env={"ESCADRE_DATABASE_URL": url})
        assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith("error: "), done.stderr
        assert "hunter2secret" not in done.stderr + done.stdout and "Traceback" not in done.stderr


# --- at the end


@pytest.mark.parametrize("format", ["text", "json"])
def test_sigterm_drains_within_its_time_and_ends_with_0(tmp_path: Path, format: str) -> None:
    program = Program(tmp_path / "data", "--drain-seconds", "2", "--log-format", format)
    with running(program):
        program.wait_ready()
        token = program.log_in()
        streaming = threading.Thread(target=_swallow, args=(program, token), daemon=True)
        streaming.start()
        program.wait_for("the API is at")
        code, seconds = program.terminate()
        streaming.join(10)
    assert (code, program.text().count("Traceback")) == (0, 0), program.text()
    assert seconds < 2 + 3 and "shutting down" in program.text()


def _swallow(program: Program, token: str) -> None:
    """Hold an event stream open until the hub ends it."""
    try:
        program.get("/api/v1/applications?watch=true", token)
    except OSError:
        return


def test_a_hub_that_was_killed_starts_again(tmp_path: Path) -> None:
    program = Program(tmp_path / "data")
    with running(program):
        program.wait_ready()
        pin = run("ca", "pin", "--data-dir", str(program.data_dir)).stdout
        program.kill()
    again = Program(tmp_path / "data", name="again")
    with running(again):
        again.wait_ready()
        assert run("ca", "pin", "--data-dir", str(again.data_dir)).stdout == pin != ""
        assert again.log_in(), "the password is the first start's"
        assert again.terminate()[0] == 0


# --- while it runs


def test_metrics_have_the_documented_names(hub: Program) -> None:
    text = hub.get("/metrics", hub.log_in())
    # The library adds to each when it was made.
    shown = {name for name in re.findall(r"^# TYPE (\S+)", text, re.MULTILINE) if not name.endswith("_created")}
    documented = {m.name: m.kind for m in declared_metrics()}
    assert shown <= set(documented) | {name.removesuffix("_total") for name in documented}
    for name in ("escadre_hub_info", "escadre_store_up", "escadre_agents_connected", "escadre_renders_total"):
        assert re.search(rf"^{name}(\{{.*\}})? ", text, re.MULTILINE), name
    assert re.search(r"^escadre_store_up 1", text, re.MULTILINE)


def test_no_secret_is_ever_logged(hub: Program) -> None:
    token = hub.log_in()
    password = hub.password_file.read_text().strip()
    with pytest.raises(OSError, match="401"):
        hub.post("/api/v1/session", {"username": "admin", "password": "a wrong password"})
    joining = hub.post("/api/v1/clusters", {"name": "paris"}, token)
    with pytest.raises(OSError, match="4"):
        hub.get("/api/v1/applications/nothing?namespace=%00", token)
    said = hub.text()
    tokens = [v for v in _strings(joining) if len(v) > 30]
    assert tokens, "a join token is among them"
    for secret in (password, token, "a wrong password", *tokens, (hub.data_dir / "secret.key").read_text().strip()):
        if not secret.startswith("sha256:"):
            assert secret not in said


def _strings(value: object) -> list[str]:
    match value:
        case str():
            return [value]
        case dict():
            return [s for v in value.values() for s in _strings(v)]
        case list():
            return [s for v in value for s in _strings(v)]
    return []


def test_the_databases_password_is_never_logged(tmp_path: Path) -> None:
    config = tmp_path / "hub.toml"
    config.write_text('database_url = "postgresql+psycopg://u:hunter2secret@127.0.0.1:9/d?connect_timeout=3"\n')
    done = run("serve", "--config", str(config), *Program(tmp_path / "data", "--log-level", "debug").flags)
    assert done.returncode == 1 and "hunter2secret" not in done.stderr + done.stdout


# --- beside it


def test_the_authority_is_rotated_beside_a_running_hub(tmp_path: Path) -> None:
    program = Program(tmp_path / "data")
    beside = ("--data-dir", str(program.data_dir))
    with running(program):
        program.wait_ready()
        pin = run("ca", "pin", *beside).stdout.strip()
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", pin) and pin in program.text()
        assert run("ca", "prepare", *beside).returncode == 0
        again = run("ca", "prepare", *beside)
        assert again.returncode == 1 and again.stderr.startswith("error: ")
        assert [line.split()[2] for line in run("ca", "list", *beside).stdout.splitlines()].count("next") == 2
        early = run("ca", "activate", *beside)
        assert early.returncode == 1 and early.stderr.startswith("error: "), "agents do not know it yet"
        assert run("ca", "activate", "--force", *beside).returncode == 0
        assert run("ca", "pin", *beside).stdout.strip() not in ("", pin)
        assert run("ca", "retire", "--force", *beside).returncode == 0
        states = [line.split()[2] for line in run("ca", "list", *beside).stdout.splitlines()]
        assert states == ["active", "active"]
        assert program.get("/readyz") == "ok\n" and "Traceback" not in program.text()
        assert program.terminate()[0] == 0
    assert contract.PkiSettings().overlap.total_seconds() > 60, "a running hub reads the authorities every minute"


@pytest.mark.parametrize("command", [("ca", "pin"), ("ca", "prepare"), ("backup", "copy.db")])
def test_beside_no_hub_nothing_is_made(tmp_path: Path, command: tuple[str, ...]) -> None:
    words = [str(tmp_path / w) if w.endswith(".db") else w for w in command]
    done = run(*words, "--data-dir", str(tmp_path / "data"))
    assert done.returncode == 1 and f"error: there is no hub in {tmp_path / 'data'}" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_missing_key_file_is_named_and_not_made(hub: Program, tmp_path: Path) -> None:
    done = run("ca", "pin", "--data-dir", str(hub.data_dir), "--secret-key-file", str(tmp_path / "key"))
    assert done.returncode == 1 and f"the key file {tmp_path / 'key'} is missing" in done.stderr
    assert not (tmp_path / "key").exists()


def test_a_backup_is_taken_while_the_hub_runs_and_restores_it(tmp_path: Path) -> None:
    first = Program(tmp_path / "first" / "data")
    first.data_dir.parent.mkdir()
    copy = tmp_path / "copy.db"
    with running(first):
        first.wait_ready()
        token = first.log_in()
        first.post("/api/v1/clusters", {"name": "paris"}, token)
        done = run("backup", str(copy), "--data-dir", str(first.data_dir))
        assert done.returncode == 0, done.stderr
        assert stat.S_IMODE(copy.stat().st_mode) & 0o077 == 0
        again = run("backup", str(copy), "--data-dir", str(first.data_dir))
        assert again.returncode == 2 and "exists already" in again.stderr
        first.post("/api/v1/clusters", {"name": "oslo"}, token)
        pin = run("ca", "pin", "--data-dir", str(first.data_dir)).stdout
        first.terminate()
    with sqlite3.connect(copy) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    second = Program(tmp_path / "second" / "data")
    second.data_dir.mkdir(parents=True)
    copy.rename(second.data_dir / "escadre.db")
    (first.data_dir / "secret.key").rename(second.data_dir / "secret.key")
    first.password_file.rename(second.password_file)
    with running(second):
        second.wait_ready()
        assert run("ca", "pin", "--data-dir", str(second.data_dir)).stdout == pin
        clusters = second.get("/api/v1/clusters", second.log_in())
        assert "paris" in clusters and "oslo" not in clusters
        assert second.terminate()[0] == 0


def test_the_program_says_its_version_at_once() -> None:
    began = time.monotonic()
    done = run("--version", anew=True)
    assert done.returncode == 0 and done.stdout.startswith("escadre-hub")
    assert time.monotonic() - began < 20
