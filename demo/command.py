"""Runs the `escadre` command as a person would, and reads its JSON."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from demo.console import StepFailed
from demo.processes import environment, module


class Escadre:
    """The command line, with a configuration of its own."""

    def __init__(self, config: Path) -> None:
        self._environment = {**environment(), "ESCADRE_CONFIG": str(config), "NO_COLOR": "1"}

    def run(self, *words: str, stdin: str = "", codes: tuple[int, ...] = (0,), timeout: float = 120) -> str:
        """Return what it printed. Raises StepFailed on an exit code that is not among `codes`."""
        done = subprocess.run(
            module("hub.cli.main", *words),
            env=self._environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode not in codes:
            raise StepFailed(f"escadre {' '.join(words)}: exit code {done.returncode}\n{done.stderr or done.stdout}")
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.run(*words, "-o", "json"))
