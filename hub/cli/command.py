"""How commands are declared, found and run.

Commands are imported only when they are used, so that the program starts quickly; a group knows their one-line help
without them. Whatever goes wrong becomes one line and an exit code here, never a traceback.
"""

from __future__ import annotations

import difflib
import importlib
import os
import re
import sys
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import click

from hub.cli import argocd
from hub.cli.argocd import UnknownCommand
from hub.cli.errors import CliError
from hub.cli.exit import Exit
from hub.cli.loading import loading
from hub.cli.session import Session
from hub.cli.values import GIVEN, TIME

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_GLOBAL = "hub_context", "request_timeout"
_GUESS = re.compile(r"[:.]? \(?[Dd]id you mean ")


class Command(click.Command):
    """A command with examples, and with the options that every command has.

    `shared=False` leaves those options out, for commands that speak to no hub.
    """

    def __init__(self, *args: Any, example: str = "", shared: bool = True, **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", SETTINGS)
        super().__init__(*args, **kwargs)
        self.example = example
        if shared:
            self.params += global_options()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            # What the parser raises does not always know which command it is of.
            error.ctx = error.ctx or ctx
            raise

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own: list[tuple[str, str]] = []
        shared: list[tuple[str, str]] = []
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                (shared if param.name in _GLOBAL else own).append(record)
        for title, records in (("Options", own), ("Options of every command", shared)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.example:
            with formatter.section("Examples"):
                for line in example_lines(self.example):
                    formatter.write(f"  {line}\n")


def example_lines(example: str) -> list[str]:
    return textwrap.dedent(example).strip().splitlines()


def global_options() -> list[click.Option]:
    """Return fresh copies of the options that every command has."""
    return [
        click.Option(
            ["--hub-context"],
            type=GIVEN,
            metavar="NAME",
            help="Use this context instead of the current one. [ESCADRE_CONTEXT]",
            expose_value=False,
            callback=_remember,
        ),
        click.Option(
            ["--request-timeout"],
            type=TIME,
            metavar="DURATION",
            help="How long one request to the hub may take.  [default: 30s]",
            expose_value=False,
            callback=_remember,
        ),
    ]


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value is not None:
        setattr(ctx.ensure_object(Session), str(param.name), value)


def command(name: str, *, example: str = "", **settings: Any) -> Callable[[Callable[..., Any]], Command]:
    """Declare a command; `example` is one or more full command lines."""

    def declare(function: Callable[..., Any]) -> Command:
        made: Command = click.command(name, cls=Command, example=example, **settings)(function)
        return made

    return declare


class LazyGroup(click.Group):
    """A group whose commands are "module" → one-line help, each module having its command as `command`."""

    def __init__(
        self,
        name: str,
        entries: Mapping[str, tuple[str, str]],
        *,
        aliases: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> None:
        settings.setdefault("context_settings", SETTINGS)
        super().__init__(name=name, **settings)
        self.entries = entries
        self.aliases = aliases or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = self.entries.get(self.aliases.get(cmd_name, cmd_name))
        if entry is None:
            return None
        with loading():
            found: click.Command = importlib.import_module(entry[0]).command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not ctx.resilient_parsing and not name.startswith("-"):
            near = difflib.get_close_matches(name, [*self.list_commands(ctx), *self.aliases], n=1)
            hint = f": did you mean {near[0]!r}?" if near else ""
            raise UnknownCommand(name, f"there is no command {name[:70]!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help) for name, (_, help) in self.entries.items()])


class Program(LazyGroup):
    """The root: runs a command and turns what it raises into a line and an exit code."""

    def main(self, *args: Any, **extra: Any) -> Any:
        extra |= {"standalone_mode": False, "prog_name": "escadre"}
        try:
            result = super().main(*args, **extra)
            sys.stdout.flush()
            code = result if isinstance(result, int) else Exit.OK
        except Exception as error:
            code = report(error)
        except KeyboardInterrupt:
            code = Exit.INTERRUPTED
        sys.exit(int(code))


def report(error: Exception) -> int:
    """Tell the user what went wrong and return the exit code for it."""
    match error:
        case click.exceptions.Abort():
            # The terminal has written ^C, or nothing, where the question ended.
            click.echo(f"{chr(10) if sys.stderr.isatty() else ''}interrupted", err=True)
            return Exit.INTERRUPTED
        case click.exceptions.NoArgsIsHelpError():
            click.echo(error.format_message())
            return Exit.USAGE
        case click.UsageError():
            path = error.ctx.command_path if error.ctx else "escadre"
            words = _sentence(error.format_message())
            if advice := argocd.advice(error):
                # What is spelled nearly so is something else.
                words = f"{re.split(_GUESS, words)[0]}. {advice}"
            click.echo(f"error: {words} (see `{path} --help`)", err=True)
            return Exit.USAGE
        case CliError():
            error.show()
            return error.exit_code
        case click.ClickException():
            click.echo(f"error: {_sentence(error.format_message())}", err=True)
            return Exit.USAGE
        case BrokenPipeError():
            # Whoever read the output has enough; nothing more can be said to them, at exit neither.
            _write_no_more()
            return Exit.OK
        case OSError():
            # What is read and written beside the output has errors of its own.
            what = f"{error.filename} cannot be used" if error.filename else "the output cannot be written"
            click.echo(f"error: {what}: {error.strerror or error}", err=True)
            _write_no_more()
            return Exit.FAILED
    return _internal(error)


def _write_no_more() -> None:
    """Have what is left of the output go nowhere, instead of failing once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _internal(error: Exception) -> int:
    if os.environ.get("ESCADRE_DEBUG"):
        import traceback

        traceback.print_exception(error)
    message = " ".join(str(error).split())[:500]
    click.echo(
        f"error: a fault in escadre itself: {type(error).__name__}: {message}. Please report it, with what "
        "ESCADRE_DEBUG=1 shows",
        err=True,
    )
    return Exit.INTERNAL


def _sentence(message: str) -> str:
    """Return click's message as the rest of a sentence."""
    text = message.strip().rstrip(".").replace("is not a valid integer range", "is not a whole number")
    return text[:1].lower() + text[1:]
