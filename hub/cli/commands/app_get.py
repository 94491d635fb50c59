"""`escadre app get`: everything that is known of one application, and why it is not fine where it is not."""

from __future__ import annotations

import click

from hub.cli.apps import app_argument
from hub.cli.client import application_path
from hub.cli.command import command as declare
from hub.cli.overview import detail_lines
from hub.cli.printer import output_option, print_item
from hub.cli.session import Session, pass_session
from hub.cli.trees import tree_lines
from hub.cli.values import CLUSTER


@declare(
    "get",
    example="""
    escadre app get web
    escadre app get web --cluster edge-1 --tree
    escadre app get web -o json
    """,
)
@app_argument
@click.option("--cluster", type=CLUSTER, metavar="NAME", help="Only this cluster.")
@click.option("--tree", is_flag=True, help="Show what it manages and all that this owns, as the clusters tell it.")
@click.option("--refresh", is_flag=True, help="Ask for a look at Git first; it goes on after this command.")
@output_option()
@pass_session
def command(session: Session, app: str, cluster: str | None, tree: bool, refresh: bool, output: str) -> None:
    """Show APP on every cluster: its state, every resource that is not fine and why, drift, and conditions."""
    api = session.api
    path, params = application_path(app)
    if refresh:
        api.post(f"{path}/refresh", **params)
    if tree:
        reply = api.get(f"{path}/tree", cluster=cluster, **params)
        print_item(output, reply, lambda: tree_lines(reply["items"]), name=app)
        return
    detail = api.get(path, **params)
    if cluster:
        detail["clusters"] = [row for row in detail["clusters"] if row["cluster"] == cluster]
        if not detail["clusters"]:
            raise click.UsageError(f"{app} is not assigned to a cluster {cluster}")
    print_item(output, detail, lambda: detail_lines(detail, wide=output == "wide"), name=app)
