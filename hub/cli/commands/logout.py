"""`escadre logout`."""

from __future__ import annotations

from dataclasses import replace

import click

from hub.cli.command import command as declare
from hub.cli.errors import CliError, NotLoggedIn
from hub.cli.session import Session, pass_session


@declare("logout", example="escadre logout")
@pass_session
def command(session: Session) -> None:
    """End the session, here and at the hub.

    The hub stays known, so that logging in again needs no pin.
    """
    context = session.contexts.get(session.hub_context or session.contexts.current)
    if not context.token:
        raise NotLoggedIn(f"there is no session with {context.server}")
    session.context = context
    ended = True
    try:
        session.api.delete("/session")
    except NotLoggedIn:
        pass  # it had ended already
    except CliError as error:
        ended = False
        click.echo(f"warning: the hub was not told: {error.message}", err=True)
    forgotten = replace(context, token="", expires_at="")
    session.save(session.contexts.with_(forgotten, current=False))
    click.echo(f"Logged out of {context.server}." if ended else f"The token for {context.server} is deleted here.")
