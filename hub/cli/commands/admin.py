"""`escadre admin …`: commands that need neither a hub nor a cluster.

They come from installed packages, by the entry points of one group, because the program must not import the code that
they try out: hub and agent know nothing of each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple

import click

from hub.cli.command import SETTINGS, Command, LazyGroup
from hub.cli.errors import Misuse
from hub.cli.loading import loading
from hub.formats.errors import FormatError
from hub.formats.limits import Limits
from hub.formats.yaml import load_documents

GROUP = "escadre.admin"
READER = "escadre.admin.reader"
"""Where commands find the reader of texts, in `Context.meta`."""
LIMITS = Limits(bytes=1_000_000_000, documents=10_000_000, depth=100, nodes=100_000_000)
"""Whoever uses these commands has only his own memory to spend."""
_FEW_NODES = 1_000_000


class Read(NamedTuple):
    """One document of a text, and where it begins: "live.yaml, line 3"."""

    place: str
    value: Any


def read(content: bytes, name: str) -> Iterator[Read]:
    """Read every document of a text. Raises Misuse, which names the place of what is wrong."""
    # A value takes a byte at least, but for what aliases make of it: a few of these are meant, and a billion are not.
    limits = replace(LIMITS, nodes=min(LIMITS.nodes, max(_FEW_NODES, len(content))))
    try:
        documents = load_documents(content, name=name, limits=limits)
    except FormatError as error:
        raise Misuse(error.message) from error
    return (Read(f"{document.name}, line {document.line}", document.value) for document in documents)


class AdminGroup(LazyGroup):
    """A group whose commands are those that are installed."""

    @cached_property
    def found(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.found)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        point = self.found.get(cmd_name)
        if point is None:
            return None
        try:
            with loading():
                return _adopted(point.load())
        except ImportError as error:
            raise Misuse(f"escadre admin {cmd_name} is not installed completely: {error}") from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not self.found:
            raise Misuse("there are no commands of escadre admin here: install the package escadre as a whole")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = [(name, self.get_command(ctx, name)) for name in self.found]
        with formatter.section("Commands"):
            formatter.write_dl([(name, found.get_short_help_str(limit=100)) for name, found in commands if found])


def _adopted(found: click.Command) -> click.Command:
    """Return a command as the program's own ones are; its epilog holds its examples."""
    if isinstance(found, click.Group):
        found.commands = {name: _adopted(command) for name, command in found.commands.items()}
        return found
    return Command(
        found.name,
        callback=found.callback,
        params=list(found.params),
        help=found.help,
        example=found.epilog or "",
        shared=False,
        context_settings={**found.context_settings, **SETTINGS},
    )


@click.pass_context
def _start(ctx: click.Context) -> None:
    ctx.meta[READER] = read


command = AdminGroup(
    "admin",
    {},
    help="Try out health rules and other decisions on files, without a hub and without a cluster.",
    callback=_start,
)
