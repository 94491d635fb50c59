"""docs/cli.md, made from the commands themselves, so that it cannot say anything else than they do.

`python -m hub.cli.docs` writes it anew, and a test holds it to them.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from hub.cli.command import Command, example_lines, global_options
from hub.cli.exit import MEANINGS
from hub.cli.main import cli

_INTRODUCTION = """\
<!-- Made by `python -m hub.cli.docs` from the commands themselves. -->
# The command line

`escadre` is how people and scripts use a hub. Commands read `escadre NOUN VERB`; every one of them has `--help`.

## First steps

```
escadre login hub.example.com:8443      # asks whether to trust the hub, and for the password
escadre cluster add edge-1              # prints the command that starts the cluster's agent
escadre apply -f application.yaml       # Argo CD's Application YAML, as it is
escadre app sync web
escadre app get web
```

A hub's certificate is signed by the fleet's own authority. The first login has to be told whom to trust: by the
authority's pin (`--ca-pin sha256:…`, the same that agents are given), by a file (`--ca-file`), or by looking at the pin
and saying yes. What is sent to a hub before that is nothing. A hub behind a certificate that the system trusts needs
none of this.

## Contexts

Every login is remembered as a context: the hub's address, its authorities, and a token that ends after a day. They are
in `~/.config/escadre/config.json`, readable by you only. `escadre context list`, `use` and `rm` look after them. A
token is only ever sent to the hub it came from.

## Environment

| variable | meaning |
|---|---|
| `ESCADRE_HUB` | the hub, HOST:PORT, instead of the current context's |
| `ESCADRE_TOKEN` | a token, instead of the context's |
| `ESCADRE_CA_FILE` | authorities to trust, PEM, instead of the context's |
| `ESCADRE_CONTEXT` | the context to use |
| `ESCADRE_CONFIG` | the file of contexts |
| `ESCADRE_PASSWORD_FILE` | a file with the password for `login` and `account update-password` |
| `ESCADRE_NEW_PASSWORD_FILE` | a file with the new password for `account update-password` |
| `ESCADRE_DEBUG` | 1 shows what lies behind a fault in escadre itself |
| `NO_COLOR` | anything: no colours |

## Output

`-o table` is for people, `wide` has more columns, `name` has names only. `-o json` and `-o yaml` print what the hub's
API replies, field by field (`/api/v1/openapi.json` describes it): fields may be added, and none changes its meaning.
Results go to standard output; progress, warnings and errors to standard error. There are no colours and no redrawing
where the output is not a terminal.

An application is named NAME, or NAMESPACE/NAME where its own namespace is not `argocd`. Durations are seconds, or
`90s`, `5m`, `1h30m`.

## Exit codes

| code | meaning |
|---|---|
"""
_COMPLETION = """
## Shell completion

Names of commands, options, applications, clusters and projects are completed:

```
eval "$(_ESCADRE_COMPLETE=bash_source escadre)"           # in ~/.bashrc
eval "$(_ESCADRE_COMPLETE=zsh_source escadre)"            # in ~/.zshrc
_ESCADRE_COMPLETE=fish_source escadre | source            # in ~/.config/fish/config.fish
```
"""
BAR = "\\|"
"""A bar inside a table's cell."""


def document() -> str:
    """Return the whole text."""
    parts = [_INTRODUCTION]
    parts += [f"| {int(code)} | {meaning} |\n" for code, meaning in MEANINGS.items()]
    parts += [_COMPLETION, "\n## Options of every command\n\n"]
    parts += _options(global_options(), _context(cli, None, "escadre"))
    parts.append("\n## Commands\n")
    for path, command, context in walk():
        parts += _section(path, command, context)
    return "".join(parts)


def walk() -> Iterator[tuple[str, Command, click.Context]]:
    """Yield every command with its full name and a context, in the order of the help."""
    yield from _walk(cli, _context(cli, None, "escadre"), "escadre")


def _walk(group: click.Group, context: click.Context, path: str) -> Iterator[tuple[str, Command, click.Context]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, f"{path} {name} is listed and is not there"
        below = _context(command, context, name)
        if isinstance(command, click.Group):
            yield from _walk(command, below, f"{path} {name}")
        else:
            assert isinstance(command, Command), f"{path} {name} is not declared like the others"
            yield f"{path} {name}", command, below


def _context(command: click.Command, parent: click.Context | None, name: str) -> click.Context:
    return click.Context(command, parent=parent, info_name=name)


def _section(path: str, command: Command, context: click.Context) -> Iterator[str]:
    yield f"\n### {path}\n\n"
    yield f"```\n{path} {' '.join(command.collect_usage_pieces(context))}\n```\n\n"
    yield f"{inspect.cleandoc(command.help or '')}\n\n"
    shared = {option.name for option in global_options()}
    own = list(_options([p for p in command.params if isinstance(p, click.Option) and p.name not in shared], context))
    yield from [*own, "\n"] if own else []
    yield "```\n" + "\n".join(example_lines(command.example)) + "\n```\n"


def _options(options: list[click.Option], context: click.Context) -> Iterator[str]:
    if not options:
        return
    yield "| option | |\n|---|---|\n"
    for option in options:
        record = option.get_help_record(context)
        assert record is not None, f"{option.name} is hidden"
        names, help = record
        cells = (f"`{names}`", help)
        yield f"| {' | '.join(cell.replace('|', BAR) for cell in cells)} |\n"


def main() -> None:
    path = Path(__file__).parents[2] / "docs" / "cli.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(document(), "utf-8")


if __name__ == "__main__":
    main()
