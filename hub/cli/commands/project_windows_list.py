"""`escadre project windows list`."""

from __future__ import annotations

from hub.cli.client import named_path
from hub.cli.command import command as declare
from hub.cli.printer import Column, output_option, print_items
from hub.cli.session import Session, pass_session
from hub.cli.windows import Item, project_argument


def _globs(key: str) -> Column:
    return Column(key.upper(), lambda item: ",".join(item[key]) or "-")


def _switch(title: str, key: str, *, wide: bool = False) -> Column:
    return Column(title, lambda item: "Enabled" if item[key] else "Disabled", wide=wide)


def _state(item: Item) -> str:
    return "Active" if item["active"] else "Inactive"


COLUMNS = (
    Column("ID", lambda item: item["id"]),
    Column("STATUS", _state),
    Column("KIND", lambda item: item["kind"]),
    Column("SCHEDULE", lambda item: item["schedule"]),
    Column("DURATION", lambda item: item["duration"]),
    _globs("applications"),
    _globs("namespaces"),
    _globs("clusters"),
    _switch("MANUALSYNC", "manual_sync"),
    _switch("SYNCOVERRUN", "sync_overrun"),
    Column("TIMEZONE", lambda item: item["time_zone"]),
    _switch("USEANDOPERATOR", "and_operator", wide=True),
    Column("DESCRIPTION", lambda item: item["description"], wide=True),
)


@declare(
    "list",
    example="""
    escadre project windows list shop
    escadre project windows list shop -o yaml
    """,
)
@project_argument
@output_option()
@pass_session
def command(session: Session, name: str, output: str) -> None:
    """List the sync windows of PROJECT, and which of them are open now."""
    items = session.api.items(named_path("projects", name, "/windows"))
    print_items(output, items, COLUMNS, name=lambda item: item["id"], none="No sync windows.")
