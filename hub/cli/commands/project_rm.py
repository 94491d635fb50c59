"""`escadre project rm`."""

from __future__ import annotations

import click

from hub.cli.client import named_path
from hub.cli.command import command as declare
from hub.cli.confirm import confirm, yes_option
from hub.cli.session import Session, pass_session
from hub.cli.values import PROJECT


@declare("rm", example="escadre project rm shop -y")
@click.argument("name", type=PROJECT)
@yes_option
@pass_session
def command(session: Session, name: str, yes: bool) -> None:
    """Remove project NAME, which no application may belong to."""
    confirm(f"Remove project {name}?", yes=yes)
    session.api.delete(named_path("projects", name))
    click.echo(f"project/{name} removed")
