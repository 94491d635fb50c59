"""`escadre repo`, `repocreds` and `cert`: what is sent, and what is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hub.api.models.repository import (
    CertificateItem,
    CertificatesPut,
    EntryStored,
    RepositoryBody,
    RepositoryItem,
    RepositoryTest,
    TemplateBody,
)
from tests.cli.conftest import Terminal
from tests.cli.fakehub import FakeHub, Reply, refused

URL = "https://git.example.com/shop.git"


def item(**values: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": "a" * 32,
        "url": URL,
        "type": "git",
        "project": "",
        "username": "bot",
        "has_password": True,
        "has_bearer_token": False,
        "has_ssh_private_key": False,
        "has_tls_client_certificate": False,
        "github_app_id": 0,
        "github_app_installation_id": 0,
        "github_app_base_url": "",
        "has_proxy": False,
        "no_proxy": "",
        "force_basic_auth": False,
        "enable_oci": False,
        "plain_http": False,
        "changed_at": "2026-01-01T00:00:00Z",
        "changed_by": "ada",
        "name": "shop",
        "insecure": False,
        "enable_lfs": True,
        "inherits": "",
        **values,
    }
    assert RepositoryItem.model_validate(found)
    return found


def stored(action: str = "created") -> dict[str, Any]:
    found = {"id": "a" * 32, "url": URL, "action": action}
    assert EntryStored.model_validate(found)
    return found


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    found = {}
    for name in ("password", "token", "key", "cert", "certkey", "app"):
        path = tmp_path / name
        path.write_text(f"{name}-content\n")
        found[name] = str(path)
    return found


def test_add_tests_first_and_sends_every_option(hub: FakeHub, run: Terminal, files: dict[str, str]) -> None:
    hub.on("POST", "/repositories/test", {"url": URL, "message": "can be read"})
    hub.on("PUT", "/repositories", stored())
    outcome = run(
        *("repo", "add", URL, "--name", "shop", "--project", "team", "--type", "git", "--upsert"),
        *("--username", "bot", "--password-file", files["password"], "--bearer-token-file", files["token"]),
        *("--ssh-private-key-path", files["key"], "--tls-client-cert-path", files["cert"]),
        *("--tls-client-cert-key-path", files["certkey"], "--github-app-id", "7"),
        *("--github-app-installation-id", "8", "--github-app-private-key-path", files["app"]),
        *("--github-app-enterprise-base-url", "https://ghe/api/v3", "--insecure-skip-server-verification"),
        *("--enable-lfs", "--enable-oci", "--insecure-oci-force-http", "--force-http-basic-auth"),
        *("--proxy", "http://proxy:1", "--no-proxy", "a,b"),
    )
    assert (outcome.code, outcome.out, outcome.err) == (0, f"repository {URL} created\n", "")
    test, put = hub.requests
    assert RepositoryTest.model_validate(test.json)
    assert RepositoryBody.model_validate(put.json)
    assert put.query == {"upsert": "true"}
    assert (
        test.json
        == put.json
        == {
            "url": URL,
            "type": "git",
            "project": "team",
            "name": "shop",
            "username": "bot",
            "password": "password-content",
            "bearer_token": "token-content",
            "ssh_private_key": "key-content\n",
            "tls_client_certificate": "cert-content\n",
            "tls_client_key": "certkey-content\n",
            "github_app": {
                "app_id": 7,
                "installation_id": 8,
                "private_key": "app-content\n",
                "base_url": "https://ghe/api/v3",
            },
            "proxy": "http://proxy:1",
            "no_proxy": "a,b",
            "force_basic_auth": True,
            "enable_oci": True,
            "plain_http": True,
            "insecure": True,
            "enable_lfs": True,
        }
    )


def test_one_that_cannot_be_read_is_not_registered(hub: FakeHub, run: Terminal) -> None:
    hub.on("POST", "/repositories/test", refused(422, "repository-denied", "it refuses the hub's credentials"))
    outcome = run("repo", "add", URL, "--insecure-ignore-host-key")
    assert (outcome.code, outcome.err) == (2, "error: it refuses the hub's credentials\n")
    assert [request.method for request in hub.requests] == ["POST"]
    assert hub.requests[0].json["insecure"] is True


def test_it_need_not_be_tested(hub: FakeHub, run: Terminal) -> None:
    hub.on("PUT", "/repositories", stored("configured"))
    assert run("repo", "add", URL, "--skip-test").out == f"repository {URL} configured\n"


class TestPasswords:
    def test_one_on_the_command_line_is_warned_of(self, hub: FakeHub, run: Terminal) -> None:
        hub.on("PUT", "/repositories", stored())
        outcome = run("repo", "add", URL, "--skip-test", "--username", "bot", "--password", "s3cret")
        assert outcome.err == "warning: others on this machine can see --password\n"
        assert hub.requests[0].json["password"] == "s3cret"

    def test_one_in_a_proxys_url_too(self, hub: FakeHub, run: Terminal) -> None:
        hub.on("PUT", "/repositories", stored())
        assert "--proxy" in run("repo", "add", URL, "--skip-test", "--proxy", "http://u:p@proxy").err

    def test_from_standard_input(self, hub: FakeHub, run: Terminal) -> None:
        hub.on("PUT", "/repositories", stored())
        run("repo", "add", URL, "--skip-test", "--username", "bot", "--password-stdin", input="s3cret\n")
        assert hub.requests[0].json["password"] == "s3cret"

    def test_it_is_asked_for(self, hub: FakeHub, run: Terminal, at_terminal: Any) -> None:
        hub.on("PUT", "/repositories", stored())
        outcome = run("repo", "add", URL, "--skip-test", "--username", "bot", input="s3cret\n")
        assert hub.requests[0].json["password"] == "s3cret"
        assert "Password of bot" in outcome.err and "s3cret" not in outcome.err

    def test_nobody_is_there_to_ask(self, run: Terminal) -> None:
        assert "--password-file" in run("repo", "add", URL, "--username", "bot").err

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("--password", "a", "--password-stdin"), "one way only"),
            (("--bearer-token", "a", "--bearer-token-file", "/dev/null"), "not both"),
            (("--github-app-id", "7"), "--github-app-private-key-path"),
            (("--ssh-private-key-path", "/none/there"), "cannot be read"),
            (("--ssh-private-key-path", "/dev/null"), "is empty"),
            (("--type", "svn"), "svn"),
        ],
    )
    def test_misuse(self, run: Terminal, arguments: tuple[str, ...], words: str) -> None:
        outcome = run("repo", "add", URL, *arguments)
        assert outcome.code == 2
        assert words in outcome.err


def test_lists(hub: FakeHub, run: Terminal) -> None:
    rows = [
        item(),
        item(url="git@h:x", name="", has_password=False, username="", has_ssh_private_key=True, project="p"),
    ]
    for _ in range(4):
        hub.on("GET", "/repositories", {"items": rows, "continue": ""})
    head, first, second = run("repo", "list").out.splitlines()
    assert head.split() == ["TYPE", "NAME", "REPO", "CREDS", "INSECURE", "PROJECT"]
    assert first.split() == ["git", "shop", URL, "password", "of", "bot", "false"]
    assert "SSH key" in second
    assert "ada" in run("repo", "ls", "-o", "wide").out
    assert run("repo", "list", "-o", "name").out == f"{URL}\ngit@h:x\n"
    assert json.loads(run("repo", "list", "-o", "json").out)["items"][0]["has_password"] is True


def test_get(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", "/repositories", {"items": [item(project="team"), item()], "continue": ""})
    out = run("repo", "get", URL).out
    assert "password of bot" in out and "LFS" in out and "Project" not in out, "that of all projects comes first"
    assert hub.requests[0].query == {"url": URL}
    hub.on("GET", "/repositories", {"items": [], "continue": ""})
    outcome = run("repo", "get", URL, "--project", "team")
    assert (outcome.code, outcome.err) == (2, f"error: nothing is registered for {URL} in project team\n")
    hub.on("GET", "/repositories", {"items": [item(project="a"), item(project="b")], "continue": ""})
    assert "--project" in run("repo", "get", URL).err


def test_test(hub: FakeHub, run: Terminal) -> None:
    for _ in range(2):
        hub.on("POST", "/repositories/test", {"url": URL, "message": f"{URL} can be read"})
    assert run("repo", "test", URL, "--project", "team").out == f"{URL} can be read\n"
    assert hub.requests[0].json == {"url": URL, "type": "git", "project": "team", "stored": True}
    run("repo", "test", URL, "--insecure-skip-server-verification")
    assert hub.requests[1].json == {"url": URL, "type": "git", "insecure": True}


def test_rm(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", "/repositories", {"items": [item()], "continue": ""})
    hub.on("DELETE", f"/repositories/{'a' * 32}", {"id": "a" * 32, "url": URL})
    assert run("repo", "rm", URL).out == f"repository {URL} removed\n"


def test_templates(hub: FakeHub, run: Terminal, files: dict[str, str]) -> None:
    hub.on("PUT", "/repository-credentials", stored())
    assert run("repocreds", "add", URL, "--username", "bot", "--password-file", files["password"]).code == 0
    assert TemplateBody.model_validate(hub.requests[0].json)
    template = {k: v for k, v in item().items() if k not in ("name", "insecure", "enable_lfs", "inherits")}
    for _ in range(2):
        hub.on("GET", "/repository-credentials", {"items": [template], "continue": ""})
    assert "password of bot" in run("repocreds", "list").out
    hub.on("DELETE", f"/repository-credentials/{'a' * 32}", {"id": "a" * 32, "url": URL})
    assert run("repocreds", "rm", URL).out == f"credential template {URL} removed\n"


class TestCertificates:
    def test_host_keys(self, hub: FakeHub, run: Terminal, files: dict[str, str]) -> None:
        hub.on("PUT", "/certificates", {"created": ["h ssh-ed25519"], "unchanged": 2})
        outcome = run("cert", "add-ssh", "--batch", input="h ssh-ed25519 AAAA\n")
        assert outcome.out == "host key h ssh-ed25519 added\n1 added, 2 were there already\n"
        assert CertificatesPut.model_validate(hub.requests[0].json)
        assert hub.requests[0].json == {"known_hosts": "h ssh-ed25519 AAAA\n"}
        hub.on("PUT", "/certificates", {"created": [], "unchanged": 0})
        run("cert", "add-ssh", "--batch", "--from", files["key"])
        assert hub.requests[1].json == {"known_hosts": "key-content\n"}
        assert "--batch" in run("cert", "add-ssh").err

    def test_authorities(self, hub: FakeHub, run: Terminal, files: dict[str, str]) -> None:
        hub.on("PUT", "/certificates", {"created": ["h"], "unchanged": 0})
        outcome = run("cert", "add-tls", "h", "--from", files["cert"], "--upsert")
        assert outcome.out == "certificates of h stored\n"
        assert (hub.requests[0].json, hub.requests[0].query) == (
            {"server": "h", "certificates": "cert-content\n"},
            {"upsert": "true"},
        )

    def test_lists(self, hub: FakeHub, run: Terminal) -> None:
        found = {
            "id": "b" * 32,
            "type": "ssh",
            "server": "h",
            "subtype": "ssh-ed25519",
            "fingerprint": "SHA256:x",
            "expires_at": None,
        }
        assert CertificateItem.model_validate(found)
        hub.on("GET", "/certificates", {"items": [found], "continue": ""})
        out = run("cert", "list", "--cert-type", "ssh", "--hostname-pattern", "*.example.com").out
        assert out.splitlines()[1].split() == ["h", "ssh", "ssh-ed25519", "SHA256:x"]
        assert hub.requests[0].query == {"type": "ssh", "server": "*.example.com"}

    def test_rm(self, hub: FakeHub, run: Terminal) -> None:
        hub.on("DELETE", "/certificates", Reply({"removed": 2}))
        assert run("cert", "rm", "h", "--cert-type", "ssh", "--cert-sub-type", "ssh-rsa").out == "2 removed\n"
        assert hub.requests[0].query == {"server": "h", "type": "ssh", "subtype": "ssh-rsa"}
