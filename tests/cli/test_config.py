"""Contexts: where they are kept, which of them is meant, and that a token stays with its hub."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.cli.config import Context, Contexts, choose, config_path, load, save, server_address, write_private
from hub.cli.errors import CliError, Misuse, NotLoggedIn

PROD = Context("prod", "https://prod:8443", ca="-----BEGIN CERTIFICATE-----", username="ada", token="t-prod")
TEST = Context("test", "https://test:8443", token="t-test")
BOTH = Contexts("prod", {"prod": PROD, "test": TEST})


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("hub.example.com:9443", "https://hub.example.com:9443"),
        ("hub", "https://hub:8443"),
        ("https://hub.example.com", "https://hub.example.com:443"),
        ("HTTPS://Hub.example.com:1/", "https://hub.example.com:1"),
        ("[::1]:8443", "https://[::1]:8443"),
        ("10.0.0.1:8443", "https://10.0.0.1:8443"),
    ],
)
def test_addresses(text: str, address: str) -> None:
    assert server_address(text) == address
    assert server_address(address) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://hub:8443",
        "hub:port",
        "hub:99999",
        "https://",
        "user:pw@hub",
        "hub/path",
        "hub?x",
        "-h h",
        "https://[::1",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(Misuse, match="not a hub's address"):
        server_address(text)


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_a_mistake(text: str) -> None:
    try:
        address = server_address(text)
    except Misuse:
        return
    assert server_address(address) == address


def test_saved_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config.json"
    save(path, BOTH)
    assert load(path) == BOTH
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert os.listdir(path.parent) == ["config.json"]


def test_a_file_others_could_read_is_replaced_by_one_they_cannot(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("{}")
    path.chmod(0o644)
    save(path, BOTH)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_file_is_no_context(tmp_path: Path) -> None:
    assert load(tmp_path / "config.json") == Contexts()


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"current": "", "contexts": {"a": {}}}', '{"contexts": 3}', "\xff"]
)
def test_a_damaged_file_is_told(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(Misuse, match=r"config.json is not a file of escadre's contexts"):
        load(path)


def test_a_directory_in_the_way_is_told(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="cannot be read"):
        load(tmp_path)
    (tmp_path / "a").mkdir()
    with pytest.raises(Misuse, match="cannot be written"):
        write_private(tmp_path / "a", b"x")
    assert os.listdir(tmp_path) == ["a"]


def test_where_the_file_is() -> None:
    assert config_path({"ESCADRE_CONFIG": "/x/y"}) == Path("/x/y")
    assert config_path({"XDG_CONFIG_HOME": "/x"}) == Path("/x/escadre/config.json")
    assert config_path({}) == Path.home() / ".config/escadre/config.json"


def test_the_token_is_not_in_the_context_s_text() -> None:
    assert "t-prod" not in repr(BOTH)


def test_the_current_context_unless_another_is_named() -> None:
    assert choose(BOTH, environ={}) == PROD
    assert choose(BOTH, "test", {"ESCADRE_CONTEXT": "prod"}) == TEST
    assert choose(BOTH, environ={"ESCADRE_CONTEXT": "test"}) == TEST


def test_a_token_goes_to_its_own_hub_only() -> None:
    assert choose(BOTH, environ={"ESCADRE_HUB": "evil:8443"}) == Context("https://evil:8443", "https://evil:8443")
    assert choose(BOTH, environ={"ESCADRE_HUB": "test"}) == TEST
    assert choose(BOTH, environ={"ESCADRE_HUB": "prod:8443"}) == PROD


def test_the_environment_replaces_token_and_authorities(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("-----BEGIN CERTIFICATE-----\n")
    chosen = choose(BOTH, environ={"ESCADRE_TOKEN": " new\n", "ESCADRE_CA_FILE": str(ca)})
    assert (chosen.token, chosen.username, chosen.ca) == ("new", "", ca.read_text())


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"ESCADRE_CONTEXT": "nope"}, "no context 'nope'; known are prod, test"),
        ({"ESCADRE_TOKEN": "a b"}, "ESCADRE_TOKEN is no token"),
        ({"ESCADRE_TOKEN": "a\nb"}, "ESCADRE_TOKEN is no token"),
        ({"ESCADRE_CA_FILE": "/nope"}, "/nope cannot be read"),
        ({"ESCADRE_CA_FILE": "/etc/hostname"}, "holds no certificate"),
        ({"ESCADRE_HUB": "http://x"}, "HTTPS only"),
    ],
)
def test_what_is_wrong_in_the_environment(environ: dict[str, str], message: str) -> None:
    with pytest.raises(CliError, match=message):
        choose(BOTH, environ=environ)


def test_without_any_hub_one_is_told_to_log_in() -> None:
    with pytest.raises(NotLoggedIn, match="escadre login HOST:PORT"):
        choose(Contexts(), environ={})


def test_forgetting_the_current_one_leaves_none_current() -> None:
    assert BOTH.without("prod") == Contexts("", {"test": TEST})
    assert BOTH.without("test").current == "prod"
    assert json.loads(json.dumps(list(BOTH.without("test").items))) == ["prod"]
