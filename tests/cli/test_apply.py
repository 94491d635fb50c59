"""`apply`: all files are read and checked before the first is sent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Terminal
from tests.cli.fakehub import FakeHub, Reply, Request, refused

PATH = "/objects/apply"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    directory = tmp_path / "files"
    directory.mkdir()
    return directory


def application(name: str = "web", **spec: object) -> str:
    given = {
        "project": "default",
        "source": {"repoURL": "https://git.example/shop.git", "path": "."},
        "destination": {"name": "edge-1"},
    }
    value = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name},
        "spec": given | spec,
    }
    return json.dumps(value)


def result(name: str = "web", action: str = "created", *warnings: str) -> dict[str, object]:
    return {"kind": "Application", "name": name, "namespace": "argocd", "action": action, "warnings": list(warnings)}


def test_a_file(hub: FakeHub, run: Terminal, files: Path) -> None:
    path = files / "app.yaml"
    path.write_text(application())
    hub.on("POST", PATH, {"results": [result("web", "created", "spec.x is not a known field")]})
    outcome = run("apply", "-f", str(path))
    assert (outcome.code, outcome.out) == (0, "application/web created\n")
    assert outcome.err == "warning: application/web: spec.x is not a known field\n"
    (asked,) = hub.requests
    assert asked.content == path.read_bytes()
    assert asked.headers["content-type"] == "application/yaml"
    assert asked.query == {"strict": "false", "dry_run": "false", "name": str(path)}


def test_standard_input(hub: FakeHub, run: Terminal) -> None:
    hub.on("POST", PATH, {"results": [result()]})
    assert run("apply", "-f", "-", "--dry-run", "--strict", input=application()).code == 0
    assert hub.requests[0].query == {"strict": "true", "dry_run": "true", "name": "standard input"}


def test_a_directory_in_the_order_of_its_names(hub: FakeHub, run: Terminal, files: Path) -> None:
    for name in ("b.yml", "a.yaml", "c.json", "sub/d.yaml", "readme.md"):
        path = files / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(application(path.stem) if path.suffix != ".md" else "# not for us")
    (files / "empty.yaml").write_text("# nothing\n")

    def echo(request: Request) -> Reply:
        return Reply({"results": [result(json.loads(request.content)["metadata"]["name"])]})

    hub.on("POST", PATH, echo)
    assert run("apply", "-f", str(files), "-o", "name").out.split() == [
        *("application/a", "application/b", "application/c")
    ]
    assert run("apply", "-f", str(files), "-R", "-o", "name").out.split()[-1] == "application/d"


def test_all_mistakes_are_told_with_file_and_line_and_nothing_is_sent(hub: FakeHub, run: Terminal, files: Path) -> None:
    (files / "a.yaml").write_text(application())
    (files / "b.yaml").write_text("kind: Application\nkind: Application\n")
    (files / "c.yaml").write_text(application(project=5))
    outcome = run("apply", "-f", str(files))
    assert outcome.code == 2
    assert f"{files}/b.yaml, line 2" in outcome.err
    assert f"{files}/c.yaml, line 1" in outcome.err
    assert hub.requests == []


def test_strict_makes_warnings_errors(hub: FakeHub, run: Terminal, files: Path) -> None:
    path = files / "a.yaml"
    path.write_text(application(colour="blue"))
    outcome = run("apply", "-f", str(path), "--strict")
    assert (outcome.code, "spec.colour" in outcome.err, hub.requests) == (2, True, [])


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("none.yaml", "cannot be read: No such file"),
        (".", "holds no .yaml, .yml, .json files; -R looks"),
    ],
)
def test_files_that_are_not_there(run: Terminal, files: Path, argument: str, message: str) -> None:
    outcome = run("apply", "-f", str(files / argument))
    assert (outcome.code, message in outcome.err) == (2, True), outcome.err


def test_a_text_without_objects(run: Terminal) -> None:
    outcome = run("apply", "-f", "-", input="# nothing\n---\n")
    assert (outcome.code, "there are no objects in it" in outcome.err) == (2, True)


def test_too_large_a_text_is_not_read(run: Terminal, files: Path) -> None:
    path = files / "a.yaml"
    with path.open("wb") as file:
        file.truncate(17 * 1024 * 1024)
    outcome = run("apply", "-f", str(path))
    assert (outcome.code, "larger than" in outcome.err) == (2, True)


def test_what_the_hub_refuses(hub: FakeHub, run: Terminal) -> None:
    hub.on("POST", PATH, refused(422, "invalid", "first problem\nsecond problem", details=("first", "second")))
    outcome = run("apply", "-f", "-", input=application())
    assert (outcome.code, outcome.err) == (2, "error: first problem\nsecond problem\n")


def test_results_as_json(hub: FakeHub, run: Terminal) -> None:
    hub.on("POST", PATH, {"results": [result()]})
    assert json.loads(run("apply", "-f", "-", "-o", "json", input=application()).out) == {"items": [result()]}
