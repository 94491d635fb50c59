"""`escadre repocreds rm`."""

from __future__ import annotations

import click

from hub.cli.client import named_path
from hub.cli.command import command as declare
from hub.cli.entries import find_entry
from hub.cli.session import Session, pass_session
from hub.cli.values import PROJECT


@declare("rm", example="escadre repocreds rm https://git.example.com/team")
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@click.option("--project", type=PROJECT, help="The one of this project.")
@pass_session
def command(session: Session, urls: tuple[str, ...], project: str | None) -> None:
    """Forget the credential template of each URL."""
    for url in urls:
        item = find_entry(session.api, "repository-credentials", url, project)
        session.api.delete(named_path("repository-credentials", item["id"]))
        click.echo(f"credential template {item['url']} removed")
