"""`escadre cluster rotate-token`."""

from __future__ import annotations

from pathlib import Path

import click

from hub.cli.client import named_path
from hub.cli.command import command as declare
from hub.cli.joining import hand_over
from hub.cli.printer import output_option
from hub.cli.session import Session, pass_session


@declare(
    "rotate-token",
    example="""
    escadre cluster rotate-token edge-1 --token-file edge-1.token
    """,
)
@click.argument("name")
@click.option("--token-file", type=click.Path(path_type=Path), help="Write the join token here, for you only to read.")
@output_option("table", "json", "yaml")
@pass_session
def command(session: Session, name: str, token_file: Path | None, output: str) -> None:
    """Make a new join token for cluster NAME; an unused earlier one is worth nothing from then on."""
    join = session.api.post(named_path("clusters", name, "/rotate-token"))
    hand_over(join, token_file=token_file, output=output)
