"""`escadre app terminate-op`."""

from __future__ import annotations

import click

from hub.cli.apps import app_argument
from hub.cli.client import application_path
from hub.cli.command import command as declare
from hub.cli.operations import cluster_option, some
from hub.cli.session import Session, pass_session


@declare(
    "terminate-op",
    example="""
    escadre app terminate-op web
    escadre app terminate-op web --cluster edge-1
    """,
)
@app_argument
@cluster_option
@pass_session
def command(session: Session, app: str, clusters: tuple[str, ...]) -> None:
    """End the operation of APP that is under way. What it has done already stays done."""
    path, params = application_path(app, "/terminate")
    session.api.post(path, {"clusters": list(clusters)}, **params)
    click.echo(f"{app}: the end of its operation was asked for.")
    path, params = application_path(app)
    rows = session.api.get(path, **params)["clusters"]
    away = [
        r["cluster"] for r in rows if r["liveness"] != "Connected" and r["cluster"] in (clusters or (r["cluster"],))
    ]
    if away:
        click.echo(f"warning: not connected, and ended once they are back: {some(away)}", err=True)
