"""`escadre app confirm-deletion`."""

from __future__ import annotations

import click

from hub.cli.apps import app_argument
from hub.cli.client import application_path
from hub.cli.command import command as declare
from hub.cli.session import Session, pass_session


@declare(
    "confirm-deletion",
    example="""
    escadre app confirm-deletion web
    """,
)
@app_argument
@pass_session
def command(session: Session, app: str) -> None:
    """Confirm the deletion of what asks for that (Prune=confirm, Delete=confirm), in the operation of APP that waits.

    `escadre app get APP` shows what waits.
    """
    path, params = application_path(app, "/confirm-deletion")
    reply = session.api.post(path, {}, **params)
    # A hub that is older does not say where.
    if reply.get("clusters", ("",)):
        click.echo(f"{app}: what waits for it may be deleted.")
    else:
        click.echo(f"{app}: nothing waits for it, as far as its clusters have told. What begins later asks again.")
