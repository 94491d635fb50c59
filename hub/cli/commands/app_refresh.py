"""`escadre app refresh`."""

from __future__ import annotations

import click

from hub.cli.apps import app_argument
from hub.cli.client import application_path
from hub.cli.command import command as declare
from hub.cli.session import Session, pass_session


@declare("refresh", example="escadre app refresh web")
@app_argument
@click.option("--hard", is_flag=True, help="Fetch and render anew even what is known already.")
@pass_session
def command(session: Session, app: str, hard: bool) -> None:
    """Have the hub look for new commits of APP now, instead of at the next poll."""
    path, params = application_path(app, "/refresh")
    reply = session.api.post(path, hard=hard or None, **params)
    what = "a hard refresh" if reply["mode"] == "hard" else "a refresh"
    click.echo(f"{app}: {what} was asked for.")
