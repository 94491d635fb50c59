"""`escadre project windows disable-sync-overrun`."""

from __future__ import annotations

from hub.cli.command import command as declare
from hub.cli.session import Session, pass_session
from hub.cli.windows import change_window, id_argument, project_argument, window_output


@declare("disable-sync-overrun", example="escadre project windows disable-sync-overrun shop 0")
@project_argument
@id_argument
@window_output
@pass_session
def command(session: Session, name: str, id: int, output: str) -> None:
    """Hold a sync that runs when window ID of PROJECT closes, or begins to deny."""
    change_window(session, name, id, {"sync_overrun": False}, output)
