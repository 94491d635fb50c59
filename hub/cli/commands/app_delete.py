"""`escadre app delete`."""

from __future__ import annotations

import click

from hub.cli.apps import app_argument
from hub.cli.client import application_path
from hub.cli.command import command as declare
from hub.cli.commands.app_wait import wait_deleted
from hub.cli.confirm import confirm, yes_option
from hub.cli.errors import Misuse
from hub.cli.session import Session, pass_session
from hub.cli.text import clean
from hub.cli.values import DURATION, boolean_option


@declare(
    "delete",
    example="""
    escadre app delete web
    escadre app delete web --cascade=false -y
    escadre app delete web -y --wait --timeout 5m
    """,
)
@app_argument
@boolean_option("--cascade", help="Delete what it put on clusters, too. With --cascade=false that stays there.")
@click.option(
    "--propagation-policy",
    type=click.Choice(("foreground", "background", "orphan")),
    help="How clusters delete; as the application's finalizer says, or foreground, else.",
)
@click.option("--wait", is_flag=True, help="Wait until it is gone from every cluster.")
@click.option(
    "--timeout",
    type=DURATION,
    default="0",
    metavar="DURATION",
    help="With --wait: give up after this long, exit 4. 0: never.  [default: 0]",
)
@yes_option
@pass_session
def command(
    session: Session, app: str, cascade: bool, propagation_policy: str | None, wait: bool, timeout: float, yes: bool
) -> None:
    """Delete application APP, and what it put on clusters."""
    if propagation_policy and not cascade:
        raise Misuse("--propagation-policy says how clusters delete, and with --cascade=false none does: leave one out")
    if timeout and not wait:
        raise Misuse("--timeout says how long to wait: give --wait, too")
    fate = "and everything it put on its clusters" if cascade else "and leave what it put on its clusters"
    confirm(f"Delete application {app} {fate}?", yes=yes)
    path, params = application_path(app)
    reply = session.api.call("DELETE", path, params={**params, "cascade": cascade, "propagation": propagation_policy})
    click.echo(f"application/{app} is being deleted: {clean(reply['message'])}.")
    if wait:
        wait_deleted(session, app, timeout)
