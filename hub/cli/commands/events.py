"""`escadre events`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from hub.cli.apps import display_id
from hub.cli.command import command as declare
from hub.cli.printer import Column, Item, output_option, print_items
from hub.cli.session import Session, pass_session
from hub.cli.text import ago
from hub.cli.values import APPLICATION, CLUSTER

COLUMNS = (
    Column("WHEN", lambda item: ago(item["at"])),
    Column("SEVERITY", lambda item: item["severity"]),
    Column("REASON", lambda item: item["reason"]),
    Column("APPLICATION", lambda item: display_id(item["application"])),
    Column("CLUSTER", lambda item: item["cluster"]),
    Column("BY", lambda item: item["actor"]),
    Column("MESSAGE", lambda item: item["message"]),
    Column("AT", lambda item: item["at"], wide=True),
)


def print_events(output: str, items: Sequence[Item], columns: Sequence[Column]) -> None:
    print_items(output, items, columns, name=lambda item: item["reason"], none="No events.")


@declare(
    "events",
    example="""
    escadre events --limit 20
    escadre events --cluster edge-1
    """,
)
@click.option("--app", type=APPLICATION, metavar="APP", help="Only this application's.")
@click.option("--cluster", type=CLUSTER, metavar="NAME", help="Only this cluster's.")
@click.option("--limit", type=click.IntRange(1, 1000), default=200, show_default=True, help="At most so many.")
@output_option("table", "wide", "json", "yaml")
@pass_session
def command(session: Session, app: str | None, cluster: str | None, limit: int, output: str) -> None:
    """Show what happened in the fleet, newest first: who did what, and what went wrong."""
    reply = session.api.get("/events", application=app, cluster=cluster, limit=limit)
    print_events(output, reply["items"], COLUMNS)
