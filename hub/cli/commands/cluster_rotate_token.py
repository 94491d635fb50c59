"""`escadre cluster rotate-token`."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.client import named_path
from hub.cli.command import command as declare
from hub.cli.joining import hand_over, handover_of, handover_options, prepared
from hub.cli.printer import output_option
from hub.cli.session import Session, pass_session
from hub.cli.values import CLUSTER


@declare(
    "rotate-token",
    example="""
    escadre cluster rotate-token edge-1 --token-file edge-1.token
    escadre cluster rotate-token edge-1 --context kind-edge-1
    """,
)
@click.argument("name", type=CLUSTER)
@handover_options
@output_option("table", "json", "yaml")
@pass_session
def command(session: Session, /, name: str, output: str, **options: Any) -> None:
    """Make a new join token for cluster NAME; an unused earlier one is worth nothing from then on."""
    handover = handover_of(options)
    with prepared(handover) as target:
        join = session.api.post(named_path("clusters", name, "/rotate-token"))
        hand_over(session, join, handover, target, output)
