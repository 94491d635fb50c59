"""Settings: which source wins, and what is said of one that is wrong."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hub.__main__ import cli
from hub.config import Settings, read_settings
from hub.errors import Invalid

SECRET = "hunter2-in-a-url"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith("ESCADRE_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hub.toml"
    path.write_text('data_dir = "/from/file"\nport = 1111\nroles = ["api"]\nserver_names = ["a", "b"]\n')
    return path


def wrong(**flags: Any) -> str:
    with pytest.raises(Invalid) as caught:
        read_settings({"data_dir": "/data", **flags})
    return caught.value.message


def test_flags_win_over_variables_and_variables_over_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings({}, file).port == 1111
    monkeypatch.setenv("ESCADRE_PORT", "2222")
    assert read_settings({}, file).port == 2222
    assert read_settings({"port": "3333"}, file).port == 3333
    assert read_settings({"data_dir": "/flag"}).port == 2222


def test_what_nobody_says_has_its_default() -> None:
    found = read_settings({"data_dir": "/data"})
    assert (found.port, found.agent_port, found.roles) == (8443, 8444, ("api", "gateway", "controller"))
    assert found.log_level == "info" and found.database_url.get_secret_value() == ""


def test_lists_are_written_with_commas_or_as_lists(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings({}, file).server_names == ("a", "b")
    monkeypatch.setenv("ESCADRE_SERVER_NAMES", " hub.example.com , 10.0.0.1,")
    monkeypatch.setenv("ESCADRE_ROLES", "gateway,controller")
    found = read_settings({}, file)
    assert found.server_names == ("hub.example.com", "10.0.0.1") and found.roles == ("gateway", "controller")
    assert read_settings({"data_dir": "/d", "allow_file_repositories": "/a,/b"}).allow_file_repositories == (
        Path("/a"),
        Path("/b"),
    )


def test_a_setting_that_is_missing_is_named_with_its_flag() -> None:
    with pytest.raises(Invalid, match=r"^--data-dir is needed \(directory for the database"):
        read_settings({})


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"port": "http"}, "--port: Input should be a valid integer"),
        ({"port": "65536"}, "--port: Input should be less than or equal to 65535"),
        ({"roles": "api,scheduler"}, "--roles: Input should be 'api', 'gateway' or 'controller'"),
        ({"roles": ""}, "--roles: "),
        ({"roles": ","}, "--roles: "),
        ({"render_memory_mb": "100"}, "--render-memory-mb: Input should be greater than or equal to 2048"),
        ({"heartbeat_seconds": "0"}, "--heartbeat-seconds: "),
        ({"drain_seconds": "-1"}, "--drain-seconds: "),
        ({"log_level": "loud"}, "--log-level: Input should be 'debug', 'info', 'warning' or 'error'"),
        ({"log_format": "xml"}, "--log-format: "),
    ],
)
def test_a_value_that_is_wrong_is_named_with_its_flag(flags: dict[str, str], words: str) -> None:
    assert words in wrong(**flags)


def test_all_that_is_wrong_is_said_at_once() -> None:
    message = wrong(port="x", log_level="loud")
    assert "--port" in message and "; --log-level" in message


def test_a_variable_that_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESCADRE_PORT", "http")
    assert "--port: Input should be a valid integer" in wrong()


def test_a_name_in_the_file_that_is_no_setting_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    path.write_text('data_dir = "/d"\nprot = 1\n')
    with pytest.raises(Invalid, match="there is no setting 'prot'"):
        read_settings({}, path)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"port = = 1", "is not TOML"), (b"\xff\xfe", "is not TOML"), (None, "cannot be read: No such file")],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "hub.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Invalid, match=words) as caught:
        read_settings({"data_dir": "/d"}, path)
    assert str(path) in caught.value.message


def test_the_databases_password_is_in_no_text_of_the_settings() -> None:
    found = read_settings({"data_dir": "/d", "database_url": f"postgresql+psycopg://u:{SECRET}@h/d"})
    assert SECRET not in f"{found!r} {found} {found.model_dump()} {found.model_dump_json()}"
    assert SECRET not in wrong(database_url=f"postgresql+psycopg://u:{SECRET}@h/d", port="x")


# --- the command line


def invoke(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words))


def test_every_setting_is_a_flag_that_says_its_variable() -> None:
    text = " ".join(invoke("serve", "--help").output.split())
    for name in Settings.model_fields:
        assert "--" + name.replace("_", "-") in text and f"ESCADRE_{name.upper()}" in text.replace(" ", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("serve",), "error: --data-dir is needed"),
        (("serve", "--data-dir", "/d", "--port", "x"), "error: --port: Input should be a valid integer"),
        (("serve", "--data-dir", "/d", "--roles", "nobody"), "error: --roles: "),
        (("serve", "--data-dir", "/d", "--config", "/nonexistent.toml"), "/nonexistent.toml: cannot be read"),
        (("serve", "--prot", "1"), "No such option"),
        (("serve", "surplus"), "unexpected extra argument"),
        (("nonsense",), "No such command"),
        (("ca", "pin"), "error: --data-dir is needed"),
        (("ca", "retire", "--fierce"), "No such option"),
        (("backup",), "Missing argument"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_says_what_is_wrong(words: tuple[str, ...], said: str) -> None:
    result = invoke(*words)
    assert result.exit_code == 2
    assert said in result.output and "Traceback" not in result.output


@pytest.mark.parametrize("address", ["hub.example.com:8443", "10.0.0.1:443", "[fd00::1]:8443", "localhost:1", ""])
def test_an_address_is_a_host_and_a_port(address: str) -> None:
    assert read_settings({"data_dir": "/data", "address": address}).address == address


@pytest.mark.parametrize(
    "address", ["hub", "https://hub:8443", "hub:https", "hub:0", "hub:65536", "fd00::1:8443", ":1"]
)
def test_what_agents_could_not_dial_is_told_before_anything_is_made(address: str) -> None:
    assert wrong(agent_address=address) == "--agent-address: give host:port, such as hub.example.com:8443"
