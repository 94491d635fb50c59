"""`escadre cert add-tls`."""

from __future__ import annotations

from pathlib import Path

import click

from hub.cli.command import command as declare
from hub.cli.credentials import read_file
from hub.cli.session import Session, pass_session


@declare(
    "add-tls",
    example="""
    escadre cert add-tls git.example.com --from ca.pem
    escadre cert add-tls registry.example.com:5000 --from ca.pem --upsert
    """,
)
@click.argument("server", metavar="SERVER")
@click.option(
    "--from", "path", type=click.Path(path_type=Path, dir_okay=False), help="A PEM file; standard input else."
)
@click.option("--upsert", is_flag=True, help="Replace the certificates the server has.")
@pass_session
def command(session: Session, server: str, path: Path | None, upsert: bool) -> None:
    """Believe SERVER, a host or HOST:PORT, by these certificates alone, in place of the system's authorities."""
    body = {"server": server, "certificates": read_file(path)}
    reply = session.api.put("/certificates", body, upsert=upsert)
    click.echo(f"certificates of {server} {'stored' if reply['created'] else 'unchanged'}")
