"""`escadre settings rm`."""

from __future__ import annotations

import click

from hub.cli.command import command as declare
from hub.cli.confirm import confirm, yes_option
from hub.cli.session import Session, pass_session


@declare("rm", example="escadre settings rm -y")
@yes_option
@pass_session
def command(session: Session, yes: bool) -> None:
    """Go back to the default settings, for every application on every cluster."""
    confirm("Remove all system-wide settings?", yes=yes)
    session.api.put("/settings", {"data": {}})
    click.echo("settings removed")
