"""`escadre cert …`."""

from __future__ import annotations

from hub.cli.command import LazyGroup

_P = "hub.cli.commands.cert_"

command = LazyGroup(
    "cert",
    {
        "list": (_P + "list", "List SSH host keys and TLS certificates."),
        "add-ssh": (_P + "add_ssh", "Add SSH host keys."),
        "add-tls": (_P + "add_tls", "Add a TLS certificate that a server is believed by."),
        "rm": (_P + "rm", "Remove a server's host keys and certificates."),
    },
    aliases={"ls": "list", "delete": "rm", "remove": "rm"},
    help="What the servers of repositories are believed by: SSH host keys, and TLS certificates.",
)
