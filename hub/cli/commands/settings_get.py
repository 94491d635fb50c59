"""`escadre settings get`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.cli.command import command as declare
from hub.cli.printer import output_option, print_lines, print_value
from hub.cli.session import Session, pass_session
from hub.cli.text import ago, clean, fields
from hub.domain.settings import SystemSettings
from hub.formats.settings import dump_settings


@declare(
    "get",
    example="""
    escadre settings get
    escadre settings get -o yaml
    """,
)
@output_option("table", "yaml", "json")
@pass_session
def command(session: Session, output: str) -> None:
    """Show the system-wide settings, by their keys.

    JSON and YAML are the whole ConfigMap argocd-cm, for `escadre apply`.
    """
    found = session.api.get("/settings")
    if output == "table":
        print_lines(lines(found))
    else:
        print_value(output, dump_settings(SystemSettings(found["data"])))


def lines(found: Mapping[str, Any]) -> list[str]:
    by = f" by {clean(found['changed_by'])}" if found["changed_by"] else ""
    since = f"{ago(found['changed_at'])}{by}" if found["changed_at"] else "never"
    keys = [("Setting", clean(key)) for key in sorted(found["data"])]
    return fields([("Changed", since), *(keys or [("Setting", "none: everything is as it is by default")])])
