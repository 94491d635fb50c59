"""`escadre repo …`."""

from __future__ import annotations

from hub.cli.command import LazyGroup

_P = "hub.cli.commands.repo_"

command = LazyGroup(
    "repo",
    {
        "list": (_P + "list", "List registered repositories."),
        "get": (_P + "get", "Show a registered repository."),
        "add": (_P + "add", "Register a repository, once the hub could read it."),
        "test": (_P + "test", "Ask a repository's server whether it lets the hub in."),
        "rm": (_P + "rm", "Forget a repository and its credentials."),
    },
    aliases={"ls": "list", "delete": "rm", "remove": "rm"},
    help="Repositories: who the hub is there, and how it gets there. Public ones need not be registered.",
)
