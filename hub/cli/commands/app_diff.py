"""`escadre app diff`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from hub.cli.apps import app_argument, resource_text
from hub.cli.client import application_path
from hub.cli.command import command as declare
from hub.cli.errors import HubAway
from hub.cli.exit import Exit
from hub.cli.operations import some
from hub.cli.printer import output_option, print_value
from hub.cli.session import Session, pass_session
from hub.cli.text import clean, clean_block, has_colour
from hub.cli.values import CLUSTER

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@declare(
    "diff",
    example="""
    escadre app diff web
    escadre app diff web --cluster edge-1
    escadre app diff web --exit-code=false > changes.diff
    """,
)
@app_argument
@click.option("--cluster", type=CLUSTER, metavar="NAME", help="Only this cluster.")
@click.option(
    "--exit-code",
    type=bool,
    default=True,
    show_default=True,
    metavar="BOOLEAN",
    help="Exit 1 when there is a difference.",
)
@output_option("table", "json", "yaml")
@pass_session
def command(session: Session, app: str, cluster: str | None, exit_code: bool, output: str) -> int:
    """Show what a sync of APP would change, as its clusters themselves say.

    Prints a unified diff from what is live to what is assigned, with the values of Secrets masked. Exits 0 when there
    is no difference, 1 when there is one, and 2 or more when a cluster has no answer.
    """
    path, params = application_path(app, "/diff")
    reply = session.api.get(path, cluster=cluster, **params)
    items: list[Mapping[str, Any]] = reply["items"]
    if output == "table":
        for line in diff_lines(items):
            click.echo(line)
    else:
        print_value(output, reply)
    if unanswered := _unanswered(items):
        raise HubAway(f"no answer from {some(unanswered)}")
    differs = any(item["resources"] for item in items)
    return Exit.FAILED if differs and exit_code else Exit.OK


def diff_lines(items: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the diffs of every cluster; clusters with the same ones are told together."""
    groups: dict[str, tuple[list[str], list[Mapping[str, Any]]]] = {}
    for item in items:
        if item["resources"]:
            names, _ = groups.setdefault(repr(item["resources"]), ([], item["resources"]))
            names.append(item["cluster"])
    for names, resources in groups.values():
        for resource in resources:
            yield _head(f"===== {some(names)}: {resource_text(resource)}: {resource['change']} =====")
            if resource["message"]:
                yield clean(resource["message"])
            yield from map(_line, clean_block(resource["diff"]).splitlines())


def _head(text: str) -> str:
    return click.style(clean(text), bold=True) if has_colour(sys.stdout) else clean(text)


def _line(line: str) -> str:
    colour = _COLOURS.get(line[:1])
    return click.style(line, fg=colour) if colour and has_colour(sys.stdout) else line


def _unanswered(items: Sequence[Mapping[str, Any]]) -> list[str]:
    found = [f"{item['cluster']} ({item['error']['message']})" for item in items if item["error"]]
    for item in items:
        found += [f"{item['cluster']} about {resource_text(r)}" for r in item["resources"] if r["change"] == "error"]
    return found
