"""`escadre project windows update`."""

from __future__ import annotations

from typing import Any

from hub.cli.command import command as declare
from hub.cli.errors import Misuse
from hub.cli.session import Session, pass_session
from hub.cli.windows import (
    change_window,
    id_argument,
    project_argument,
    window_body,
    window_options,
    window_output,
)


@declare(
    "update",
    example="""
    escadre project windows update shop 0 --duration 2h
    escadre project windows update shop 0 --namespaces web,jobs --description ""
    """,
)
@project_argument
@id_argument
@window_options
@window_output
@pass_session
def command(session: Session, /, name: str, id: int, output: str, **flags: Any) -> None:
    """Change window ID of PROJECT. What is given replaces what there is, and "" takes it away."""
    body = window_body(flags)
    if not body:
        raise Misuse("nothing is to be changed: give at least one option, see `escadre project windows update --help`")
    change_window(session, name, id, body, output)
