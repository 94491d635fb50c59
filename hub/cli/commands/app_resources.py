"""`escadre app resources`."""

from __future__ import annotations

import click

from hub.cli.apps import app_argument, resource_text
from hub.cli.client import application_path
from hub.cli.command import command as declare
from hub.cli.printer import Column, output_option, print_items
from hub.cli.session import Session, pass_session
from hub.cli.values import CLUSTER

COLUMNS = (
    Column("CLUSTER", lambda item: item["cluster"]),
    Column("GROUP", lambda item: item["group"]),
    Column("KIND", lambda item: item["kind"]),
    Column("NAMESPACE", lambda item: item["namespace"]),
    Column("NAME", lambda item: item["name"]),
    Column("SYNC", lambda item: item["sync"]),
    Column("HEALTH", lambda item: item["health"]),
    Column("MESSAGE", lambda item: item["message"] or ("to be pruned" if item["requires_pruning"] else "")),
    Column("VERSION", lambda item: item["version"], wide=True),
)


@declare(
    "resources",
    example="""
    escadre app resources web
    escadre app resources web --cluster edge-1 -o wide
    """,
)
@app_argument
@click.option("--cluster", type=CLUSTER, metavar="NAME", help="Only this cluster.")
@output_option()
@pass_session
def command(session: Session, app: str, cluster: str | None, output: str) -> None:
    """List every resource of APP on every cluster, with its status."""
    path, params = application_path(app, "/resources")
    reply = session.api.get(path, cluster=cluster, **params)
    print_items(
        output,
        reply["items"],
        COLUMNS,
        name=lambda item: f"{item['cluster']} {resource_text(item)}",
        none="No resources.",
        more={"truncated": reply["truncated"]},
    )
    if reply["truncated"]:
        click.echo("warning: there are more than could be told: ask for one cluster, with --cluster", err=True)
