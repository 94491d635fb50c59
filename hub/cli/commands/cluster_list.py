"""`escadre cluster list`."""

from __future__ import annotations

import click

from hub.cli.command import command as declare
from hub.cli.printer import Column, Item, output_option, print_items
from hub.cli.session import Session, pass_session
from hub.cli.text import age, ago


def _agent(item: Item) -> str:
    return f"{item['agent_version']}{' (simulated)' if item['simulated'] else ''}"


COLUMNS = (
    Column("NAME", lambda item: item["name"]),
    Column("AGENT", lambda item: item["liveness"]),
    Column("SINCE", lambda item: ago(item["since"])),
    Column("APPLICATIONS", lambda item: item["applications"]),
    Column("KUBERNETES", lambda item: item["kubernetes_version"]),
    Column("VERSION", _agent),
    Column("LABELS", lambda item: item["labels"]),
    Column("SERVER", lambda item: item["server"], wide=True),
    Column("LAST SEEN", lambda item: ago(item["last_seen_at"]), wide=True),
    Column("AGE", lambda item: age(item["created_at"]), wide=True),
    Column("UID", lambda item: item["uid"], wide=True),
)


@declare(
    "list",
    example="""
    escadre cluster list
    escadre cluster list -l region=eu -o wide
    """,
)
@click.option("-l", "--selector", metavar="LABELS", help="Only those with these labels: region=eu,tier in (a,b).")
@output_option()
@pass_session
def command(session: Session, selector: str | None, output: str) -> None:
    """List clusters, whether their agents are connected, and since when."""
    items = session.api.items("/clusters", selector=selector)
    none = "No clusters: add one with `escadre cluster add NAME`."
    print_items(output, items, COLUMNS, name=lambda item: item["name"], none=none)
