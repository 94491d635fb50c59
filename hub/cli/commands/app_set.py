"""`escadre app set`."""

from __future__ import annotations

from typing import Any

from hub.cli.apps import app_argument
from hub.cli.client import application_path
from hub.cli.command import command as declare
from hub.cli.errors import Misuse
from hub.cli.flags import flag_options, flags_body, tell_stored
from hub.cli.printer import output_option
from hub.cli.session import Session, pass_session


@declare(
    "set",
    example="""
    escadre app set web --revision v1.4.0
    escadre app set web --sync-policy manual
    escadre app set web --helm-set image.tag=1.4.0 --sync-option PruneLast=true --label team=checkout
    """,
)
@app_argument
@flag_options
@output_option("table", "json", "yaml", "name")
@pass_session
def command(session: Session, /, app: str, output: str, **flags: Any) -> None:
    """Change what the options name of application APP, and leave the rest as it is."""
    body = flags_body(flags)
    if not body:
        raise Misuse("nothing is to be changed: give at least one option, see `escadre app set --help`")
    path, params = application_path(app, "/flags")
    tell_stored(session.api.patch(path, body, **params), output)
