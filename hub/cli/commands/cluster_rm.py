"""`escadre cluster rm`."""

from __future__ import annotations

import click

from hub.cli.client import named_path
from hub.cli.command import command as declare
from hub.cli.confirm import confirm, yes_option
from hub.cli.session import Session, pass_session
from hub.cli.text import clean
from hub.cli.values import CLUSTER


@declare("rm", example="escadre cluster rm edge-1 -y")
@click.argument("name", type=CLUSTER)
@yes_option
@pass_session
def command(session: Session, name: str, yes: bool) -> None:
    """Remove cluster NAME: its agent's certificate is revoked at once. What is on the cluster stays there."""
    confirm(f"Remove cluster {name}? Its agent is let in no more; what is on the cluster stays there.", yes=yes)
    reply = session.api.delete(named_path("clusters", name))
    click.echo(f"{clean(reply['message'])}.")
