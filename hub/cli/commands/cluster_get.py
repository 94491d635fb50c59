"""`escadre cluster get`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from hub.cli.client import named_path
from hub.cli.command import command as declare
from hub.cli.printer import output_option, print_item
from hub.cli.session import Session, pass_session
from hub.cli.text import ago, clean, fields, paint
from hub.cli.values import CLUSTER


@declare("get", example="escadre cluster get edge-1")
@click.argument("name", type=CLUSTER)
@output_option()
@pass_session
def command(session: Session, name: str, output: str) -> None:
    """Show cluster NAME."""
    cluster = session.api.get(named_path("clusters", name))
    print_item(output, cluster, lambda: lines(cluster), name=cluster["name"])


def lines(cluster: Mapping[str, Any]) -> list[str]:
    since = ago(cluster["since"])
    labels = ", ".join(f"{key}={value}" for key, value in cluster["labels"].items())
    simulated = " (a simulated cluster)" if cluster["simulated"] else ""
    return fields(
        [
            ("Name", clean(cluster["name"])),
            ("Labels", clean(labels)),
            ("Server", clean(cluster["server"])),
            ("Agent", f"{paint(cluster['liveness'])}{f', since {since}' if since else ''}"),
            ("Last seen", ago(cluster["last_seen_at"])),
            ("Agent version", clean(cluster["agent_version"]) + simulated),
            ("Kubernetes", clean(cluster["kubernetes_version"])),
            ("Applications", str(cluster["applications"])),
            ("Added", ago(cluster["created_at"])),
            ("Uid", clean(cluster["uid"])),
        ]
    )
