"""`escadre project windows delete`."""

from __future__ import annotations

from hub.cli.client import named_path
from hub.cli.command import command as declare
from hub.cli.confirm import confirm, yes_option
from hub.cli.session import Session, pass_session
from hub.cli.windows import id_argument, project_argument, tell_windows, window_output


@declare("delete", example="escadre project windows delete shop 0 -y")
@project_argument
@id_argument
@yes_option
@window_output
@pass_session
def command(session: Session, name: str, id: int, yes: bool, output: str) -> None:
    """Delete window ID of PROJECT. The windows behind it move up, and what they are called changes."""
    confirm(f"Delete window {id} of project {name}?", yes=yes)
    reply = session.api.delete(named_path("projects", name, f"/windows/{id}"))
    tell_windows(reply, output, f"window {id} deleted")
