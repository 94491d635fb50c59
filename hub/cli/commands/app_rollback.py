"""`escadre app rollback`."""

from __future__ import annotations

import click

from hub.cli.apps import app_argument
from hub.cli.command import command as declare
from hub.cli.operations import operation_options, run_operation
from hub.cli.printer import output_option
from hub.cli.session import Session, pass_session


@declare(
    "rollback",
    example="""
    escadre app rollback web
    escadre app rollback web 7 --cluster edge-1
    """,
)
@app_argument
@click.argument("id", type=click.IntRange(min=0), default=0, metavar="[ID]")
@operation_options
@output_option("table", "json", "yaml")
@pass_session
def command(
    session: Session,
    app: str,
    id: int,
    clusters: tuple[str, ...],
    prune: bool,
    dry_run: bool,
    no_wait: bool,
    timeout: float,
    output: str,
) -> None:
    """Bring the clusters of APP back to what was deployed there before.

    ID is an entry of `escadre app history`; without it, the one before the newest of each cluster. An application that
    is synced automatically has to be set to manual first.
    """
    body = {"history_id": id, "clusters": list(clusters), "prune": prune, "dry_run": dry_run}
    run_operation(session, app, "rollback", body, no_wait=no_wait, timeout=timeout, output=output)
