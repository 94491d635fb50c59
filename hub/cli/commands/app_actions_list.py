"""`escadre app actions list`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from hub.cli.actions import Item, Selection, place_text, read_actions, selection_options
from hub.cli.apps import app_argument
from hub.cli.command import command as declare
from hub.cli.errors import HubAway
from hub.cli.printer import Column, output_option, print_items, print_value
from hub.cli.session import Session, pass_session
from hub.cli.text import clean

COLUMNS = (
    Column("CLUSTER", lambda item: item["cluster"]),
    Column("GROUP", lambda item: item["group"]),
    Column("KIND", lambda item: item["kind"]),
    Column("NAMESPACE", lambda item: item["namespace"]),
    Column("NAME", lambda item: item["name"]),
    Column("ACTION", lambda item: item["action"]["name"]),
    Column("DISABLED", lambda item: "true" if item["action"]["disabled"] else "false"),
    Column("PARAMETERS", lambda item: [_parameter(given) for given in item["action"]["params"]], wide=True),
    Column("DISPLAY NAME", lambda item: item["action"]["display_name"], wide=True),
)


@declare(
    "list",
    example="""
    escadre app actions list web
    escadre app actions list web --kind Deployment --cluster edge-1 -o wide
    """,
)
@app_argument
@selection_options(needs_kind=False)
@output_option()
@pass_session
def command(
    session: Session,
    app: str,
    kind: str | None,
    group: str | None,
    resource_name: str | None,
    namespace: str | None,
    cluster: str | None,
    output: str,
) -> None:
    """List what can be done to the objects of APP: those that it manages, and those that these own.

    An action that is disabled makes no sense on the object as it stands.
    """
    items = read_actions(session, app, Selection(group, kind, resource_name, namespace, cluster))
    is_silent = bool(items) and all(item["error"] for item in items)
    if output in ("json", "yaml"):
        print_value(output, {"items": items})
    elif not is_silent:
        print_items(output, list(_rows(items)), COLUMNS, name=_name, none="No actions.")
    _warn(items)
    if is_silent:
        raise HubAway(f"no cluster of {app} could say what there is")


def _rows(items: Sequence[Item]) -> Iterator[Item]:
    for item in items:
        for resource in item["resources"]:
            for action in resource["actions"]:
                yield {**resource, "cluster": item["cluster"], "action": action}


def _warn(items: Sequence[Item]) -> None:
    for item in items:
        if item["error"]:
            click.echo(f"warning: {clean(item['error']['message'])}", err=True)
        if item["truncated"]:
            click.echo(f"warning: {item['cluster']} has more: select fewer, with --kind for one", err=True)
        for resource in item["resources"]:
            if resource["error"]:
                place = place_text(item["cluster"], resource)
                click.echo(f"warning: {clean(place)}: {clean(resource['error'])}", err=True)


def _name(row: Item) -> str:
    return f"{place_text(row['cluster'], row)} {row['action']['name']}"


def _parameter(given: Item) -> str:
    value = given["default"] or given["value"]
    return f"{given['name']}={value}" if value else str(given["name"])
