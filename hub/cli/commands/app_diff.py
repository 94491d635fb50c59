"""`escadre app diff`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from hub.cli.apps import app_argument
from hub.cli.client import application_path
from hub.cli.command import command as declare
from hub.cli.diffs import check_answers, diff_lines, unanswered
from hub.cli.errors import HubAway, Misuse
from hub.cli.exit import Exit
from hub.cli.operations import some
from hub.cli.packing import pack
from hub.cli.printer import output_option, print_value
from hub.cli.session import DEFAULT_TIMEOUT, Session, pass_session
from hub.cli.sources import revisions_asked, revisions_options
from hub.cli.values import CLUSTER, GIVEN, boolean_option

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
    escadre app diff web --revisions feature-x --source-positions 1 --revisions v2 --source-positions 3
    escadre app diff web --local ./values --source-name values
    """,
)
@app_argument
@click.option("--cluster", type=CLUSTER, metavar="NAME", help="Only this cluster.")
@click.option(
    "--revision",
    type=GIVEN,
    metavar="REVISION",
    help="Against this commit, branch, tag or version range of the source.",
)
@revisions_options("Against this of one of several sources", "REVISION")
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
    "--source-position",
    type=click.IntRange(1, 100),
    metavar="POSITION",
    help="With --local: which of several sources the files stand in for, from 1, as `app get` numbers them.",
)
@click.option("--source-name", metavar="NAME", help="The same by the name that the source has.")
@boolean_option("--exit-code", help="Exit 1 when there is a difference.")
@output_option("table", "json", "yaml")
@pass_session
def command(
    session: Session,
    app: str,
    cluster: str | None,
    revision: str | None,
    revisions: tuple[str, ...],
    source_positions: tuple[tuple[int, ...], ...],
    source_names: tuple[str, ...],
    local: Path | None,
    local_repo_root: Path | None,
    source_position: int | None,
    source_name: str | None,
    exit_code: bool,
    output: str,
) -> int:
    """Show what a sync of APP would change, as its clusters themselves say.

    Prints a unified diff from what is live to what is assigned, with the values of Secrets masked. With --revision the
    hub renders another commit for this, and with --local the files of a directory, which needs the permission to
    override; neither is deployed. Exits 0 when there is no difference, 1 when there is one, 2 when what is
    asked for cannot be told, such as a revision that does not exist, and 3 when a cluster does not answer.

    Both are about the source that is rendered. Where there are several, --revisions says which of them are read at
    which revision, and --source-position or --source-name in the place of which one the files are, also for others that
    use its files; all others are read from Git, at what they say.
    """
    of_sources = revisions_asked(revisions, source_positions, source_names)
    _check(bool(revision or of_sources), local, local_repo_root, source_position is not None or source_name is not None)
    question: dict[str, object] = {"cluster": cluster}
    if local is not None:
        of_source = {"source_position": source_position, "source_name": source_name}
        reply = _against_files(session, app, question | of_source, local, local_repo_root)
    else:
        # Where both are given, the hub says which of them it can do with.
        reply = _against_git(session, app, question, {**({"revision": revision} if revision else {}), **of_sources})
    items: list[Mapping[str, Any]] = reply["items"]
    if output == "table":
        for line in diff_lines(items):
            click.echo(line)
    else:
        print_value(output, reply)
    check_answers(items)
    if silent := unanswered(items):
        raise HubAway(f"no answer from {some(silent)}")
    differs = any(item["resources"] for item in items)
    return Exit.FAILED if differs and exit_code else Exit.OK


def _check(at_revisions: bool, local: Path | None, root: Path | None, names_source: bool) -> None:
    """Raises Misuse for a question that contradicts itself."""
    if at_revisions and local:
        raise Misuse("revisions and --local are two different questions: give one of them")
    if root and not local:
        raise Misuse("--local-repo-root says where the root of --local is: give both")
    if names_source and not local:
        raise Misuse(
            "--source-position and --source-name say which source --local stands in for: give it too, or name the "
            "sources of --revisions with --source-positions or --source-names"
        )


def _against_git(session: Session, app: str, question: Mapping[str, object], revisions: Mapping[str, object]) -> Any:
    path, params = application_path(app, "/diff")
    if not revisions:
        return session.api.get(path, **question, **params)
    # Asked once: what takes so long is not to be done again because nobody waited for it.
    return _patient(session).api.call("GET", path, params={**question, **revisions, **params})


def _against_files(session: Session, app: str, question: Mapping[str, object], local: Path, root: Path | None) -> Any:
    path, params = application_path(app, "/diff")
    content, inside = _packed(local, root)
    return _patient(session).api.call(
        "POST", path, params={**question, "path": inside, **params}, content=content, media_type="application/gzip"
    )


def _patient(session: Session) -> Session:
    """Have requests of a session take as long as a render may, unless something else was asked for."""
    if session.request_timeout == DEFAULT_TIMEOUT:
        session.request_timeout = RENDER_TIMEOUT
    return session


def _packed(local: Path, root: Path | None) -> tuple[bytes, str | None]:
    """Return the files, and where among them the source's path is; None: they are what is in it."""
    if root is None:
        return pack(local), None
    try:
        inside = local.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        raise Misuse(f"{local} is not inside of {root}, which --local-repo-root names") from None
    return pack(root), inside
