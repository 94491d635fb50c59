"""Commands that change something: what they send, and what they say."""

from __future__ import annotations

import json
import os
import shlex
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hub.api.models.flags import ApplicationFlagsBody
from hub.cli.commands.app_create import command as create
from tests.cli import samples
from tests.cli.conftest import Terminal
from tests.cli.fakehub import FakeHub, Reply, refused

STORED = {"id": "argocd/web", "action": "created", "generation": 1, "warnings": ["spec.x is not a known field"]}


def test_create_sends_every_flag_under_the_apis_name(hub: FakeHub, run: Terminal, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("a: 1\n")
    hub.on("POST", "/applications", Reply(STORED, 201))
    outcome = run(
        *("app", "create", "team-a/web", "--upsert", "--project", "shop", "--repo", "https://git.example/shop.git"),
        *("--path", "web", "--revision", "main", "--dest-server", "https://x", "--dest-name", "edge-1"),
        *("--dest-namespace", "web", "--dest-selector", "a=b", "--dest-selector", "c in (d,e)"),
        *(
            "--sync-policy",
            "auto",
            "--auto-prune",
            "--no-self-heal",
            "--allow-empty",
            "--sync-option",
            "A=b",
        ),
        *("--helm-set", "a=1", "--helm-set-string", "b=2", "--values", "v.yaml", "--values-literal-file", str(values)),
        *("--release-name", "r", "--kustomize-image", "a=b", "--nameprefix", "p-", "--namesuffix", "-s"),
        *("--directory-recurse", "--directory-include", "*.yaml", "--directory-exclude", "x", "--label", "k=v"),
        *("--annotation", "m=n", "--source-position", "2", "--revision-history-limit", "5"),
    )
    assert outcome.code == 0, outcome.err
    (asked,) = hub.requests
    assert asked.query == {"upsert": "true"}
    assert ApplicationFlagsBody.model_validate(asked.json)
    assert asked.json == {
        "name": "web",
        "namespace": "team-a",
        "project": "shop",
        "repo": "https://git.example/shop.git",
        "path": "web",
        "revision": "main",
        "dest_server": "https://x",
        "dest_name": "edge-1",
        "dest_namespace": "web",
        "dest_selectors": ["a=b", "c in (d,e)"],
        "sync_policy": "auto",
        "auto_prune": True,
        "self_heal": False,
        "allow_empty": True,
        "sync_options": ["A=b"],
        "helm_set": ["a=1"],
        "helm_set_string": ["b=2"],
        "values": ["v.yaml"],
        "values_literal": "a: 1\n",
        "release_name": "r",
        "kustomize_images": ["a=b"],
        "name_prefix": "p-",
        "name_suffix": "-s",
        "directory_recurse": True,
        "directory_include": "*.yaml",
        "directory_exclude": "x",
        "labels": ["k=v"],
        "annotations": ["m=n"],
        "source_position": 2,
        "revision_history_limit": 5,
    }
    assert (outcome.out, outcome.err) == ("application/web created\n", "warning: spec.x is not a known field\n")


def test_every_flag_of_the_api_has_an_option() -> None:
    fields = set(ApplicationFlagsBody.model_fields) - {"name", "namespace"}
    options = {"values_literal" if p.name == "values_literal_file" else p.name for p in create.params}
    assert fields <= options


def test_what_is_not_given_is_not_sent(hub: FakeHub, run: Terminal) -> None:
    hub.on("PATCH", "/applications/web/flags", {**STORED, "action": "configured", "warnings": []})
    assert run("app", "set", "web", "--revision", "v2").out == "application/web configured\n"
    assert hub.requests[-1].json == {"revision": "v2"}
    assert json.loads(run("app", "set", "web", "--no-auto-prune", "-o", "json").out)["action"] == "configured"
    assert hub.requests[-1].json == {"auto_prune": False}
    assert run("app", "set", "web", "--revision", "", "-o", "name").out == "web\n"
    assert hub.requests[-1].json == {"revision": ""}, "an empty value is a value"


def test_setting_nothing_is_a_mistake(run: Terminal) -> None:
    assert run("app", "set", "web").code == 2


@pytest.mark.parametrize("content", [None, b"\xff", b"x" * (1024 * 1024 + 1)])
def test_a_bad_file_of_values(run: Terminal, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "values.yaml"
    if content is not None:
        path.write_bytes(content)
    outcome = run("app", "set", "web", "--values-literal-file", str(path))
    assert (outcome.code, str(path) in outcome.err) == (2, True)


def test_refresh_and_terminate(hub: FakeHub, run: Terminal) -> None:
    hub.on("POST", "/applications/web/refresh", Reply({"application": "argocd/web", "mode": "hard"}, 202))
    assert run("app", "refresh", "web", "--hard").out == "web: a hard refresh was asked for.\n"
    assert hub.requests[-1].query == {"hard": "true"}
    hub.on("POST", "/applications/web/terminate", Reply({"operation_id": "x"}, 202))
    rows = samples.row("a"), samples.row("b", liveness="Unreachable")
    hub.on("GET", "/applications/web", samples.detail(*rows))
    outcome = run("app", "terminate-op", "web", "--cluster", "a")
    assert (outcome.code, outcome.err) == (0, "")
    assert hub.asked("POST", "/applications/web/terminate")[0].json == {"clusters": ["a"]}
    outcome = run("app", "terminate-op", "web")
    assert (outcome.code, outcome.err) == (0, "warning: not connected, and ended once they are back: b\n")


# --- clusters


def test_adding_a_cluster_prints_commands_that_work_as_they_are(hub: FakeHub, run: Terminal, tmp_path: Path) -> None:
    hub.on("POST", "/clusters", Reply(samples.join(), 201))
    outcome = run("cluster", "add", "edge-1", "--label", "region=eu", "--label", "x=", "--server", "https://10.0.0.1")
    assert hub.requests[-1].json == {
        "name": "edge-1",
        "labels": {"region": "eu", "x": ""},
        "server": "https://10.0.0.1",
    }
    script = "\n".join(line for line in outcome.out.splitlines() if line[:1] not in ("C", "T", "O"))
    agent = tmp_path / "escadre-agent"
    agent.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > arguments\n')
    agent.chmod(0o755)
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["sh", "-ec", script], cwd=tmp_path, env=environ, check=True)
    assert (tmp_path / "arguments").read_text().split() == [
        *("run", "--hub", "hub.example:8443", "--ca-pin", samples.PIN),
        *("--token-file", "edge-1.token", "--data-dir", "./edge-1"),
    ]
    token = tmp_path / "edge-1.token"
    assert token.read_text() == "esc1.abcdefgh.SECRETSECRET\n"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600


def test_a_token_can_go_to_a_file_and_nowhere_else(hub: FakeHub, run: Terminal, tmp_path: Path) -> None:
    hub.on("POST", "/clusters/edge-1/rotate-token", Reply(samples.join(), 201))
    path = tmp_path / "a b.token"
    outcome = run("cluster", "rotate-token", "edge-1", "--token-file", str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == "esc1.abcdefgh.SECRETSECRET\n"
    assert "SECRET" not in outcome.out + outcome.err
    assert f"--token-file {shlex.quote(str(path))}" in outcome.out
    value = json.loads(run("cluster", "rotate-token", "edge-1", "--token-file", str(path), "-o", "json").out)
    assert "token" not in value
    assert value["token_file"] == str(path)


def test_the_parts_as_json(hub: FakeHub, run: Terminal) -> None:
    hub.on("POST", "/clusters", Reply(samples.join(), 201))
    assert json.loads(run("cluster", "add", "edge-1", "-o", "json").out) == samples.join()


def test_changing_a_cluster(hub: FakeHub, run: Terminal) -> None:
    hub.on("PATCH", "/clusters/edge-1", samples.cluster())
    assert run("cluster", "set", "edge-1", "--label", "a=b=c", "--label", "old-", "--label", "e=").code == 0
    assert hub.requests[-1].json == {"labels": {"a": "b=c", "old": None, "e": ""}}
    assert json.loads(run("cluster", "set", "edge-1", "--server", "", "-o", "json").out) == samples.cluster()
    assert hub.requests[-1].json == {"labels": {}, "server": ""}


def test_removing_a_cluster(hub: FakeHub, run: Terminal) -> None:
    hub.on("DELETE", "/clusters/edge-1", {"cluster": "edge-1", "applications": [], "message": "it is removed"})
    assert run("cluster", "rm", "edge-1").code == 2
    assert hub.requests == []
    assert run("cluster", "rm", "edge-1", "--yes").out == "it is removed.\n"


def test_confirming_deletions(hub: FakeHub, run: Terminal) -> None:
    path = "/applications/web/confirm-deletion"
    told = {"application": "argocd/web", "confirmed_at": samples.at(), "clusters": ["edge-1"]}
    hub.on("POST", path, Reply(told, 202), Reply(told | {"clusters": []}, 202))
    assert run("app", "confirm-deletion", "web").out == "web: what waits for it may be deleted.\n"
    outcome = run("app", "confirm-deletion", "web")
    assert (outcome.code, outcome.out) == (
        0,
        "web: nothing waits for it, as far as its clusters have told. What begins later asks again.\n",
    )


def test_going_back_to_the_default_settings(hub: FakeHub, run: Terminal) -> None:
    assert "give --yes" in run("settings", "rm").err
    hub.on("PUT", "/settings", samples.settings({}))
    assert run("settings", "rm", "-y").out == "settings removed\n"
    assert hub.requests[-1].json == {"data": {}}


def test_removing_a_project(hub: FakeHub, run: Terminal) -> None:
    hub.on("DELETE", "/projects/shop", refused(409, "conflict", "3 applications belong to project shop"))
    outcome = run("proj", "rm", "shop", "-y")
    assert (outcome.code, outcome.err) == (2, "error: 3 applications belong to project shop\n")
    hub.on("DELETE", "/projects/shop", {"project": "shop"})
    assert run("proj", "rm", "shop", "-y").out == "project/shop removed\n"


# --- wrong usage


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ap"], "error: there is no command 'ap': did you mean 'app'? (see `escadre --help`)"),
        (["app", "synk", "web"], "error: there is no command 'synk': did you mean 'sync'? (see `escadre app --help`)"),
        (["app", "get"], "error: missing argument 'APP' (see `escadre app get --help`)"),
        (["app", "get", "Web"], "'Web' is no application's name: give NAME, or NAMESPACE/NAME"),
        (["app", "get", "../x"], "is no application's name"),
        (["app", "get", "web", "-o", "xml"], "'xml' is not one of"),
        (
            ["app", "sync", "web", "--timeout", "soon"],
            "'soon' is no duration: give seconds, or such as 90s, 5m or 1h30m",
        ),
        (["app", "sync", "web", "--tiemout", "5"], "no such option"),
        (["cluster", "add", "Edge"], "is no cluster's name: use lower-case letters, digits, '-' and '.' (see"),
        (["app", "rollback", "web", "last"], "'last' is not a whole number"),
        (["app", "manifests", "web", "--revision", "abc"], "'abc' is no commit: give its id, or at least 4 characters"),
        (["cluster", "add", "edge", "--label", "x"], "'x' is no label: give KEY=VALUE"),
        (["cluster", "set", "edge"], "nothing is to be changed"),
        (["cluster", "set", "edge", "--label", "x"], "is no change of a label"),
        (["cluster", "add", "edge", "--kubeconfig", "x"], "say nothing without --context"),
        (["cluster", "add", "edge", "--context", "x", "--token-file", "y"], "exclude one another"),
        (["app", "list", "--hub-context", "nope"], "there is no context 'nope'; known are test"),
        (["app", "list", "--request-timeout", "0"], "0 is no time at all: give seconds"),
        (["app", "sync", "web", "--prune=x"], "'--prune' does not take a value (see `escadre app sync --help`)"),
        (["app", "list", "-l"], "'-l' requires an argument (see `escadre app list --help`)"),
        (["app", "delete", "web", "-y", "--cascade="], "invalid value for '--cascade': '' is neither true nor false"),
        (["app", "delete", "web", "-y", "--cascade=flase"], "'flase' is neither true nor false"),
        (["app", "actions", "run", "web", "", "--kind", "x"], "'' is no action's name: `escadre app actions list` has"),
        (["app", "actions", "run", "web", "a/b", "--kind", "x"], "'a/b' is no action's name"),
        (
            ["app", "manifests", "web", "--manifest-set", "507f7c6f5eb9"],
            "'507f7c6f5eb9' is no manifest set: give the 64 digits that `escadre app history -o json` has of it",
        ),
        # What contradicts itself, or says nothing.
        (["app", "sync", "web", "--async", "--timeout", "5"], "--timeout says how long to wait, and --async not to"),
        (
            ["app", "sync", "web", "--replace", "--sync-option", "Replace=false"],
            "Replace=true and Replace=false contradict",
        ),
        (["app", "delete", "web", "-y", "--timeout", "5"], "--timeout says how long to wait: give --wait, too"),
        (
            ["app", "delete", "web", "-y", "--cascade=false", "--propagation-policy", "orphan"],
            "--propagation-policy says how clusters delete, and with --cascade=false none does",
        ),
        (["app", "wait", "web", "--delete", "--cluster", "edge-1"], "--delete waits for the end of all of it"),
        (["app", "wait", "web", "--delete", "--health"], "--delete waits for the end of all of it"),
        # What the hub does not take, and what no JSON holds.
        (["app", "rollback", "web", "0"], "0 is not in the range 1<=x<="),
        (["app", "rollback", "web", "9" * 25], "is not in the range 1<=x<="),
        (["app", "set", "web", "--revision-history-limit", "9" * 25], "is not in the range 0<=x<="),
        (["project", "windows", "delete", "shop", "9" * 25, "-y"], "is not in the range 0<=x<="),
        (["app", "sync", "web", "--retry-limit", "9" * 25], "is not in the range -1<=x<="),
        (["app", "sync", "web", "--retry-limit", "3", "--retry-backoff-factor", "nan"], "'nan' is not a number"),
        (["app", "sync", "web", "--retry-limit", "3", "--retry-backoff-factor", "inf"], "is not in the range 1<=x<="),
        (
            ["app", "sync", "web", "--retry-limit", "3", "--retry-backoff-duration", "25h"],
            "'25h' is too long: give 86400 seconds at most",
        ),
        # What a variable that nobody has set makes of a command line.
        (["app", "list", "--hub-context", ""], "invalid value for '--hub-context': it is empty: give a"),
        (["app", "sync", "web", "--revision", ""], "invalid value for '--revision': it is empty"),
        (["app", "diff", "web", "--revision", " "], "invalid value for '--revision': it is empty"),
        (["app", "actions", "run", "web", "restart", "--kind", "", "--all"], "invalid value for '--kind': it is empty"),
        (
            ["app", "actions", "run", "web", "restart", "--kind", "Deployment", "--resource-name", "", "--all"],
            "invalid value for '--resource-name': it is empty",
        ),
        (["app", "actions", "list", "web", "--namespace", ""], "invalid value for '--namespace': it is empty"),
        (["apply", "-f", ""], "invalid value for '-f' / '--filename': it is empty"),
    ],
)
def test_wrong_usage_is_one_line_that_helps(run: Terminal, arguments: list[str], message: str) -> None:
    outcome = run(*arguments)
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.err.startswith("error: ")
    assert len(outcome.err.splitlines()) == 1
    assert outcome.out == ""


def test_without_a_command_there_is_help(run: Terminal) -> None:
    outcome = run("app")
    assert outcome.code == 2
    assert "Show an application on every cluster." in outcome.out + outcome.err


def test_without_a_login_one_is_told_to_log_in(stranger: Terminal) -> None:
    outcome = stranger("app", "list")
    assert (outcome.code, "log in with `escadre login HOST:PORT`" in outcome.err) == (3, True)


def test_an_ended_session(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", "/applications", refused(401, "session-ended", "the session has ended: log in with `escadre login`"))
    outcome = run("app", "list")
    assert (outcome.code, outcome.err) == (3, "error: the session has ended: log in with `escadre login`\n")


def test_a_fault_in_escadre_itself_is_one_line(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", "/applications", {"items": [{"unexpected": "shape"}], "continue": ""})
    outcome = run("app", "list")
    assert outcome.code == 70
    assert outcome.err.startswith("error: a fault in escadre itself: KeyError: ")
    assert len(outcome.err.splitlines()) == 1
    assert "Traceback" in run("app", "list", ESCADRE_DEBUG="1").err


def test_version_without_a_hub(stranger: Terminal, hub: FakeHub) -> None:
    assert stranger("version").out.startswith("escadre:  ")
    assert stranger("--version").out.startswith("escadre ")
    stranger.knows(hub)
    hub.on("GET", "/version", Reply(drop=True))
    outcome = stranger("version")
    assert (outcome.code, outcome.out.startswith("escadre:  ")) == (3, True)
    assert stranger("version", "--client").code == 0


def test_the_environment_is_enough(hub: FakeHub, stranger: Terminal, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text(hub.ca)
    hub.on("GET", "/clusters", {"items": [], "continue": ""})
    env: dict[str, Any] = {"ESCADRE_HUB": hub.address, "ESCADRE_TOKEN": "from-env", "ESCADRE_CA_FILE": str(ca)}
    assert stranger("cluster", "list", **env).code == 0
    assert hub.requests[-1].headers["authorization"] == "Bearer from-env"
