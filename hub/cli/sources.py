"""Naming some of an application's sources: the options of everything that takes revisions, in Argo CD's words.

What they mean together, and whether there are such sources, is for the hub to say: it knows them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import click

_POSITIONS = re.compile(r"[0-9]{1,5}(,[0-9]{1,5}){0,99}")


class Positions(click.ParamType[tuple[int, ...]]):
    """Positions from 1, with commas between several."""

    name = "positions"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        text = str(value).strip()
        if not _POSITIONS.fullmatch(text):
            self.fail(f"{text[:70]!r} is no position: give a number from 1, or several with commas", param, ctx)
        return tuple(int(number) for number in text.split(","))


def revisions_options(
    help: str, metavar: str, callback: Any = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the options that give several sources a revision each; `help` says what becomes of one."""
    options = (
        click.option(
            "--revisions",
            multiple=True,
            metavar=metavar,
            callback=callback,
            help=f"{help}; give it again for more, each with its source.",
        ),
        click.option(
            "--source-positions",
            multiple=True,
            type=Positions(),
            metavar="POSITION",
            help="Which source the next of --revisions is for, from 1, as `app get` numbers them.",
        ),
        click.option("--source-names", multiple=True, metavar="NAME", help="The same by the name that the source has."),
    )

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return add


def revisions_asked(
    revisions: Iterable[str], positions: Iterable[Iterable[int]], names: Iterable[str]
) -> dict[str, list[Any]]:
    """Return what was given of these options as the hub takes it. Of what was not there is nothing: a hub that is older
    takes the rest."""
    told: dict[str, list[Any]] = {
        "revisions": list(revisions),
        "source_positions": [position for several in positions for position in several],
        "source_names": list(names),
    }
    return {name: value for name, value in told.items() if value}
