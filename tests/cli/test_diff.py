"""`app diff`: what it prints, and that its exit code can be relied upon."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hub.source.packed import unpack
from tests.cli import samples
from tests.cli.conftest import Terminal
from tests.cli.fakehub import FakeHub, refused

PATH = "/applications/web/diff"


def test_no_difference(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", PATH, {"items": [samples.cluster_diff()]})
    outcome = run("app", "diff", "web", "--cluster", "edge-1")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    assert hub.requests[-1].query == {"cluster": "edge-1"}


def test_a_difference_is_a_unified_diff_and_exit_1(hub: FakeHub, run: Terminal) -> None:
    pruned = samples.diff(kind="ConfigMap", group="", name="old", change="prune", diff="", message="no longer assigned")
    hub.on("GET", PATH, {"items": [samples.cluster_diff("edge-1", samples.diff(), pruned)]})
    outcome = run("app", "diff", "web")
    assert outcome.code == 1
    assert outcome.out.splitlines() == [
        "===== edge-1: apps/Deployment web/web: update =====",
        "--- live",
        "+++ assigned",
        "@@ -1 +1 @@",
        "-replicas: 5",
        "+replicas: 2",
        "===== edge-1: ConfigMap web/old: prune =====",
        "no longer assigned",
    ]
    assert run("app", "diff", "web", "--exit-code=false").code == 0


def test_clusters_with_the_same_difference_share_it(hub: FakeHub, run: Terminal) -> None:
    items = [samples.cluster_diff(f"edge-{n}", samples.diff()) for n in range(7)]
    hub.on("GET", PATH, {"items": [*items, samples.cluster_diff("other", samples.diff(diff="-a\n"))]})
    heads = [line for line in run("app", "diff", "web").out.splitlines() if line.startswith("=====")]
    assert heads == [
        "===== edge-0, edge-1, edge-2, edge-3, edge-4 and 2 more: apps/Deployment web/web: update =====",
        "===== other: apps/Deployment web/web: update =====",
    ]


@pytest.mark.parametrize("resources", [[], [samples.diff()]])
def test_a_cluster_without_an_answer_is_an_error_whatever_the_others_say(
    hub: FakeHub, run: Terminal, resources: list[dict[str, str]]
) -> None:
    away = samples.cluster_diff("edge-2", error="the agent is not connected")
    hub.on("GET", PATH, {"items": [samples.cluster_diff("edge-1", *resources), away]})
    outcome = run("app", "diff", "web", "--exit-code=false")
    assert (outcome.code, outcome.err) == (3, "error: no answer from edge-2 (the agent is not connected)\n")


def test_a_question_that_is_at_fault_is_no_silence(hub: FakeHub, run: Terminal) -> None:
    """A script that tries again what code 3 says would try a revision that does not exist for ever."""
    wrong = {"code": "not-rendered", "message": "there is no branch nope"}
    items = [samples.cluster_diff(name) | {"error": wrong} for name in ("edge-1", "edge-2")]
    hub.on("GET", PATH, {"items": items})
    outcome = run("app", "diff", "web", "--revision", "nope")
    assert (outcome.code, outcome.err) == (2, "error: edge-1, edge-2: there is no branch nope\n")
    away = samples.cluster_diff("edge-3", error="the agent is not connected")
    hub.on("GET", PATH, {"items": [*items, away]})
    outcome = run("app", "diff", "web", "--revision", "nope")
    assert (outcome.code, outcome.err) == (
        3,
        "error: no answer from edge-1, edge-2 (there is no branch nope); edge-3 (the agent is not connected)\n",
    )


def test_a_resource_without_an_answer_is_an_error(hub: FakeHub, run: Terminal) -> None:
    bad = samples.diff(change="error", diff="", message="Forbidden: no")
    hub.on("GET", PATH, {"items": [samples.cluster_diff("edge-1", bad)]})
    outcome = run("app", "diff", "web")
    assert outcome.code == 3
    assert "no answer from edge-1 about apps/Deployment web/web" in outcome.err
    assert "Forbidden: no" in outcome.out


def test_an_application_that_is_not_there_is_no_difference(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", PATH, refused(404, "not-found", "there is no application web"))
    assert run("app", "diff", "web").code == 2


def test_as_json(hub: FakeHub, run: Terminal) -> None:
    value = {"items": [samples.cluster_diff("edge-1", samples.diff())]}
    hub.on("GET", PATH, value)
    outcome = run("app", "diff", "web", "-o", "json")
    assert (outcome.code, json.loads(outcome.out)) == (1, value)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), 1),
        (("--exit-code",), 1),
        (("--exit-code=TRUE",), 1),
        (("--exit-code=false",), 0),
        (("--exit-code", "0"), 0),
    ],
)
def test_whether_a_difference_is_an_exit_code(hub: FakeHub, run: Terminal, words: tuple[str, ...], code: int) -> None:
    hub.on("GET", PATH, {"items": [samples.cluster_diff("edge-1", samples.diff())]})
    assert run("app", "diff", "web", *words).code == code


def test_a_diff_cannot_steer_the_terminal(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", PATH, {"items": [samples.cluster_diff("edge-1", samples.diff(diff="+a\x1b[2J\r\n\t+b\n"))]})
    assert run("app", "diff", "web").out.splitlines()[1:] == ["+a\N{REPLACEMENT CHARACTER}[2J", "\t+b"]


def test_against_a_revision(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", PATH, {"items": [samples.cluster_diff("edge-1", samples.diff())]})
    assert run("app", "diff", "web", "--revision", "v2").code == 1
    assert hub.requests[-1].query == {"revision": "v2"}


def test_what_takes_long_is_asked_for_once(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", PATH, refused(503, "unavailable", "nothing was rendered"))
    assert run("app", "diff", "web", "--revision", "v2").code == 3
    assert len(hub.asked("GET", PATH)) == 1


def test_against_a_directory(hub: FakeHub, run: Terminal, tmp_path: Path) -> None:
    hub.on("POST", PATH, {"items": [samples.cluster_diff("edge-1")]})
    tmp_path = tmp_path / "tree"
    (tmp_path / "deploy" / "web").mkdir(parents=True)
    (tmp_path / "deploy" / "web" / "a.yaml").write_text("a: 1")
    assert run("app", "diff", "web", "--local", str(tmp_path / "deploy" / "web"), "--cluster", "edge-1").code == 0
    request = hub.requests[-1]
    assert (request.query, request.headers["content-type"]) == ({"cluster": "edge-1"}, "application/gzip")
    assert [e.path for e in unpack(request.content).walk("")] == ["a.yaml"]
    root = ("--local", str(tmp_path / "deploy" / "web"), "--local-repo-root", str(tmp_path))
    assert run("app", "diff", "web", *root).code == 0
    assert hub.requests[-1].query == {"path": "deploy/web"}
    assert [e.path for e in unpack(hub.requests[-1].content).walk("")] == ["deploy/web/a.yaml"]


def test_questions_that_contradict_themselves(hub: FakeHub, run: Terminal, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    for words in (
        ("--local", str(here), "--revision", "v2"),
        ("--local-repo-root", str(here)),
        ("--local", str(here), "--local-repo-root", str(there)),
        ("--local", str(tmp_path / "nowhere")),
    ):
        assert run("app", "diff", "web", *words).code == 2
    assert hub.requests == []
