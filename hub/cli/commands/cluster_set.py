"""`escadre cluster set`."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.client import named_path
from hub.cli.command import command as declare
from hub.cli.errors import Misuse
from hub.cli.printer import output_option, print_value
from hub.cli.session import Session, pass_session
from hub.cli.values import CLUSTER


@declare(
    "set",
    example="""
    escadre cluster set edge-1 --label tier=gold --label canary-
    escadre cluster set edge-1 --server https://10.0.0.1:6443
    """,
)
@click.argument("name", type=CLUSTER)
@click.option(
    "--label", "labels", multiple=True, metavar="KEY=VALUE", help="Set a label; KEY- takes one away. Repeatable."
)
@click.option("--server", metavar="URL", help='The address applications may name it by; "" for what its agent says.')
@output_option("table", "json", "yaml")
@pass_session
def command(session: Session, name: str, labels: tuple[str, ...], server: str | None, output: str) -> None:
    """Change labels or the address of cluster NAME. Applications that select clusters by label follow at once."""
    body: dict[str, Any] = {"labels": _changes(labels)}
    if server is not None:
        body["server"] = server
    if not labels and server is None:
        raise Misuse("nothing is to be changed: give --label or --server")
    cluster = session.api.patch(named_path("clusters", name), body)
    if output == "table":
        click.echo(f"cluster/{name} configured")
    else:
        print_value(output, cluster)


def _changes(texts: tuple[str, ...]) -> dict[str, str | None]:
    """Return KEY=VALUE and KEY- texts as what is to be set; None takes a label away. Raises Misuse."""
    changes: dict[str, str | None] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if equals and key:
            changes[key] = value
        elif not equals and len(text) > 1 and text.endswith("-"):
            changes[text[:-1]] = None
        else:
            raise Misuse(f"{text[:70]!r} is no change of a label: give KEY=VALUE, or KEY- to take one away")
    return changes
