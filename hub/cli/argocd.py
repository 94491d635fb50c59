"""Argo CD's commands and options that are not here: what to use in their place, for whoever comes with them in mind.

Keys are command paths without the program's name, and, of options, the long name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import click

_SEVERAL = "one application at a time: `escadre app list -l LABELS -o name` names those with some labels"
_FILE = "change a file and `escadre apply -f` it, or a field with `escadre app set`"
_PART = "change it in Git, or with kubectl: what departs from Git is told by `escadre app drift`"

COMMANDS: Final[Mapping[str, str]] = {
    "app add-source": _FILE,
    "app delete-resource": _PART,
    "app edit": _FILE,
    "app get-resource": "`escadre app resources` has the status of each, `escadre app manifests` what they are to be",
    "app logs": "logs of pods are read with kubectl: `escadre app get --tree` names the pods",
    "app patch": _FILE,
    "app patch-resource": _PART,
    "app remove-source": _FILE,
    "app unset": _FILE,
    "appset": "label selectors in `destinations` bring one Application to many clusters",
    "project create": "write an AppProject into a file and `escadre apply -f` it",
    "project edit": "write an AppProject into a file and `escadre apply -f` it",
    "project set": "write an AppProject into a file and `escadre apply -f` it",
    "relogin": "`escadre login`",
}

OPTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "app delete": {"--selector": _SEVERAL},
    "app diff": {
        "--hard-refresh": "`escadre app refresh --hard` first",
        "--refresh": "`escadre app refresh` first",
        "--server-side-diff": "the API server itself is always asked",
        "--server-side-generate": "--local is always rendered by the hub",
    },
    "app get": {
        "--hard-refresh": "`escadre app refresh --hard` first",
        "--show-operation": "the last operation of each cluster is always shown",
        "--show-params": "`escadre app history -o wide` has the parameters",
    },
    "app list": {"--repo": "`escadre app list -o json` has the sources"},
    "app manifests": {
        "--local": "`escadre app diff --local` compares files with the clusters",
        "--source": "`escadre app diff` compares what is live with what is assigned",
    },
    "app sync": {
        "--apply-out-of-sync-only": "--sync-option ApplyOutOfSyncOnly=true",
        "--assumeYes": "nothing is asked",
        "--label": _SEVERAL,
        "--local": "files are compared with `escadre app diff --local`, and deployed from Git alone",
        "--preview-changes": "`escadre app diff` first",
        "--project": _SEVERAL,
        "--selector": _SEVERAL,
        "--server-side": "objects are always applied by the server",
    },
    "app wait": {"--selector": _SEVERAL},
}


def advice(error: click.UsageError) -> str:
    """Return what to do instead, in brackets; "" where nothing is known."""
    path = error.ctx.command_path.partition(" ")[2] if error.ctx else ""
    path = " ".join("project" if word == "proj" else word for word in path.split())
    found = ""
    if isinstance(error, click.NoSuchOption):
        name = "--selector" if error.option_name == "-l" else error.option_name
        found = OPTIONS.get(path, {}).get(name, "")
    elif isinstance(error, UnknownCommand):
        found = COMMANDS.get(f"{path} {error.name}".strip(), "")
    return f"Argo CD has it; here: {found}" if found else ""


class UnknownCommand(click.UsageError):
    def __init__(self, name: str, message: str, ctx: click.Context) -> None:
        super().__init__(message, ctx)
        self.name = name
