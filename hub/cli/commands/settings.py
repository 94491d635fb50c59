"""`escadre settings …`."""

from __future__ import annotations

from hub.cli.command import LazyGroup

_P = "hub.cli.commands.settings_"

command = LazyGroup(
    "settings",
    {
        "get": (_P + "get", "Show the system-wide settings."),
        "rm": (_P + "rm", "Go back to the default settings."),
    },
    aliases={"delete": "rm", "remove": "rm", "reset": "rm"},
    help="System-wide settings, Argo CD's argocd-cm. They are set with `escadre apply`.",
)
