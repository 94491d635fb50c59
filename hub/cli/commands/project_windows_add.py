"""`escadre project windows add`."""

from __future__ import annotations

from typing import Any

from hub.cli.client import named_path
from hub.cli.command import command as declare
from hub.cli.errors import Misuse
from hub.cli.session import Session, pass_session
from hub.cli.windows import project_argument, tell_windows, window_body, window_options, window_output


@declare(
    "add",
    example="""
    escadre project windows add shop --kind allow --schedule "0 22 * * *" --duration 1h --applications "*"
    escadre project windows add shop -k deny --schedule "0 8 * * 5" --duration 64h --time-zone Europe/Berlin --clusters "eu-*" --manual-sync
    """,  # noqa: E501 - a command line is one line
)
@project_argument
@window_options
@window_output
@pass_session
def command(session: Session, /, name: str, output: str, **flags: Any) -> None:
    """Add a sync window to PROJECT. It needs a kind, a schedule, a duration, and what it is for."""
    body = window_body(flags)
    missing = [f"--{key}" for key in ("kind", "schedule", "duration") if not body.get(key)]
    if missing:
        raise Misuse(f"{', '.join(missing)} must be given")
    if not any(body.get(key) for key in ("applications", "namespaces", "clusters")):
        raise Misuse('it would be for nothing: give --applications, --namespaces or --clusters ("*" for all)')
    reply = session.api.post(named_path("projects", name, "/windows"), body)
    tell_windows(reply, output, f"window {len(reply['items']) - 1}")
