from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests import lint
from tests.lint import ROOT, STEPS, Outcome, Step, run, tell


async def test_a_step_that_passes_is_one_line() -> None:
    outcome = await run(Step("speech", ("-c", "print('much to say')"), "be silent"))
    assert outcome.passed
    assert tell(outcome).splitlines() == [f"lint: speech: passed ({outcome.seconds:.1f} s)"]


async def test_a_step_that_fails_is_shown_with_what_mends_it() -> None:
    code = "import sys; print('told'); print('complained', file=sys.stderr); sys.exit(3)"
    outcome = await run(Step("speech", ("-c", code), "be silent"))
    lines = tell(outcome).splitlines()
    assert not outcome.passed
    assert lines[0].startswith("lint: speech: FAILED")
    assert sorted(lines[1:-1]) == ["complained", "told"]
    assert lines[-1] == "lint: speech: to mend it, be silent"


async def test_a_step_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lint, "STEP_LIMIT", 0.2)
    outcome = await run(Step("sleep", ("-c", "import time; time.sleep(60)"), "wake up"))
    assert not outcome.passed and "was ended" in outcome.output and outcome.seconds < 30


def test_what_stands_before_the_failure_is_left_out() -> None:
    step = Step("imports", (), "see there", begins="Broken")
    told = tell(Outcome(step, False, 1.0, "a banner\nall of it\nBroken contracts\na -> b"))
    assert told.splitlines()[1:3] == ["Broken contracts", "a -> b"]
    without = tell(Outcome(step, False, 1.0, "another failure"))
    assert "another failure" in without


def test_the_exit_code_tells(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    steps = (Step("good", ("-c", ""), ""), Step("bad", ("-c", "raise SystemExit(1)"), "mend it"))
    monkeypatch.setattr(lint, "STEPS", steps)
    monkeypatch.setattr(sys, "argv", ["lint"])
    with pytest.raises(SystemExit, match="lint: failed: bad"):
        lint.main()
    monkeypatch.setattr(sys, "argv", ["lint", "good"])
    lint.main()
    monkeypatch.setattr(sys, "argv", ["lint", "better"])
    with pytest.raises(SystemExit, match="2"):
        lint.main()
    assert "unknown step 'better'; known: good, bad" in capsys.readouterr().err


def test_every_step_runs_something_that_is_there() -> None:
    modules = [step.arguments[1] for step in STEPS if step.arguments[0] == "-m"]
    assert len(modules) >= 4
    assert [name for name in modules if importlib.util.find_spec(name) is None] == []


def test_broken_walls_are_found(tmp_path: Path) -> None:
    """The contracts are read by a tool of its own: one that finds nothing would look the same as one that is kept."""
    for package in ("hub", "agent", "escadre", "demo"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "hub" / "__init__.py").write_text("import agent\n")
    text = (ROOT / ".importlinter").read_text()
    contract = text[text.index("[importlinter:contract:apart]") : text.index("[importlinter:contract:hub-layers]")]
    (tmp_path / ".importlinter").write_text(text[: text.index("[importlinter:contract:apart]")] + contract)
    step = next(step for step in STEPS if step.name == "imports")
    command = [sys.executable, *step.arguments]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path)})
    assert found.returncode != 0 and "hub -> agent" in found.stdout
