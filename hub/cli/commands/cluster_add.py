"""`escadre cluster add`."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.command import command as declare
from hub.cli.joining import hand_over, handover_of, handover_options, labels_of, prepared
from hub.cli.printer import output_option
from hub.cli.session import Session, pass_session
from hub.cli.values import CLUSTER


@declare(
    "add",
    example="""
    escadre cluster add edge-1 --label region=eu --label tier=edge
    escadre cluster add edge-1 --token-file edge-1.token -o json
    escadre cluster add edge-1 --context kind-edge-1 --label region=eu
    """,
)
@click.argument("name", type=CLUSTER)
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="A label; give it again for more.")
@click.option("--server", metavar="URL", help="The address applications may name the cluster by.")
@handover_options
@output_option("table", "json", "yaml")
@pass_session
def command(
    session: Session, /, name: str, labels: tuple[str, ...], server: str | None, output: str, **options: Any
) -> None:
    """Add cluster NAME, and print the command that starts its agent.

    With --context, the agent is installed right into the cluster of that kube context: a namespace, a service account
    and what it may do, the join token as a Secret, a volume and a Deployment.
    """
    handover = handover_of(options)
    body = {"name": name, "labels": labels_of(labels), "server": server or ""}
    with prepared(handover) as target:
        hand_over(session, session.api.post("/clusters", body), handover, target, output)
