"""`escadre cert rm`."""

from __future__ import annotations

import click

from hub.cli.command import command as declare
from hub.cli.session import Session, pass_session


@declare(
    "rm",
    example="""
    escadre cert rm git.example.com
    escadre cert rm git.example.com --cert-type ssh --cert-sub-type ssh-rsa
    """,
)
@click.argument("server", metavar="SERVER")
@click.option("--cert-type", type=click.Choice(("ssh", "https")), help="Only host keys, or only TLS certificates.")
@click.option("--cert-sub-type", metavar="TYPE", help="Only keys of this type, such as ssh-ed25519.")
@pass_session
def command(session: Session, server: str, cert_type: str | None, cert_sub_type: str | None) -> None:
    """Remove the host keys and certificates of SERVER; * and ? stand for others."""
    reply = session.api.delete("/certificates", server=server, type=cert_type, subtype=cert_sub_type)
    click.echo(f"{reply['removed']} removed")
