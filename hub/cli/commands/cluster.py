"""`escadre cluster …`."""

from __future__ import annotations

from hub.cli.command import LazyGroup

_P = "hub.cli.commands.cluster_"

command = LazyGroup(
    "cluster",
    {
        "list": (_P + "list", "List clusters and whether their agents are connected."),
        "get": (_P + "get", "Show a cluster."),
        "add": (_P + "add", "Add a cluster, and get what its agent needs to join."),
        "set": (_P + "set", "Change a cluster's labels or address."),
        "rm": (_P + "rm", "Remove a cluster; its agent is let in no more."),
        "rotate-token": (_P + "rotate_token", "Make a new join token for a cluster."),
    },
    aliases={"ls": "list", "delete": "rm", "remove": "rm"},
    help="Clusters: one agent each, which connects to the hub.",
)
