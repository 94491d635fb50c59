"""`escadre project windows disable-manual-sync`."""

from __future__ import annotations

from hub.cli.command import command as declare
from hub.cli.session import Session, pass_session
from hub.cli.windows import change_window, id_argument, project_argument, window_output


@declare("disable-manual-sync", example="escadre project windows disable-manual-sync shop 0")
@project_argument
@id_argument
@window_output
@pass_session
def command(session: Session, name: str, id: int, output: str) -> None:
    """Have window ID of PROJECT hold back what somebody asks for, too."""
    change_window(session, name, id, {"manual_sync": False}, output)
