"""`escadre project get`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from hub.cli.client import named_path
from hub.cli.command import command as declare
from hub.cli.commands.project_list import destination_text
from hub.cli.printer import output_option, print_item
from hub.cli.session import Session, pass_session
from hub.cli.text import clean, fields
from hub.cli.values import PROJECT


@declare(
    "get",
    example="""
    escadre project get shop
    escadre project get shop -o yaml
    """,
)
@click.argument("name", type=PROJECT)
@output_option()
@pass_session
def command(session: Session, name: str, output: str) -> None:
    """Show project NAME. JSON and YAML hold the whole AppProject, as `manifest`."""
    project = session.api.get(named_path("projects", name))
    print_item(output, project, lambda: lines(project), name=project["name"])


def window_text(window: Mapping[str, Any]) -> str:
    """Return a window of a manifest as one line; `project windows list` tells more of it."""
    zone = f" {window['timeZone']}" if window.get("timeZone") else ""
    return f"{window.get('kind', '')} {window.get('schedule', '')}{zone} for {window.get('duration', '')}"


def lines(project: Mapping[str, Any]) -> list[str]:
    pairs = [
        ("Name", project["name"]),
        ("Description", project["description"]),
        ("Applications", str(project["applications"])),
        *(("Destination", destination_text(destination)) for destination in project["destinations"]),
        *(("Source", source) for source in project["source_repos"]),
        *(("Sync window", window_text(window)) for window in _spec(project).get("syncWindows") or ()),
    ]
    return fields((name, clean(value)) for name, value in pairs)


def _spec(project: Mapping[str, Any]) -> Mapping[str, Any]:
    return project["manifest"].get("spec") or {}
