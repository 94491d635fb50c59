"""`escadre context rm`."""

from __future__ import annotations

import click

from hub.cli.command import command as declare
from hub.cli.session import Session, pass_session


@declare("rm", example="escadre context rm staging")
@click.argument("name")
@pass_session
def command(session: Session, name: str) -> None:
    """Forget the hub of context NAME, its token and whom to trust for it.

    The session itself goes on at the hub until it ends: log out before, to end it.
    """
    context = session.contexts.get(name)
    session.save(session.contexts.without(name))
    click.echo(f"Forgot {context.name!r}, {context.server}.")
