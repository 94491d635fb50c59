"""The program escadre: its commands, and where each of them is."""

from __future__ import annotations

from hub.cli.begun import BEGAN

# isort: split
import contextlib
import os
import sys
from pathlib import Path

import click

from hub import __version__
from hub.cli.command import SETTINGS, Program, global_options
from hub.cli.loading import end as end_of_loading
from hub.cli.session import Session
from hub.cli.standard import closed_input

end_of_loading(BEGAN)

_C = "hub.cli.commands."

ENTRIES = {
    "login": (_C + "login", "Log in to a hub."),
    "logout": (_C + "logout", "End the session, here and at the hub."),
    "context": (_C + "context", "Choose between the hubs you are logged in to."),
    "version": (_C + "version", "Show the versions of escadre and of the hub."),
    "account": (_C + "account", "Your account."),
    "apply": (_C + "apply", "Create or change applications, projects and settings."),
    "app": (_C + "app", "Applications."),
    "cluster": (_C + "cluster", "Clusters and their agents."),
    "project": (_C + "project", "Projects (AppProjects). Also: proj."),
    "repo": (_C + "repo", "Repositories, and who the hub is there."),
    "repocreds": (_C + "repocreds", "Credentials for every repository whose URL begins so."),
    "cert": (_C + "cert", "SSH host keys and TLS certificates of repositories."),
    "settings": (_C + "settings", "System-wide settings (argocd-cm)."),
    "events": (_C + "events", "What happened in the fleet."),
    "admin": (_C + "admin", "Try out decisions on files, without a hub."),
}


@click.pass_context
def _start(ctx: click.Context) -> None:
    ctx.ensure_object(Session)


cli = Program(
    "escadre",
    ENTRIES,
    aliases={"proj": "project", "repos": "repo", "certs": "cert", "applications": "app", "clusters": "cluster"},
    help="GitOps for a fleet: applications from Git on many Kubernetes clusters.",
    epilog="Exit codes: 0 done, 1 failed or different, 2 wrong usage or refused, 3 no hub or no session, 4 timed out.",
    params=[
        *global_options(),
        click.Option(
            ["--version"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=lambda ctx, _, value: _show_version(ctx) if value else None,
            help="Show the version and exit.",
        ),
    ],
    callback=_start,
    context_settings=SETTINGS,
)


def _show_version(ctx: click.Context) -> None:
    click.echo(f"escadre {__version__}")
    ctx.exit()


def main() -> None:
    """Run the program; exits as `hub.cli.exit` says."""
    # Closed by whoever started it, who wants no output.
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - as long as the program runs
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    if sys.stdin is None:
        sys.stdin = closed_input()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    cli.main(args=sys.argv[1:])


if __name__ == "__main__":
    main()
