"""`escadre project windows enable-sync-overrun`."""

from __future__ import annotations

from hub.cli.command import command as declare
from hub.cli.session import Session, pass_session
from hub.cli.windows import change_window, id_argument, project_argument, window_output


@declare("enable-sync-overrun", example="escadre project windows enable-sync-overrun shop 0")
@project_argument
@id_argument
@window_output
@pass_session
def command(session: Session, name: str, id: int, output: str) -> None:
    """Let a sync go on that was allowed when it began, once window ID of PROJECT closes, or begins to deny."""
    change_window(session, name, id, {"sync_overrun": True}, output)
