"""`escadre app list`."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.apps import sources_text
from hub.cli.command import command as declare
from hub.cli.printer import Column, Item, output_option, print_items
from hub.cli.session import Session, pass_session
from hub.cli.text import age
from hub.cli.values import CLUSTER, PROJECT, display_name


def _clusters(item: Item) -> str:
    counts = item["clusters"]
    away = f" ({counts['unreachable']} unreachable)" if counts["unreachable"] else ""
    return f"{counts['total']}{away}"


def _notes(item: Item) -> str:
    notes = ["being deleted"] if item["deleting"] else []
    if count := item["condition_count"]:
        notes.append(f"{count} condition{'s' if count > 1 else ''}")
    return ", ".join(notes)


COLUMNS = (
    Column("NAME", display_name),
    Column("PROJECT", lambda item: item["project"]),
    Column("SYNC", lambda item: item["sync"]),
    Column("HEALTH", lambda item: item["health"]),
    Column("CLUSTERS", _clusters),
    Column("REVISION", lambda item: item["revision"]),
    Column("SYNC POLICY", lambda item: item["sync_policy"]),
    Column("NOTES", _notes),
    Column("DESTINATIONS", lambda item: " ".join(item["destinations"]), wide=True),
    Column("SOURCES", sources_text, wide=True),
    Column("LABELS", lambda item: item["labels"], wide=True),
    Column("AGE", lambda item: age(item["created_at"]), wide=True),
)


@declare(
    "list",
    example="""
    escadre app list
    escadre app list --project shop -l team=checkout -o wide
    escadre app list --cluster edge-7 -o name
    """,
)
@click.option("-p", "--project", type=PROJECT, metavar="NAME", help="Only this project's.")
@click.option("-l", "--selector", metavar="LABELS", help="Only those with these labels: region=eu,tier in (a,b).")
@click.option("--cluster", type=CLUSTER, metavar="NAME", help="Only those assigned to this cluster.")
@output_option()
@pass_session
def command(session: Session, /, output: str, **wanted: Any) -> None:
    """List applications, with their state over all their clusters."""
    items = session.api.items("/applications", **wanted)
    print_items(output, items, COLUMNS, name=display_name, none="No applications.")
