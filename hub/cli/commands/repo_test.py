"""`escadre repo test`."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.command import command as declare
from hub.cli.credentials import credential_options, entry_body, repository_options
from hub.cli.session import Session, pass_session


@declare(
    "test",
    example="""
    escadre repo test https://git.example.com/shop.git
    escadre repo test https://git.example.com/shop.git --username bot --password-file token
    """,
)
@click.argument("url")
@repository_options
@credential_options
@pass_session
def command(session: Session, /, url: str, **given: Any) -> None:
    """Ask the server of URL whether it lets the hub in: with what is given, or, where only a project is, with what is
    registered."""
    body = entry_body(url, given)
    if body.keys() <= {"url", "type", "project"}:
        body["stored"] = True
    click.echo(session.api.post("/repositories/test", body)["message"])
