"""`escadre context list`."""

from __future__ import annotations

from hub.cli.command import command as declare
from hub.cli.printer import Column, output_option, print_items
from hub.cli.session import Session, pass_session

COLUMNS = (
    Column("CURRENT", lambda item: "*" if item["current"] else ""),
    Column("NAME", lambda item: item["name"]),
    Column("HUB", lambda item: item["server"]),
    Column("ACCOUNT", lambda item: item["username"]),
    Column("SESSION UNTIL", lambda item: item["expires_at"]),
    Column("TRUST", lambda item: item["trust"], wide=True),
)


@declare("list", example="escadre context list")
@output_option()
@pass_session
def command(session: Session, output: str) -> None:
    """List the hubs you are logged in to. Tokens are never shown."""
    contexts = session.contexts
    items = [
        {
            "name": context.name,
            "current": context.name == contexts.current,
            "server": context.server,
            "username": context.username,
            "expires_at": context.expires_at if context.token else "",
            "trust": "nothing is checked" if context.insecure else "authority" if context.ca else "system",
        }
        for context in sorted(contexts.items.values(), key=lambda context: context.name)
    ]
    print_items(output, items, COLUMNS, name=lambda item: item["name"], none="No hubs: log in with `escadre login`.")
