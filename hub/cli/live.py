"""Showing something as it changes: redrawn in place on a terminal, line by line elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from hub.cli.text import clean, has_colour, plural

if TYPE_CHECKING:
    from rich.live import Live

_STYLES = {
    "Succeeded": "green",
    "ready": "green",
    "Failed": "red",
    "Unreachable": "red",
    "Running": "yellow",
    "Waiting": "dim",
    "not yet": "yellow",
    "Replaced": "magenta",
}
_MOST_LINES = 20


@dataclass(frozen=True, slots=True)
class Line:
    subject: str
    state: str
    text: str = ""
    is_over: bool = False


class Display:
    """Shows what `update` is given. Goes to standard error, so that standard output holds results only."""

    def __init__(self, title: str, *, quiet: bool = False) -> None:
        self._title = title
        self._quiet = quiet
        self._live: Live | None = None
        self._told: dict[str, tuple[str, str]] = {}
        self._noted = ""

    def __enter__(self) -> Display:
        if not self._quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
            from rich.console import Console
            from rich.live import Live

            colour = has_colour(sys.stderr)
            console = Console(stderr=True, no_color=not colour, highlight=False)
            self._live = Live(console=console, refresh_per_second=8, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, lines: Sequence[Line], note: str = "") -> None:
        if self._live is not None:
            self._live.update(self._drawn(lines, note))
        elif not self._quiet:
            self._tell(lines, note)

    def _tell(self, lines: Iterable[Line], note: str) -> None:
        """Write a line for each that says something new."""
        if note != self._noted:
            self._noted = note
            if note:
                click.echo(clean(f"{self._title}: {note}"), err=True)
        for line in lines:
            state = (line.state, line.text)
            if self._told.get(line.subject) != state:
                self._told[line.subject] = state
                text = f": {line.text}" if line.text else ""
                click.echo(clean(f"{line.subject}: {line.state}{text}"), err=True)

    def _drawn(self, lines: Sequence[Line], note: str) -> Any:
        from rich.console import Group
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        over = sum(line.is_over for line in lines)
        head = f"{self._title}: {over} of {plural(len(lines), 'cluster')}" if lines else self._title
        parts: list[Any] = [Spinner("dots", Text(clean(f"{head}{'; ' + note if note else ''}")))]
        grid = Table.grid(padding=(0, 2))
        # Those that are under way are of interest; a large fleet does not fit.
        shown = sorted(lines, key=lambda line: line.is_over)[:_MOST_LINES]
        for line in shown:
            style = _STYLES.get(line.state, "")
            cells = (Text(f"  {clean(line.subject)}"), Text(line.state, style=style), Text(clean(line.text)))
            grid.add_row(*cells)
        parts.append(grid)
        if len(lines) > len(shown):
            parts.append(Text(f"  and {len(lines) - len(shown)} more"))
        return Group(*parts)
