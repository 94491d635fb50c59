"""`escadre project windows …`."""

from __future__ import annotations

from hub.cli.command import LazyGroup

_W = "hub.cli.commands.project_windows_"

command = LazyGroup(
    "windows",
    {
        "list": (_W + "list", "List a project's sync windows."),
        "add": (_W + "add", "Add a sync window."),
        "update": (_W + "update", "Change a sync window."),
        "delete": (_W + "delete", "Delete a sync window."),
        "enable-manual-sync": (_W + "enable_manual_sync", "Let through what somebody asks for."),
        "disable-manual-sync": (_W + "disable_manual_sync", "Hold back what somebody asks for, too."),
        "enable-sync-overrun": (_W + "enable_sync_overrun", "Let a sync that runs go on."),
        "disable-sync-overrun": (_W + "disable_sync_overrun", "Hold a sync that runs."),
    },
    aliases={"ls": "list", "rm": "delete", "remove": "delete", "set": "update"},
    help="Sync windows of a project: when its applications may be synced, and when not.",
)
