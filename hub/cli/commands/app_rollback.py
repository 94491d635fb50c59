"""`escadre app rollback`."""

from __future__ import annotations

import click

from hub.cli.apps import app_argument
from hub.cli.client import application_path
from hub.cli.command import command as declare
from hub.cli.diffs import diff_lines, unanswered
from hub.cli.operations import operation_options, run_operation, some
from hub.cli.printer import output_option
from hub.cli.session import Session, pass_session


@declare(
    "rollback",
    example="""
    escadre app rollback web
    escadre app rollback web 7 --cluster edge-1
    escadre app rollback web 7 --dry-run
    """,
)
@app_argument
@click.argument("id", type=click.IntRange(1, 2**53), required=False, metavar="[ID]")
@operation_options
@output_option("table", "json", "yaml")
@pass_session
def command(
    session: Session,
    app: str,
    id: int | None,
    clusters: tuple[str, ...],
    prune: bool,
    dry_run: bool,
    no_wait: bool,
    timeout: float,
    output: str,
) -> None:
    """Bring the clusters of APP back to what was deployed there before.

    ID is an entry of `escadre app history`; without it, the one before the newest of each cluster. What was deployed
    then is kept by the hub: Git is not asked, and may be gone. An application that is synced automatically has to be
    set to manual first, but for --dry-run, which shows what would change first, as `escadre app diff` does.
    """
    if dry_run and not no_wait:
        _show_diff(session, app, id or 0, clusters, output)
    body = {"history_id": id or 0, "clusters": list(clusters), "prune": prune, "dry_run": dry_run}
    run_operation(session, app, "rollback", body, no_wait=no_wait, timeout=timeout, output=output)


def _show_diff(session: Session, app: str, id: int, clusters: tuple[str, ...], output: str) -> None:
    path, params = application_path(app, "/diff")
    replies = [session.api.get(path, cluster=cluster, history_id=id, **params) for cluster in clusters or (None,)]
    items = [item for reply in replies for item in reply["items"]]
    # Beside json and yaml, which are the operation's, it is for the eyes.
    for line in diff_lines(items):
        click.echo(line, err=output != "table")
    if silent := unanswered(items):
        click.echo(f"warning: no diff from {some(silent)}", err=True)
