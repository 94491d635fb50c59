"""`escadre app create`."""

from __future__ import annotations

from typing import Any

import click

from hub.cli.command import command as declare
from hub.cli.flags import flag_options, flags_body, tell_stored
from hub.cli.printer import output_option
from hub.cli.session import Session, pass_session
from hub.cli.values import APPLICATION


@declare(
    "create",
    example="""
    escadre app create web --repo https://git.example.com/shop.git --path web --dest-name edge-1
    escadre app create web --repo https://git.example.com/shop.git --path web \\
      --dest-selector region=eu --dest-namespace web --sync-policy auto --auto-prune --self-heal
    escadre app create db --repo https://git.example.com/shop.git --path charts/db \\
      --dest-server https://kubernetes.default.svc --helm-set replicas=3
    """,
)
@click.argument("app", type=APPLICATION, metavar="APP")
@flag_options
@click.option("--upsert", is_flag=True, help="Change the application where it exists already and is another.")
@output_option("table", "json", "yaml", "name")
@pass_session
def command(session: Session, /, app: str, upsert: bool, output: str, **flags: Any) -> None:
    """Create application APP, from one source, for the clusters that the destinations name.

    More than one source, overrides for single clusters, and everything else stand in a file: see `escadre apply`.
    """
    namespace, slash, name = app.rpartition("/")
    body = {"name": name, **({"namespace": namespace} if slash else {}), **flags_body(flags)}
    tell_stored(session.api.post("/applications", body, upsert=upsert or None), output)
