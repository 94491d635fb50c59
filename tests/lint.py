"""Everything a machine can say about the code without running it, at once and in few words.

    python -m tests.lint                # all steps
    python -m tests.lint types imports  # these only

The steps run side by side. One that passes is a line; one that fails is shown in full, with what mends it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
STEP_LIMIT = 300.0
"""Seconds one step may take: the slowest, types without a cache, takes 35 on two busy cores."""


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    arguments: tuple[str, ...]
    """Of Python itself: the scripts of an environment name the folder it was made in, its modules do not."""
    remedy: str
    begins: str = ""
    """Of what a failing step says, what stands before this text is left out."""


_RUFF = ("--quiet", "--output-format=concise", ".")
_LINT_IMPORTS = "from importlinter.cli import lint_imports_command as lint; lint()"

STEPS = (
    # The longest first: the others run beside it.
    Step("types", ("-m", "mypy", "--no-error-summary"), "see Types in CONTRIBUTING.md"),
    Step("imports", ("-c", _LINT_IMPORTS), "see .importlinter, and Walls in docs/architecture.md", "Broken contracts"),
    Step("format", ("-m", "ruff", "format", "--check", *_RUFF), "run `make format`"),
    Step("rules", ("-m", "ruff", "check", *_RUFF), "run `make format`, and mend by hand what is left"),
    Step("generated-code", ("-m", "tests.protocompile", "--check"), "run `make proto` and commit what it writes"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    step: Step
    passed: bool
    seconds: float
    output: str


async def run(step: Step, root: Path = ROOT) -> Outcome:
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *step.arguments,
        cwd=root,
        env={**os.environ, "NO_COLOR": "1"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), STEP_LIMIT)
    except TimeoutError:
        process.kill()
        await process.wait()
        output = f"took more than {STEP_LIMIT:.0f} s and was ended".encode()
    passed = process.returncode == 0
    return Outcome(step, passed, time.monotonic() - began, output.decode(errors="replace").strip())


async def lint(steps: tuple[Step, ...]) -> list[Outcome]:
    """Run the steps side by side and tell of each as it ends."""
    outcomes = []
    for ended in asyncio.as_completed([run(step) for step in steps]):
        outcome = await ended
        outcomes.append(outcome)
        print(tell(outcome), flush=True)
    return outcomes


def tell(outcome: Outcome) -> str:
    name = f"lint: {outcome.step.name}"
    if outcome.passed:
        return f"{name}: passed ({outcome.seconds:.1f} s)"
    said = outcome.output[max(outcome.output.find(outcome.step.begins), 0) :]
    return f"{name}: FAILED ({outcome.seconds:.1f} s)\n{said}\n{name}: to mend it, {outcome.step.remedy}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.lint", description="Check the code without running it.")
    names = [step.name for step in STEPS]
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"all, or some of: {', '.join(names)}")
    chosen = parser.parse_args().steps or names
    for unknown in sorted(set(chosen) - set(names)):
        parser.error(f"unknown step {unknown!r}; known: {', '.join(names)}")
    outcomes = asyncio.run(lint(tuple(step for step in STEPS if step.name in chosen)))
    failed = sorted(outcome.step.name for outcome in outcomes if not outcome.passed)
    if failed:
        sys.exit(f"lint: failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
