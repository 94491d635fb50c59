"""`escadre context …`."""

from __future__ import annotations

from hub.cli.command import LazyGroup

command = LazyGroup(
    "context",
    {
        "list": ("hub.cli.commands.context_list", "List the hubs you are logged in to."),
        "use": ("hub.cli.commands.context_use", "Make a hub the current one."),
        "rm": ("hub.cli.commands.context_rm", "Forget a hub."),
    },
    aliases={"ls": "list", "delete": "rm", "remove": "rm"},
    help="Choose between the hubs you are logged in to.",
)
