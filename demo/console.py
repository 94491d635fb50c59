"""What the demonstration prints: steps with their times, live on a terminal and plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console


class StepFailed(Exception):
    """A step that did not truly happen."""


class Steps:
    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self._number = 0
        self.live = sys.stdout.isatty()

    @contextmanager
    def step(self, title: str) -> Iterator[Callable[[str], None]]:
        """Announce a step, and tell how long it took. Yields a function that says what is awaited."""
        self._number += 1
        began = time.monotonic()
        self.console.print(f"\n[bold]{self._number}. {title}[/bold]")
        if self.live:
            with self.console.status("") as status:
                yield lambda text: status.update(f"{text} ({time.monotonic() - began:.0f} s)")
        else:
            yield lambda text: None
        self.console.print(f"   [green]✓[/green] {time.monotonic() - began:.1f} s")

    def say(self, text: str, style: str = "") -> None:
        for line in text.splitlines():
            self.console.print(f"   {line}", style=style or None, markup=False)

    def command(self, words: list[str]) -> None:
        self.console.print(f"   $ {' '.join(words)}", style="cyan", markup=False)


def wait_until(holds: Callable[[], str], seconds: float, what: str, tell: Callable[[str], None]) -> float:
    """Wait until `holds` returns "", else it says what is missing. Returns the seconds it took. Raises StepFailed."""
    began = time.monotonic()
    while missing := holds():
        if time.monotonic() - began > seconds:
            raise StepFailed(f"{what}: not within {seconds:.0f} s ({missing})")
        tell(missing)
        time.sleep(0.1)
    return time.monotonic() - began
