"""`escadre project windows delete`."""

from __future__ import annotations

from hub.cli.client import named_path
from hub.cli.command import command as declare
from hub.cli.confirm import confirm, yes_option
from hub.cli.session import Session, pass_session
from hub.cli.text import clean
from hub.cli.windows import id_argument, project_argument, tell_windows, window_output


def _words(session: Session, name: str, id: int) -> str:
    """Return a window in words; "" where there is none, which the hub says."""
    windows = session.api.items(named_path("projects", name, "/windows"))
    found = next((item for item in windows if item["id"] == id), None)
    return clean(f" ({found['kind']}, {found['schedule']}, {found['duration']})") if found else ""


@declare("delete", example="escadre project windows delete shop 0 -y")
@project_argument
@id_argument
@yes_option
@window_output
@pass_session
def command(session: Session, name: str, id: int, yes: bool, output: str) -> None:
    """Delete window ID of PROJECT. The windows behind it move up, and what they are called changes."""
    # Which one the number means is told: it may have moved since it was looked up.
    confirm(lambda: f"Delete window {id} of project {name}{_words(session, name, id)}?", yes=yes)
    reply = session.api.delete(named_path("projects", name, f"/windows/{id}"))
    tell_windows(reply, output, f"window {id} deleted")
