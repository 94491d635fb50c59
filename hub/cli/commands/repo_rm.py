"""`escadre repo rm`."""

from __future__ import annotations

import click

from hub.cli.client import named_path
from hub.cli.command import command as declare
from hub.cli.entries import find_entry
from hub.cli.session import Session, pass_session
from hub.cli.values import PROJECT


@declare("rm", example="escadre repo rm https://git.example.com/shop.git")
@click.argument("urls", nargs=-1, required=True, metavar="URL...")
@click.option("--project", type=PROJECT, help="The one of this project.")
@pass_session
def command(session: Session, urls: tuple[str, ...], project: str | None) -> None:
    """Forget what is registered for each URL, credentials and all. Its applications stay."""
    for url in urls:
        item = find_entry(session.api, "repositories", url, project)
        session.api.delete(named_path("repositories", item["id"]))
        click.echo(f"repository {item['url']} removed")
