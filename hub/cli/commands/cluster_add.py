"""`escadre cluster add`."""

from __future__ import annotations

from pathlib import Path

import click

from hub.cli.command import command as declare
from hub.cli.joining import hand_over, labels_of
from hub.cli.printer import output_option
from hub.cli.session import Session, pass_session


@declare(
    "add",
    example="""
    escadre cluster add edge-1 --label region=eu --label tier=edge
    escadre cluster add edge-1 --token-file edge-1.token -o json
    """,
)
@click.argument("name")
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="A label; give it again for more.")
@click.option("--server", metavar="URL", help="The address applications may name the cluster by.")
@click.option("--token-file", type=click.Path(path_type=Path), help="Write the join token here, for you only to read.")
@output_option("table", "json", "yaml")
@pass_session
def command(
    session: Session, name: str, labels: tuple[str, ...], server: str | None, token_file: Path | None, output: str
) -> None:
    """Add cluster NAME, and print the command that starts its agent."""
    body = {"name": name, "labels": labels_of(labels), "server": server or ""}
    hand_over(session.api.post("/clusters", body), token_file=token_file, output=output)
