"""`escadre context use`."""

from __future__ import annotations

import click

from hub.cli.command import command as declare
from hub.cli.config import Contexts
from hub.cli.session import Session, pass_session


@declare("use", example="escadre context use production")
@click.argument("name")
@pass_session
def command(session: Session, name: str) -> None:
    """Make the hub of context NAME the current one."""
    context = session.contexts.get(name)
    session.save(Contexts(context.name, session.contexts.items))
    click.echo(f"Now using {context.name!r}, {context.server}.")
