"""What `app actions list` and `app actions run` share: which objects are meant, and asking for their actions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import click

from hub.cli.apps import resource_text
from hub.cli.client import application_path
from hub.cli.session import Session
from hub.cli.values import CLUSTER, GIVEN

Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects of an application; what is not given selects all."""

    group: str | None
    """"": the core group."""
    kind: str | None
    resource_name: str | None
    namespace: str | None
    cluster: str | None


def selection_options(*, needs_kind: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in (
            click.option("--cluster", type=CLUSTER, metavar="NAME", help="Only on this cluster."),
            click.option("--namespace", type=GIVEN, metavar="NAMESPACE", help="Only objects in this namespace."),
            click.option("--resource-name", type=GIVEN, metavar="NAME", help="Only objects of this name."),
            click.option("--group", metavar="GROUP", help='Only objects of this API group; "" is the core group.'),
            click.option("--kind", type=GIVEN, required=needs_kind, metavar="KIND", help="Only objects of this kind."),
        ):
            function = option(function)
        return function

    return add


def read_actions(session: Session, app: str, selection: Selection) -> list[Item]:
    """Return what each cluster says there is. Raises CliError."""
    path, params = application_path(app, "/actions")
    reply = session.api.get(
        path,
        cluster=selection.cluster,
        group=selection.group,
        kind=selection.kind,
        resource_name=selection.resource_name,
        resource_namespace=selection.namespace,
        **params,
    )
    items: list[Item] = reply["items"]
    if selection.group == "":
        # An empty group in the query is none that was given.
        return [{**item, "resources": [r for r in item["resources"] if not r["group"]]} for item in items]
    return items


def place_text(cluster: str, resource: Item) -> str:
    return f"{cluster} {resource_text(resource)}"
