"""What the demonstration does on clusters that are somebody's own, and with the environment it is started in."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.__main__ import main
from demo.console import Steps
from demo.hands import RealHands
from demo.processes import Program, environment
from demo.repository import NAMESPACE, Repository
from demo.stage import SIMULATED, Stage, real_plans
from tests.controlplane.access import ClusterAccess
from tests.faults.killing import until


def test_every_context_becomes_a_cluster_of_a_legal_name() -> None:
    contexts = ["kind-one", "arn:aws:eks:eu-north-1:123456789012:cluster/Shop", "admin@Kubernetes", "admin.kubernetes"]
    # The last would be named as the one before it, if that were told apart from the first by a number.
    contexts += ["a", "a-7", "A"]
    plans = real_plans([*contexts, "kind-one"])
    assert [plan.context for plan in plans] == contexts
    assert len({plan.name for plan in plans}) == len(contexts)
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", plan.name) for plan in plans)
    assert plans[0].name == "kind-one"


def test_without_contexts_clusters_are_simulated() -> None:
    handler = signal.getsignal(signal.SIGINT)
    with Stage([], None, lambda _: None) as stage:
        assert stage.plans == list(SIMULATED)
        assert stage.clear_clusters() == []
    assert not stage.root.exists()
    assert signal.getsignal(signal.SIGINT) is handler


def test_what_is_set_for_another_hub_is_not_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESCADRE_DATABASE_URL", "postgresql+psycopg://somebody/elses")
    monkeypatch.setenv("ESCADRE_CONTEXT", "production")
    assert not [name for name in environment() if name.startswith("ESCADRE_")]
    program = Program("one of them", [sys.executable, "-c", "import os; print(*os.environ)"], tmp_path / "log")
    program.start()
    until(lambda: not program.running, "it to end")
    assert "PATH" in program.last_words() and "ESCADRE_" not in program.last_words()


def test_a_hub_that_ends_while_it_is_tried_is_told_and_all_is_taken_down(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], handlers: None
) -> None:
    def end(stage: Stage, steps: Steps) -> None:
        roots.append(stage.root)
        stage.hub.check()

    roots: list[Path] = []
    monkeypatch.setattr("sys.argv", ["demo"])
    monkeypatch.setattr("demo.__main__.Story.run", lambda story: None)
    monkeypatch.setattr("demo.__main__._stay", end)
    assert main() == 1
    assert "the hub has ended" in capsys.readouterr().out and not roots[0].exists()


@pytest.fixture
def handlers() -> Iterator[None]:
    """What the demonstration does with signals is undone."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_somebody_who_never_told_git_their_name_can_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = Repository(tmp_path)
    repository.fill(kustomize=True)
    repository.write_shop("hola", "3.10")
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", "commit", "--all", "--message", "Spanish"], cwd=repository.path, env=environment, capture_output=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.controlplane
def test_its_namespace_goes_from_a_real_cluster(control_plane: ClusterAccess) -> None:
    kubeconfig = control_plane.kubeconfig_path
    path = f"/api/v1/namespaces/{NAMESPACE}"
    control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    hands = RealHands(kubeconfig, "")
    assert not hands.remove_namespace(NAMESPACE), "it takes its time, which is not waited for unless one says so"
    assert hands.remove_namespace(NAMESPACE, seconds=60)
    assert not control_plane.exists(path)
    assert hands.remove_namespace(NAMESPACE), "where there is none it is gone already"
