"""`escadre app diff`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from hub.cli.apps import app_argument
from hub.cli.client import application_path
from hub.cli.command import command as declare
from hub.cli.diffs import diff_lines, unanswered
from hub.cli.errors import HubAway, Misuse
from hub.cli.exit import Exit
from hub.cli.operations import some
from hub.cli.packing import pack
from hub.cli.printer import output_option, print_value
from hub.cli.session import DEFAULT_TIMEOUT, Session, pass_session
from hub.cli.values import CLUSTER

RENDER_TIMEOUT = 180.0
"""Seconds a request may take for which the hub fetches and renders, unless `--request-timeout` says otherwise."""
_DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path)


@declare(
    "diff",
    example="""
    escadre app diff web
    escadre app diff web --cluster edge-1
    escadre app diff web --revision feature-x
    escadre app diff web --local ./deploy/web --exit-code=false > changes.diff
    escadre app diff web --local ./deploy/overlays/prod --local-repo-root .
    """,
)
@app_argument
@click.option("--cluster", type=CLUSTER, metavar="NAME", help="Only this cluster.")
@click.option("--revision", metavar="REVISION", help="Against this commit, branch, tag or version range of the source.")
@click.option(
    "--local", type=_DIRECTORY, metavar="DIRECTORY", help="Against these files, in place of the source's path."
)
@click.option(
    "--local-repo-root",
    type=_DIRECTORY,
    metavar="DIRECTORY",
    help="With --local: what the repository's root is, where files outside of DIRECTORY are read too.",
)
@click.option(
    "--exit-code",
    type=bool,
    default=True,
    show_default=True,
    metavar="BOOLEAN",
    help="Exit 1 when there is a difference.",
)
@output_option("table", "json", "yaml")
@pass_session
def command(
    session: Session,
    app: str,
    cluster: str | None,
    revision: str | None,
    local: Path | None,
    local_repo_root: Path | None,
    exit_code: bool,
    output: str,
) -> int:
    """Show what a sync of APP would change, as its clusters themselves say.

    Prints a unified diff from what is live to what is assigned, with the values of Secrets masked. With --revision the
    hub renders another commit for this, and with --local the files of a directory, which needs the permission to
    override; neither is deployed. Exits 0 when there is no difference, 1 when there is one, and 2 or more when a
    cluster has no answer.
    """
    if revision and local:
        raise Misuse("--revision and --local are two different questions: give one of them")
    if local_repo_root and not local:
        raise Misuse("--local-repo-root says where the root of --local is: give both")
    if (revision or local) and session.request_timeout == DEFAULT_TIMEOUT:
        session.request_timeout = RENDER_TIMEOUT
    reply = _asked(session, app, cluster, revision, local, local_repo_root)
    items: list[Mapping[str, Any]] = reply["items"]
    if output == "table":
        for line in diff_lines(items):
            click.echo(line)
    else:
        print_value(output, reply)
    if silent := unanswered(items):
        raise HubAway(f"no answer from {some(silent)}")
    differs = any(item["resources"] for item in items)
    return Exit.FAILED if differs and exit_code else Exit.OK


def _asked(
    session: Session, app: str, cluster: str | None, revision: str | None, local: Path | None, root: Path | None
) -> Any:
    path, params = application_path(app, "/diff")
    if local is not None:
        content, inside = _packed(local, root)
        return session.api.call(
            "POST",
            path,
            params={"cluster": cluster, "path": inside, **params},
            content=content,
            media_type="application/gzip",
        )
    if revision:
        # Asked once: what takes so long is not to be done again because nobody waited for it.
        return session.api.call("GET", path, params={"cluster": cluster, "revision": revision, **params})
    return session.api.get(path, cluster=cluster, **params)


def _packed(local: Path, root: Path | None) -> tuple[bytes, str | None]:
    """Return the files, and where among them the source's path is; None: they are what is in it."""
    if root is None:
        return pack(local), None
    try:
        inside = local.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        raise Misuse(f"{local} is not inside of {root}, which --local-repo-root names") from None
    return pack(root), inside
