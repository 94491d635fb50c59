"""`escadre app events`."""

from __future__ import annotations

import click

from hub.cli.apps import app_argument
from hub.cli.client import application_path
from hub.cli.command import command as declare
from hub.cli.commands.events import COLUMNS, print_events
from hub.cli.printer import output_option
from hub.cli.session import Session, pass_session


@declare("events", example="escadre app events web --limit 20")
@app_argument
@click.option("--limit", type=click.IntRange(1, 1000), default=200, show_default=True, help="At most so many.")
@output_option("table", "wide", "json", "yaml")
@pass_session
def command(session: Session, app: str, limit: int, output: str) -> None:
    """Show what happened to APP, newest first."""
    path, params = application_path(app, "/events")
    columns = [column for column in COLUMNS if column.title != "APPLICATION"]
    print_events(output, session.api.get(path, limit=limit, **params)["items"], columns)
