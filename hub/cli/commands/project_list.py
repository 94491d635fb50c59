"""`escadre project list`."""

from __future__ import annotations

from hub.cli.command import command as declare
from hub.cli.printer import Column, Item, output_option, print_items
from hub.cli.session import Session, pass_session


def destination_text(destination: Item) -> str:
    cluster = destination["name"] or destination["server"] or "*"
    return f"{cluster}/{destination['namespace'] or '*'}"


COLUMNS = (
    Column("NAME", lambda item: item["name"]),
    Column("APPLICATIONS", lambda item: item["applications"]),
    Column("DESTINATIONS", lambda item: " ".join(map(destination_text, item["destinations"]))),
    Column("SOURCES", lambda item: " ".join(item["source_repos"])),
    Column("DESCRIPTION", lambda item: item["description"], wide=True),
)


@declare("list", example="escadre project list")
@output_option()
@pass_session
def command(session: Session, output: str) -> None:
    """List projects."""
    items = session.api.items("/projects")
    print_items(output, items, COLUMNS, name=lambda item: item["name"], none="No projects.")
