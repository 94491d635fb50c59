"""`escadre app …`."""

from __future__ import annotations

from hub.cli.command import LazyGroup

_P = "hub.cli.commands.app_"

command = LazyGroup(
    "app",
    {
        "list": (_P + "list", "List applications."),
        "get": (_P + "get", "Show an application on every cluster."),
        "create": (_P + "create", "Create an application."),
        "set": (_P + "set", "Change an application."),
        "sync": (_P + "sync", "Bring clusters to what Git says."),
        "wait": (_P + "wait", "Wait until an application is synced and healthy."),
        "diff": (_P + "diff", "Show what a sync would change."),
        "history": (_P + "history", "Show what was deployed before."),
        "rollback": (_P + "rollback", "Go back to what was deployed before."),
        "manifests": (_P + "manifests", "Print the rendered manifests."),
        "resources": (_P + "resources", "List an application's resources and their status."),
        "actions": (_P + "actions", "Restart, scale and so on: act on live objects."),
        "refresh": (_P + "refresh", "Look for new commits now."),
        "drift": (_P + "drift", "Show what was changed on clusters, and by whom."),
        "events": (_P + "events", "Show what happened to an application."),
        "terminate-op": (_P + "terminate_op", "End the operation that is under way."),
        "confirm-deletion": (_P + "confirm_deletion", "Confirm deletions that wait for it."),
        "delete": (_P + "delete", "Delete an application, and what it put on clusters."),
    },
    aliases={"ls": "list", "rm": "delete"},
    help="Applications: what is deployed, from where, to which clusters.",
)
