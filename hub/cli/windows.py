"""What the commands about sync windows share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from hub.cli.client import named_path
from hub.cli.printer import output_option, print_value
from hub.cli.session import Session
from hub.cli.values import PROJECT

Item = Mapping[str, Any]

_TEXTS = (
    ("kind", ("-k", "--kind"), "allow|deny", "allow: outside such windows nothing is synced; deny: nothing inside."),
    ("schedule", ("--schedule",), "CRON", 'When it begins: "0 22 * * 1-5".'),
    ("duration", ("--duration",), "DURATION", "How long it lasts: 8h, 1h30m."),
    ("time_zone", ("--time-zone",), "ZONE", "Of the schedule, as Europe/Berlin; UTC else."),
    ("description", ("--description",), "TEXT", "Told with what the window denies."),
)
_LISTS = (
    ("applications", "--applications", "Applications it is for."),
    ("namespaces", "--namespaces", "Destination namespaces it is for."),
    ("clusters", "--clusters", "Clusters it is for, by name or address."),
)
_SWITCHES = (
    ("manual_sync", "--manual-sync/--no-manual-sync", "Let through what somebody asks for."),
    ("and_operator", "--use-and-operator/--no-use-and-operator", "It is for what matches all of these, and not any."),
    ("sync_overrun", "--sync-overrun/--no-sync-overrun", "What was allowed when it began is not held when that ends."),
)


def project_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.argument("name", type=PROJECT, metavar="PROJECT")(function)


def id_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument ID: the first column of `project windows list`."""
    return click.argument("id", type=click.IntRange(0, 1_000_000), metavar="ID")(function)


def window_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that describe a window, in Argo CD's words."""
    options = [click.option(*flags, name, metavar=metavar, help=text) for name, flags, metavar, text in _TEXTS]
    options += [
        click.option(
            flag, name, metavar="GLOBS", multiple=True, help=f"{text} Globs, with commas between, or given again."
        )
        for name, flag, text in _LISTS
    ]
    options += [click.option(flag, name, default=None, help=text) for name, flag, text in _SWITCHES]
    for option in reversed(options):
        function = option(function)
    return function


def window_output(function: Callable[..., Any]) -> Callable[..., Any]:
    return output_option("table", "json", "yaml")(function)


def window_body(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request's fields for what was given."""
    body: dict[str, Any] = {}
    for name, value in flags.items():
        if isinstance(value, tuple):
            if value:
                body[name] = [word.strip() for text in value for word in text.split(",") if word.strip()]
        elif value is not None:
            body[name] = value
    return body


def change_window(session: Session, name: str, id: int, body: Mapping[str, Any], output: str) -> None:
    """Change one window and tell what became of it."""
    tell_windows(session.api.patch(named_path("projects", name, f"/windows/{id}"), body), output, f"window {id}")


def tell_windows(reply: Item, output: str, what: str) -> None:
    """Print that a project's windows have changed."""
    if output in ("json", "yaml"):
        print_value(output, reply)
        return
    verb = "unchanged" if reply["action"] == "unchanged" else "configured"
    click.echo(f"project/{reply['project']} {verb}: {what}")
    for warning in reply["warnings"]:
        click.echo(f"warning: {warning}", err=True)
