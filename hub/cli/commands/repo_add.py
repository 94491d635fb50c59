"""`escadre repo add`."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.command import command as declare
from hub.cli.credentials import credential_options, entry_body, repository_options, upsert_option
from hub.cli.session import Session, pass_session


@declare(
    "add",
    example="""
    escadre repo add https://git.example.com/shop.git --username bot
    escadre repo add git@git.example.com:team/shop.git --ssh-private-key-path ~/.ssh/id_ed25519
    escadre repo add https://github.com/team/shop --github-app-id 1 --github-app-private-key-path app.pem
    """,
)
@click.argument("url")
@repository_options
@credential_options
@upsert_option
@click.option("--skip-test", is_flag=True, help="Do not ask the server first.")
@pass_session
def command(session: Session, /, url: str, upsert: bool, skip_test: bool, **given: Any) -> None:
    """Register the repository at URL.

    Its server is asked first whether it lets the hub in. What is given is all that is kept: with --upsert, whatever was
    registered before is gone.
    """
    body = entry_body(url, given)
    if not skip_test:
        session.api.post("/repositories/test", body)
    reply = session.api.put("/repositories", body, upsert=upsert)
    click.echo(f"repository {reply['url']} {reply['action']}")
