"""`escadre app actions …`."""

from __future__ import annotations

from hub.cli.command import LazyGroup

_A = "hub.cli.commands.app_actions_"

command = LazyGroup(
    "actions",
    {
        "list": (_A + "list", "List what can be done to an application's objects."),
        "run": (_A + "run", "Do it."),
    },
    aliases={"ls": "list"},
    help="Resource actions: restart, scale, suspend and the like, and those of the system-wide settings.",
)
