"""`escadre repocreds …`."""

from __future__ import annotations

from hub.cli.command import LazyGroup

_P = "hub.cli.commands.repocreds_"

command = LazyGroup(
    "repocreds",
    {
        "list": (_P + "list", "List credential templates."),
        "add": (_P + "add", "Make a credential template for a URL prefix."),
        "rm": (_P + "rm", "Forget a credential template."),
    },
    aliases={"ls": "list", "delete": "rm", "remove": "rm"},
    help="Credential templates: the same credentials for every repository whose URL begins so.",
)
