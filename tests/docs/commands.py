"""The three programs' commands and options, to hold what the manual and the messages say to them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

import click

from agent.config import _parser as agent_parser
from hub.__main__ import cli as hub_cli
from hub.cli.command import global_options
from hub.cli.main import cli as escadre_cli

_PLACEHOLDER = re.compile(r"[A-Z][A-Z0-9_-]*|…|\.\.\.|[<\[{(].*")


@dataclass(frozen=True, slots=True)
class Command:
    options: frozenset[str]
    """With their dashes."""


def _click_commands(group: click.Group, prefix: str, common: frozenset[str]) -> dict[str, Command]:
    """Return every command of a group by its full name, in all its spellings."""
    context = click.Context(group)
    found: dict[str, Command] = {}
    aliases: Mapping[str, str] = getattr(group, "aliases", {})
    names = {name: name for name in group.list_commands(context)} | dict(aliases)
    for spelling, name in names.items():
        command = group.get_command(context, name)
        assert command is not None, f"{prefix} {name} is listed and is not there"
        path = f"{prefix} {spelling}"
        if isinstance(command, click.Group):
            found |= _click_commands(command, path, common)
        else:
            found[path] = Command(_options(command.params) | common)
    return found


def _options(parameters: list[click.Parameter]) -> frozenset[str]:
    given = (p for p in parameters if isinstance(p, click.Option))
    return frozenset(name for option in given for name in (*option.opts, *option.secondary_opts)) | {"--help", "-h"}


def all_commands() -> dict[str, Command]:
    """Return every command of every program by its full name: "escadre app sync", "escadre-hub ca pin"."""
    common = _options(list(global_options()))
    found = _click_commands(escadre_cli, "escadre", common) | _click_commands(hub_cli, "escadre-hub", frozenset())
    run = next(a for a in agent_parser({})._actions if a.dest == "command").choices
    assert isinstance(run, dict)
    for name, parser in run.items():
        options = {option for action in parser._actions for option in action.option_strings}
        found[f"escadre-agent {name}"] = Command(frozenset(options))
    return found


COMMANDS = all_commands()
_PREFIXES = {" ".join(path.split()[:length]) for path in COMMANDS for length in range(1, len(path.split()))}


def problem(line: str) -> str:
    """Say what is wrong with one line that begins with a program of ours; nothing when it names what there is."""
    words = _words(line)
    path = words[0]
    rest = words[1:]
    while rest and path not in COMMANDS and not rest[0].startswith("-") and not _PLACEHOLDER.fullmatch(rest[0]):
        path, rest = f"{path} {rest[0]}", rest[1:]
    if path in _PREFIXES:
        # A program, or a noun, spoken of as such.
        is_spoken_of = not rest or _PLACEHOLDER.fullmatch(rest[0]) or path == words[0]
        return "" if is_spoken_of else f"{path} takes a verb before {rest[0]!r}"
    command = COMMANDS.get(path)
    if command is None:
        return f"there is no command {path!r}"
    named = {word.partition("=")[0] for word in rest if word.startswith("-") and word != "-"}
    unknown = sorted(named - command.options)
    return f"{path} has no option {', '.join(unknown)}" if unknown else ""


def _words(line: str) -> list[str]:
    """Split as a shell would, up to a pipe, a redirection or a second command."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&<>()")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    try:
        words = list(lexer)
    except ValueError:
        words = line.split()
    end = next((n for n, word in enumerate(words) if set(word) <= set("|;&<>()")), len(words))
    return words[:end]
