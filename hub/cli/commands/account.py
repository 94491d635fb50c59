"""`escadre account …`."""

from __future__ import annotations

from hub.cli.command import LazyGroup

_P = "hub.cli.commands.account_"

command = LazyGroup(
    "account",
    {
        "get": (_P + "get", "Show the account you are logged in with."),
        "update-password": (_P + "update_password", "Change a password."),
    },
    aliases={"get-user-info": "get"},
    help="Your account.",
)
