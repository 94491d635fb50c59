"""Logging in: whom to believe before anything secret is sent, and where the password comes from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from hub.cli.trust import pin_of
from tests.cli.conftest import Terminal
from tests.cli.fakehub import FakeHub, Reply, refused

SESSION = {"token": "esc_new", "expires_at": "2030-01-02T12:00:00Z"}


@pytest.fixture
def hub(make_hub: Callable[..., FakeHub]) -> FakeHub:
    hub = make_hub()
    hub.on("GET", "/agent/v1/authorities", {"authorities": [hub.ca]})
    hub.on("GET", "/version", {"version": "0.1.0", "api": "v1"})
    hub.on("POST", "/session", SESSION)
    return hub


def test_with_the_right_pin(hub: FakeHub, stranger: Terminal) -> None:
    outcome = stranger("login", hub.address, "--ca-pin", pin_of(hub.ca), "--password-stdin", input="pw \n")
    assert outcome.code == 0, outcome.err
    assert f"Logged in to https://{hub.address} as admin" in outcome.out
    assert hub.asked("POST", "/session")[0].json == {"username": "admin", "password": "pw "}
    contexts = stranger.contexts()
    context = contexts.items[contexts.current]
    assert (context.server, context.token, context.username) == (f"https://{hub.address}", "esc_new", "admin")
    assert pin_of(context.ca) == pin_of(hub.ca)


def test_with_a_wrong_pin_nothing_secret_is_sent(hub: FakeHub, stranger: Terminal) -> None:
    outcome = stranger("login", hub.address, "--ca-pin", "sha256:" + "0" * 64, "--password-stdin", input="pw\n")
    assert outcome.code == 3
    assert pin_of(hub.ca) in outcome.err
    assert "stands in between" in outcome.err
    assert hub.asked("POST", "/session") == []
    assert not stranger.config.exists()


def test_a_pin_must_be_proved_not_only_shown(make_hub: Callable[..., FakeHub], stranger: Terminal) -> None:
    """Somebody in between may show the real authority, and cannot speak as a server that it vouches for."""
    real, impostor = trustme.CA(), make_hub()
    pem = real.cert_pem.bytes().decode()
    impostor.on("GET", "/agent/v1/authorities", {"authorities": [pem]})
    outcome = stranger("login", impostor.address, "--ca-pin", pin_of(pem), "--password-stdin", input="pw\n")
    assert outcome.code == 3
    assert "was not signed by" in outcome.err
    assert impostor.asked("POST", "/session") == []


def test_all_authorities_are_kept_so_that_rotation_goes_unnoticed(hub: FakeHub, stranger: Terminal) -> None:
    second = trustme.CA().cert_pem.bytes().decode()
    hub.on("GET", "/agent/v1/authorities", {"authorities": [second, hub.ca]})
    assert stranger("login", hub.address, "--ca-pin", pin_of(hub.ca), "--password-stdin", input="pw\n").code == 0
    ca = stranger.contexts().items[stranger.contexts().current].ca
    assert ca.count("BEGIN CERTIFICATE") == 2


def test_without_a_terminal_trust_is_not_guessed(hub: FakeHub, stranger: Terminal) -> None:
    outcome = stranger("login", hub.address, "--password-stdin", input="pw\n")
    assert outcome.code == 3
    assert f"its authority has the pin {pin_of(hub.ca)}" in outcome.err
    assert "log in with --ca-pin PIN" in outcome.err
    assert hub.asked("POST", "/session") == []


@pytest.mark.usefixtures("at_terminal")
def test_at_a_terminal_one_is_asked(hub: FakeHub, stranger: Terminal) -> None:
    outcome = stranger("login", hub.address, "--username", "ada", input="y\npw\n")
    assert outcome.code == 0, outcome.err
    assert pin_of(hub.ca) in outcome.err
    assert "Is it the same?" in outcome.err
    assert hub.asked("POST", "/session")[0].json == {"username": "ada", "password": "pw"}
    # The next time it is known.
    again = stranger("login", hub.address, input="pw\n")
    assert again.code == 0
    assert "pin" not in again.err


@pytest.mark.usefixtures("at_terminal")
def test_who_says_no_sends_nothing(hub: FakeHub, stranger: Terminal) -> None:
    outcome = stranger("login", hub.address, input="n\n")
    assert (outcome.code, hub.asked("POST", "/session")) == (3, [])


@pytest.mark.usefixtures("at_terminal")
def test_another_authority_than_before_is_pointed_out(
    hub: FakeHub, make_hub: Callable[..., FakeHub], stranger: Terminal
) -> None:
    stranger.knows(hub)
    contexts = stranger.config.read_text().replace(pem_body(hub.ca), pem_body(trustme.CA().cert_pem.bytes().decode()))
    stranger.config.write_text(contexts)
    outcome = stranger("login", hub.address, input="n\n")
    assert "not the one trusted before" in outcome.err
    assert outcome.code == 3


def pem_body(pem: str) -> str:
    return pem.strip().replace("\n", "\\n")


def test_with_a_file_of_authorities(hub: FakeHub, stranger: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text(hub.ca)
    assert stranger("login", hub.address, "--ca-file", str(file), "--password-stdin", input="pw\n").code == 0
    by_variable = {"ESCADRE_CA_FILE": str(file)}
    assert stranger("login", hub.address, "--name", "x", "--password-stdin", input="pw\n", **by_variable).code == 0
    other = tmp_path / "other.pem"
    other.write_bytes(trustme.CA().cert_pem.bytes())
    outcome = stranger("login", hub.address, "--ca-file", str(other), "--password-stdin", input="pw\n")
    assert (outcome.code, len(hub.asked("POST", "/session"))) == (3, 2)


def test_trusting_anybody_is_warned_about(hub: FakeHub, stranger: Terminal) -> None:
    outcome = stranger("login", hub.address, "--insecure-skip-tls-verify", "--password-stdin", input="pw\n")
    assert outcome.code == 0
    assert "not checked" in outcome.err


def test_the_password_may_be_in_a_file(hub: FakeHub, stranger: Terminal, tmp_path: Path) -> None:
    stranger.knows(hub)
    file = tmp_path / "pw"
    file.write_text("from file\n")
    assert stranger("login", hub.address, ESCADRE_PASSWORD_FILE=str(file)).code == 0
    assert hub.asked("POST", "/session")[0].json["password"] == "from file"
    outcome = stranger("login", hub.address, ESCADRE_PASSWORD_FILE=str(tmp_path / "none"))
    assert (outcome.code, "which ESCADRE_PASSWORD_FILE names" in outcome.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "input", "message"),
    [
        (["--ca-pin", "sha256:xyz"], "", "--ca-pin is sha256: and 64 hexadecimal digits"),
        (["--ca-pin", "sha256:" + "0" * 64, "--ca-file", "x"], "", "exclude one another"),
        (["--name", "a b"], "", "is no name for a context"),
        ([], None, "there is no terminal to ask for the password"),
        (["--password-stdin"], "", "no password was read from standard input"),
        (["--password-stdin"], "x" * 5000, "too long for a password"),
    ],
)
def test_wrong_usage(hub: FakeHub, stranger: Terminal, arguments: list[str], input: str | None, message: str) -> None:
    stranger.knows(hub)
    outcome = stranger("login", hub.address, *arguments, input=input)
    assert (outcome.code, message in outcome.err) == (2, True), outcome.err


def test_wrong_credentials_are_told_as_such(hub: FakeHub, stranger: Terminal) -> None:
    stranger.knows(hub, token="")
    hub.on("POST", "/session", refused(401, "bad-credentials", "wrong account name or password"))
    outcome = stranger("login", hub.address, "--password-stdin", input="pw\n")
    assert (outcome.code, outcome.err) == (3, "error: wrong account name or password\n")
    assert stranger.contexts().items["test"].token == ""


@pytest.mark.parametrize(
    "authorities", [{}, {"authorities": []}, {"authorities": ["x"]}, {"authorities": ["x" * 20_000, 3]}]
)
def test_what_shows_no_authority_is_no_hub(hub: FakeHub, stranger: Terminal, authorities: Any) -> None:
    hub.on("GET", "/agent/v1/authorities", authorities)
    outcome = stranger("login", hub.address, "--ca-pin", "sha256:" + "0" * 64, "--password-stdin", input="pw\n")
    assert outcome.code == 3
    assert len(outcome.err.splitlines()) == 1


def test_a_file_of_tokens_that_others_can_read_is_warned_about(hub: FakeHub, stranger: Terminal) -> None:
    stranger.knows(hub)
    stranger.config.chmod(0o644)
    assert "is open to others: chmod 600" in stranger("version").err
    stranger.config.chmod(0o600)
    assert stranger("version").err == ""


def test_a_damaged_token_is_not_repeated(hub: FakeHub, stranger: Terminal) -> None:
    stranger.knows(hub, token="esc_\nsecret")
    outcome = stranger("app", "list")
    assert (outcome.code, "is damaged: log in again" in outcome.err) == (3, True)
    assert "secret" not in outcome.err
    assert hub.requests == []


def test_logging_out_ends_the_session_at_both_ends(hub: FakeHub, stranger: Terminal) -> None:
    stranger.knows(hub)
    hub.on("DELETE", "/session", Reply(status=204))
    assert stranger("logout").code == 0
    assert hub.asked("DELETE", "/session")[0].headers["authorization"] == "Bearer esc_token"
    context = stranger.contexts().items["test"]
    assert (context.token, context.ca) == ("", hub.ca)
    outcome = stranger("logout")
    assert (outcome.code, "there is no session" in outcome.err) == (3, True)


def test_logging_out_of_a_hub_that_is_away_forgets_the_token(hub: FakeHub, stranger: Terminal) -> None:
    stranger.knows(hub)
    hub.on("DELETE", "/session", Reply(drop=True))
    outcome = stranger("logout")
    assert (outcome.code, stranger.contexts().items["test"].token) == (0, "")
    assert "the hub was not told" in outcome.err


def test_contexts_are_listed_chosen_and_forgotten(hub: FakeHub, stranger: Terminal) -> None:
    stranger.knows(hub, "one")
    stranger.knows(hub, "two")
    out = stranger("context", "list").out
    assert "esc_token" not in out
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [["one", f"https://{hub.address}"], ["*", "two"]]
    assert stranger("context", "use", "one").code == 0
    assert stranger.contexts().current == "one"
    assert stranger("context", "rm", "one").code == 0
    assert list(stranger.contexts().items) == ["two"]
    outcome = stranger("context", "use", "one")
    assert (outcome.code, outcome.err) == (2, "error: there is no context 'one'; known are two\n")


def test_another_context_for_one_command(make_hub: Callable[..., FakeHub], hub: FakeHub, stranger: Terminal) -> None:
    other = make_hub()
    other.on("GET", "/version", {"version": "9", "api": "v1"})
    stranger.knows(other, "other")
    stranger.knows(hub, "current")
    assert "9 (API v1" in stranger("version", "--hub-context", "other").out
    assert "9 (API v1" in stranger("--hub-context", "other", "version").out
    assert "0.1.0 (API v1" in stranger("version").out


def test_changing_the_password(hub: FakeHub, stranger: Terminal, tmp_path: Path) -> None:
    stranger.knows(hub)
    hub.on("PUT", "/account/password", Reply(status=204))
    outcome = stranger("account", "update-password", "--password-stdin", input="old one\nnew one\n")
    assert (outcome.code, outcome.out) == (0, "The password of ada is changed.\n")
    assert hub.requests[-1].json == {"current": "old one", "new": "new one", "account": ""}
    for name in ("current", "new"):
        (tmp_path / name).write_text(name)
    files = {"ESCADRE_PASSWORD_FILE": str(tmp_path / "current"), "ESCADRE_NEW_PASSWORD_FILE": str(tmp_path / "new")}
    assert stranger("account", "update-password", "--account", "bob", **files).code == 0
    assert hub.requests[-1].json == {"current": "current", "new": "new", "account": "bob"}
    assert stranger("account", "update-password", input="").code == 2


@pytest.mark.usefixtures("at_terminal")
def test_the_new_password_is_asked_for_twice(hub: FakeHub, stranger: Terminal) -> None:
    stranger.knows(hub)
    hub.on("PUT", "/account/password", Reply(status=204))
    assert stranger("account", "update-password", input="old\nnew\nnew\n").code == 0
    assert hub.requests[-1].json == {"current": "old", "new": "new", "account": ""}
