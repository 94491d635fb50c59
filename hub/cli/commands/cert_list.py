"""`escadre cert list`."""

from __future__ import annotations

import click

from hub.cli.command import command as declare
from hub.cli.printer import Column, output_option, print_items
from hub.cli.session import Session, pass_session

COLUMNS = (
    Column("HOSTNAME", lambda item: item["server"]),
    Column("TYPE", lambda item: item["type"]),
    Column("SUBTYPE", lambda item: item["subtype"]),
    Column("FINGERPRINT/EXPIRES", lambda item: item["expires_at"] or item["fingerprint"]),
    Column("FINGERPRINT", lambda item: item["fingerprint"], wide=True),
)


@declare(
    "list",
    example="""
    escadre cert list
    escadre cert list --cert-type ssh --hostname-pattern '*.example.com'
    """,
)
@click.option("--cert-type", type=click.Choice(("ssh", "https")), help="Only host keys, or only TLS certificates.")
@click.option("--hostname-pattern", metavar="GLOB", help="Only these hosts.")
@output_option()
@pass_session
def command(session: Session, cert_type: str | None, hostname_pattern: str | None, output: str) -> None:
    """List what servers are believed by."""
    items = session.api.items("/certificates", type=cert_type, server=hostname_pattern)
    print_items(output, items, COLUMNS, name=lambda item: item["server"], none="No host keys and no certificates.")
