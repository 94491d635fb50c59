"""`escadre account get`."""

from __future__ import annotations

from hub.cli.command import command as declare
from hub.cli.printer import output_option, print_item
from hub.cli.session import Session, pass_session
from hub.cli.text import ago, clean, fields


@declare("get", example="escadre account get -o json")
@output_option()
@pass_session
def command(session: Session, output: str) -> None:
    """Show the account you are logged in with, and its role."""
    account = session.api.get("/account")
    pairs = [
        ("Account", clean(account["name"])),
        ("Role", clean(account["role"])),
        ("Enabled", "yes" if account["enabled"] else "no"),
        ("Created", ago(account["created_at"])),
        ("Hub", session.context.server),
    ]
    print_item(output, account, lambda: fields(pairs), name=account["name"])
