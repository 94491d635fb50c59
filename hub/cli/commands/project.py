"""`escadre project …`, or `escadre proj …`."""

from __future__ import annotations

from hub.cli.command import LazyGroup

_P = "hub.cli.commands.project_"

command = LazyGroup(
    "project",
    {
        "list": (_P + "list", "List projects."),
        "get": (_P + "get", "Show a project."),
        "windows": (_P + "windows", "When a project's applications may be synced."),
        "rm": (_P + "rm", "Remove a project that no application belongs to."),
    },
    aliases={"ls": "list", "delete": "rm", "remove": "rm"},
    help="Projects (AppProjects): what applications may use. They are created with `escadre apply`.",
)
