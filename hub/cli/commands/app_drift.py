"""`escadre app drift`."""

from __future__ import annotations

import click

from hub.cli.apps import app_argument, resource_text
from hub.cli.client import application_path
from hub.cli.command import command as declare
from hub.cli.overview import drift_text
from hub.cli.printer import Column, Item, output_option, print_items
from hub.cli.session import Session, pass_session
from hub.cli.text import ago


def _healed(item: Item) -> str:
    return ago(item["healed_at"]) if item["healed_at"] else "not healed"


COLUMNS = (
    Column("SEEN", lambda item: ago(item["seen_at"])),
    Column("CLUSTER", lambda item: item["cluster"]),
    Column("RESOURCE", resource_text),
    Column("CHANGE", lambda item: item["change"]),
    Column("HEALED", _healed),
    Column("FIELDS", lambda item: "; ".join(drift_text(field) for field in item["fields"])),
    Column("HUB AWAY", lambda item: "yes" if item["hub_away"] else "", wide=True),
    Column("ID", lambda item: item["id"], wide=True),
)


@declare(
    "drift",
    example="""
    escadre app drift web
    escadre app drift web --limit 10 -o json
    """,
)
@app_argument
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="At most so many.")
@output_option()
@pass_session
def command(session: Session, app: str, limit: int, output: str) -> None:
    """Show how clusters departed from what APP says, newest first: which field, from what to what, by whom and when."""
    path, params = application_path(app, "/drifts")
    reply = session.api.get(path, limit=limit, **params)
    print_items(output, reply["items"], COLUMNS, name=lambda item: item["id"], none="No drift was seen.")
