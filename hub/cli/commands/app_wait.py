"""`escadre app wait`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from hub.cli.apps import app_argument
from hub.cli.client import application_path, named_path
from hub.cli.command import command as declare
from hub.cli.errors import Failed, Misuse, TimedOut, interruptible
from hub.cli.follow import DeadlinePassed, Follower, Picture
from hub.cli.live import Display, Line
from hub.cli.operations import cluster_option, some
from hub.cli.printer import output_option, print_value
from hub.cli.progress import Wanted, lacking
from hub.cli.session import Session, pass_session
from hub.cli.values import DURATION

GRACE_SECONDS = 8.0
"""So long the hub is given to look at what it could not compare again, before that is taken to be the answer."""

_NOWHERE = "it is on no cluster"
_NOT_HERE = "the application is not on this cluster"


@declare(
    "wait",
    example="""
    escadre app wait web --timeout 5m
    escadre app wait web --sync --cluster edge-1
    escadre app wait web --delete
    """,
)
@app_argument
@click.option("--sync", is_flag=True, help="Wait until it is Synced.")
@click.option("--health", is_flag=True, help="Wait until it is Healthy.")
@click.option("--operation", is_flag=True, help="Wait until no operation is under way.")
@click.option("--delete", "deletion", is_flag=True, help="Wait until it is gone.")
@cluster_option
@click.option(
    "--timeout",
    type=DURATION,
    default="0",
    metavar="DURATION",
    help="Give up after this long, exit 4. 0: never.  [default: 0]",
)
@output_option("table", "json", "yaml")
@pass_session
def command(
    session: Session,
    app: str,
    sync: bool,
    health: bool,
    operation: bool,
    deletion: bool,
    clusters: tuple[str, ...],
    timeout: float,
    output: str,
) -> None:
    """Wait until APP is as wanted on all its clusters.

    Without --sync, --health or --operation, all three are waited for. A change of the application, or a cluster that is
    not connected, is waited for as well. While the hub cannot find out what is to be, because of a revision that cannot
    be rendered for one (a ComparisonError), APP does not count as synced, and the wait for that ends with exit 1.
    """
    if deletion:
        if sync or health or operation or clusters:
            raise Misuse(
                "--delete waits for the end of all of it: leave --sync, --health, --operation and --cluster out"
            )
        wait_deleted(session, app, timeout, tell=output == "table")
        if output != "table":
            print_value(output, {"application": app, "deleted": True})
        return
    _check_clusters(session, app, clusters)
    everything = not (sync or health or operation)
    wanted = Wanted(sync or everything, health or everything, operation or everything)
    with interruptible(f"{app} is not ready yet. What is under way there goes on: see `escadre app get {app}`"):
        picture = _wait(session, app, wanted, frozenset(clusters), timeout)
    if output == "table":
        click.echo(f"{app} is ready on {some(_names(picture, frozenset(clusters)))}.")
    else:
        print_value(output, picture.detail)


def _check_clusters(session: Session, app: str, clusters: Sequence[str]) -> None:
    """A cluster that the application is not on may be one that it is to come to: it has to be there at least, or a name
    that was mistyped is waited for for ever. Raises CliError."""
    if clusters:
        path, params = application_path(app)
        there = {row["cluster"] for row in session.api.get(path, **params)["clusters"]}
        for name in dict.fromkeys(clusters):
            if name not in there:
                session.api.get(named_path("clusters", name))


def wait_deleted(session: Session, app: str, timeout: float, *, tell: bool = True) -> None:
    """Return once the application is gone. Raises TimedOut, CliError."""
    follower = Follower(session.api, app, timeout=timeout, request_timeout=session.request_timeout, may_be_gone=True)
    not_gone = f"{app} is not gone yet. A deletion goes on: `escadre app wait {app} --delete` waits for it"
    with interruptible(not_gone), Display(f"deletion of {app}") as display:

        def judge(picture: Picture) -> bool | None:
            rows = picture.rows.values()
            lines = [Line(row["cluster"], "Waiting", lacking(row, Wanted(False, False, True))) for row in rows]
            display.update(lines if not picture.deleted else [])
            return True if picture.deleted else None

        try:
            follower.until(judge)
        except DeadlinePassed as passed:
            where = some(sorted(passed.picture.rows))
            raise TimedOut(f"{app} is not gone within {timeout:g} s: it is still on {where or 'the hub'}") from None
    if tell:
        click.echo(f"{app} is gone.")


def _wait(session: Session, app: str, wanted: Wanted, clusters: frozenset[str], timeout: float) -> Picture:
    follower = Follower(session.api, app, timeout=timeout, request_timeout=session.request_timeout)
    with Display(f"waiting for {app}") as display:

        def judge(picture: Picture) -> Picture | None:
            if picture.deleted:
                raise Failed(f"application {app} was deleted meanwhile")
            lines = _lines(picture, wanted, clusters)
            # An error means that what the clusters are is not what Git says, however fine they are.
            errors = picture.errors if wanted.sync else []
            display.update(lines, "; ".join(errors) or ("" if lines or not picture.is_settled else _NOWHERE))
            if wanted.sync and picture.is_settled and picture.seconds > GRACE_SECONDS and picture.comparison_errors:
                raise Failed(_incomparable(app, picture.comparison_errors))
            if not picture.is_settled and picture.seconds > GRACE_SECONDS and picture.left_alone:
                raise Failed(f"{app} is not looked at, so its newest change stays undone: {picture.left_alone[0]}")
            is_ready = bool(lines) and not errors and picture.is_settled and all(line.is_over for line in lines)
            return picture if is_ready else None

        try:
            return follower.until(judge)
        except DeadlinePassed as passed:
            raise TimedOut(_lateness(app, _lines(passed.picture, wanted, clusters), passed.picture, timeout)) from None


def _incomparable(app: str, errors: Sequence[str]) -> str:
    return (
        f"{app} cannot be synced: {'; '.join(errors).rstrip('.')}. What is deployed stays as it is: see `escadre app "
        f"get {app}`. Once the reason is mended, `escadre app refresh {app}` has the hub look again"
    )


def _names(picture: Picture, clusters: frozenset[str]) -> list[str]:
    return sorted(clusters or picture.rows)


def _lines(picture: Picture, wanted: Wanted, clusters: frozenset[str]) -> list[Line]:
    lines = []
    for name in _names(picture, clusters):
        row = picture.rows.get(name)
        lack = lacking(row, wanted) if row is not None else _NOT_HERE
        lines.append(Line(name, "not yet" if lack else "ready", lack, not lack))
    return lines


def _lateness(app: str, lines: list[Line], picture: Picture, timeout: float) -> str:
    late = [f"{line.subject} ({line.text})" for line in lines if not line.is_over]
    if picture.errors:
        reason = "; ".join(picture.errors)
    elif late:
        reason = some(late)
    else:
        reason = "the hub has not assigned its newest change" if lines else _NOWHERE
    return f"{app} is not ready within {timeout:g} s: {reason}"
