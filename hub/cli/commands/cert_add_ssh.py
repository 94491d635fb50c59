"""`escadre cert add-ssh`."""

from __future__ import annotations

from pathlib import Path

import click

from hub.cli.command import command as declare
from hub.cli.credentials import read_file
from hub.cli.errors import Misuse
from hub.cli.session import Session, pass_session


@declare(
    "add-ssh",
    example="""
    ssh-keyscan git.example.com | escadre cert add-ssh --batch
    escadre cert add-ssh --batch --from known_hosts
    """,
)
@click.option("--batch", is_flag=True, help="Take all lines that are given.")
@click.option("--from", "path", type=click.Path(path_type=Path, dir_okay=False), help="A file; standard input else.")
@click.option("--upsert", is_flag=True, help="Taken for Argo CD's sake: host keys are added beside those there are.")
@pass_session
def command(session: Session, batch: bool, path: Path | None, upsert: bool) -> None:
    """Add host keys, as lines of known_hosts. Compare them first with what the server's operator publishes."""
    if not batch:
        raise Misuse("host keys are given as lines of known_hosts: say --batch")
    reply = session.api.put("/certificates", {"known_hosts": read_file(path)}, upsert=upsert)
    for name in reply["created"]:
        click.echo(f"host key {name} added")
    click.echo(f"{len(reply['created'])} added, {reply['unchanged']} were there already")
