"""`escadre account update-password`."""

from __future__ import annotations

import click

from hub.cli.command import command as declare
from hub.cli.passwords import read_new_password, read_password
from hub.cli.session import Session, pass_session


@declare(
    "update-password",
    example="""
    escadre account update-password
    escadre account update-password --account alice
    printf '%s\\n%s\\n' "$CURRENT" "$NEW" | escadre account update-password --password-stdin
    """,
)
@click.option("--account", metavar="NAME", help="Whose password; your own else.")
@click.option(
    "--password-stdin", is_flag=True, help="Read your current password and then the new one, a line each, from stdin."
)
@pass_session
def command(session: Session, account: str | None, password_stdin: bool) -> None:
    """Change a password: your own, or as an administrator another account's.

    Your own current password is asked for in both cases. Other sessions of the account end. Instead of asking, the
    passwords are read from the files that ESCADRE_PASSWORD_FILE and ESCADRE_NEW_PASSWORD_FILE name.
    """
    whose = account or session.context.username or "your account"
    current = read_password("Your current password", from_stdin=password_stdin)
    new = read_new_password(from_stdin=password_stdin)
    session.api.put("/account/password", {"current": current, "new": new, "account": account or ""})
    click.echo(f"The password of {whose} is changed.")
