"""`escadre version`."""

from __future__ import annotations

from typing import Any

import click

from hub import __version__
from hub.cli.command import command as declare
from hub.cli.errors import CliError, NotLoggedIn
from hub.cli.printer import output_option, print_item
from hub.cli.session import Session, pass_session
from hub.cli.text import fields


@declare(
    "version",
    example="""
    escadre version
    escadre version --client
    """,
)
@click.option("--client", is_flag=True, help="Only this program's; ask no hub.")
@output_option("table", "json", "yaml")
@pass_session
def command(session: Session, client: bool, output: str) -> None:
    """Show the versions of escadre and of the hub."""
    value: dict[str, Any] = {"client": __version__}
    problem: CliError | None = None
    if not client:
        try:
            value["hub"] = session.api.get("/version") | {"server": session.context.server}
        except NotLoggedIn as error:
            problem = error if session.contexts.current else None
        except CliError as error:
            problem = error
    print_item(output, value, lambda: fields(_pairs(value)), name=__version__)
    if problem is not None:
        raise problem


def _pairs(value: dict[str, Any]) -> list[tuple[str, str]]:
    hub = value.get("hub")
    told = f"{hub['version']} (API {hub['api']}, {hub['server']})" if hub else ""
    return [("escadre", value["client"]), ("hub", told)]
