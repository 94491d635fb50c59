"""`escadre repocreds list`."""

from __future__ import annotations

import click

from hub.cli.command import command as declare
from hub.cli.entries import credential_words
from hub.cli.printer import Column, output_option, print_items
from hub.cli.session import Session, pass_session
from hub.cli.text import ago
from hub.cli.values import PROJECT

COLUMNS = (
    Column("URL", lambda item: item["url"]),
    Column("TYPE", lambda item: item["type"]),
    Column("CREDS", credential_words),
    Column("PROJECT", lambda item: item["project"]),
    Column("PROXY", lambda item: "yes" if item["has_proxy"] else "", wide=True),
    Column("CHANGED", lambda item: ago(item["changed_at"]), wide=True),
    Column("BY", lambda item: item["changed_by"], wide=True),
)


@declare("list", example="escadre repocreds list")
@click.option("--project", type=PROJECT, help="Only those of this project.")
@output_option()
@pass_session
def command(session: Session, project: str | None, output: str) -> None:
    """List credential templates."""
    items = session.api.items("/repository-credentials", project=project)
    print_items(output, items, COLUMNS, name=lambda item: item["url"], none="There are no credential templates.")
