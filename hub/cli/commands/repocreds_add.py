"""`escadre repocreds add`."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.command import command as declare
from hub.cli.credentials import credential_options, entry_body, upsert_option
from hub.cli.session import Session, pass_session


@declare(
    "add",
    example="""
    escadre repocreds add https://git.example.com/team --username bot --password-file token
    escadre repocreds add git@git.example.com:team --ssh-private-key-path key
    """,
)
@click.argument("url")
@credential_options
@upsert_option
@pass_session
def command(session: Session, /, url: str, upsert: bool, **given: Any) -> None:
    """Use these credentials for every repository whose address begins with URL and that has none of its own.

    Of several that fit, the longest counts.
    """
    reply = session.api.put("/repository-credentials", entry_body(url, given), upsert=upsert)
    click.echo(f"credential template {reply['url']} {reply['action']}")
