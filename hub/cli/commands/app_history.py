"""`escadre app history`."""

from __future__ import annotations

import click

from hub.cli.apps import app_argument
from hub.cli.client import application_path
from hub.cli.command import command as declare
from hub.cli.printer import Column, Item, output_option, print_items
from hub.cli.session import Session, pass_session
from hub.cli.text import ago
from hub.cli.values import CLUSTER


def _commit(item: Item) -> str:
    revisions = item["revisions"]
    if not revisions:
        return ""
    first = revisions[0]
    subject = first["message"].partition("\n")[0][:72]
    return f"{subject} ({first['author']})" if first["author"] else subject


COLUMNS = (
    Column("CLUSTER", lambda item: item["cluster"]),
    Column("ID", lambda item: item["id"]),
    Column("DEPLOYED", lambda item: ago(item["deployed_at"])),
    Column("REVISION", lambda item: item["revision"]),
    Column("BY", lambda item: item["initiated_by"]),
    Column("COMMIT", _commit),
    Column("DEPLOYED AT", lambda item: item["deployed_at"], wide=True),
    Column("MANIFEST SET", lambda item: item["manifest_set"][:12], wide=True),
    Column("OPERATION", lambda item: item["operation_id"], wide=True),
)


@declare(
    "history",
    example="""
    escadre app history web
    escadre app history web --cluster edge-1 -o json
    """,
)
@app_argument
@click.option("--cluster", type=CLUSTER, metavar="NAME", help="Only this cluster.")
@click.option("--limit", type=click.IntRange(1, 1000), default=200, show_default=True, help="At most so many entries.")
@output_option()
@pass_session
def command(session: Session, app: str, cluster: str | None, limit: int, output: str) -> None:
    """Show what of APP was deployed on its clusters, newest first. `escadre app rollback` takes the ID."""
    path, params = application_path(app, "/history")
    reply = session.api.get(path, cluster=cluster, limit=limit, **params)
    print_items(
        output, reply["items"], COLUMNS, name=lambda item: f"{item['cluster']}/{item['id']}", none="Never deployed."
    )
