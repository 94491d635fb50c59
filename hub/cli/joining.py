"""How a join token is handed over: into a file that only its owner can read, never onto a command line."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from hub.cli.config import write_private
from hub.cli.errors import Misuse
from hub.cli.printer import print_value

Join = Mapping[str, Any]


def hand_over(join: Join, *, token_file: Path | None, output: str) -> None:
    """Print how to start the agent, or write the token to a file and print the rest. Raises Misuse."""
    if token_file is not None:
        write_private(token_file, f"{join['token']}\n".encode())
        join = {**{key: value for key, value in join.items() if key != "token"}, "token_file": str(token_file)}
    if output != "table":
        print_value(output, join)
        return
    for line in _lines(join, token_file):
        click.echo(line)


def _lines(join: Join, token_file: Path | None) -> Iterable[str]:
    name = join["cluster"]
    directory = f"./{name}"
    yield f"Cluster {name} is known. Start its agent where it reaches the cluster:"
    yield ""
    if token_file is None:
        yield f"  (umask 077; cat > {shlex.quote(name + '.token')} <<'END'"
        yield str(join["token"])
        yield "END"
        yield "  )"
    path = str(token_file) if token_file is not None else f"{name}.token"
    yield f"  escadre-agent run --hub {shlex.quote(join['hub'])} --ca-pin {join['ca_pin']} \\"
    yield f"    --token-file {shlex.quote(path)} --data-dir {shlex.quote(directory)}"
    yield ""
    yield f"The token is for one use, until {join['expires_at']}; it is not shown again."
    yield f"Inside a cluster: escadre cluster rotate-token {name} --context CONTEXT installs the agent there."


def labels_of(texts: Iterable[str]) -> dict[str, str]:
    """Return k=v texts as a mapping. Raises Misuse."""
    labels = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise Misuse(f"{text[:70]!r} is no label: give KEY=VALUE")
        labels[key] = value
    return labels
