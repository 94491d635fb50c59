"""What `app sync`, `app rollback` and `app terminate-op` share: asking, following, and telling how it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import click

from hub.cli.apps import resource_text
from hub.cli.client import application_path
from hub.cli.errors import Failed, Misuse, TimedOut, going_on
from hub.cli.follow import DeadlinePassed, Follower, Picture
from hub.cli.live import Display, Line
from hub.cli.printer import print_value
from hub.cli.progress import Progress, State, Tracker, is_over
from hub.cli.session import Session
from hub.cli.text import bold, clean, fields, paint, plural, table
from hub.cli.values import CLUSTER, DURATION


def operation_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of everything that starts an operation."""
    for option in (
        click.option(
            "--timeout",
            type=DURATION,
            default="0",
            metavar="DURATION",
            help="Give up waiting after this long, exit 4; the operation goes on. 0: never.  [default: 0]",
        ),
        click.option("--async", "no_wait", is_flag=True, help="Do not wait for the outcome."),
        click.option("--dry-run", is_flag=True, help="Only say what the clusters would answer; change nothing."),
        click.option("--prune", is_flag=True, help="Delete what is on the clusters but no longer in Git."),
        cluster_option,
    ):
        function = option(function)
    return function


def cluster_option(function: Callable[..., Any]) -> Callable[..., Any]:
    help = "Only this cluster; give it again for more."
    return click.option("--cluster", "clusters", type=CLUSTER, multiple=True, metavar="NAME", help=help)(function)


def run_operation(
    session: Session, app: str, verb: str, body: Mapping[str, Any], *, no_wait: bool, timeout: float, output: str
) -> None:
    """Ask for an operation and see it through. Raises Failed, TimedOut, CliError."""
    if no_wait and timeout:
        raise Misuse("--timeout says how long to wait, and --async not to: leave one of them out")
    path, params = application_path(app)
    before = session.api.get(path, **params)
    reply = session.api.post(f"{path}/{verb}", body, **params)
    id = reply["operation_id"]
    if no_wait:
        if output == "table":
            click.echo(f"{app}: {verb} was asked for, operation {id}.")
        else:
            print_value(output, reply)
        return
    # A hub that is older does not say when.
    at = reply.get("requested_at", "")
    tracker = Tracker(id, list(body.get("clusters", ())), before["clusters"], at)
    goes_on = (
        f"the {verb} of {app} goes on at its clusters. `escadre app wait {app}` waits for it, `escadre app get {app}` "
        f"shows it, `escadre app terminate-op {app}` ends it"
    )
    with going_on(goes_on):
        found = _followed(session, app, verb, tracker, timeout)
    if output == "table":
        _tell(app, verb, found)
    else:
        print_value(output, _value(reply, found))
    _conclude(app, verb, found)


def _followed(session: Session, app: str, verb: str, tracker: Tracker, timeout: float) -> list[Progress]:
    follower = Follower(session.api, app, timeout=timeout, request_timeout=session.request_timeout)
    with Display(f"{verb} of {app}") as display:

        def judge(picture: Picture) -> list[Progress] | None:
            if picture.deleted:
                raise Failed(f"application {app} was deleted meanwhile")
            found = tracker.look(picture.rows.values())
            display.update([_line(progress) for progress in found])
            if is_over(found):
                return found
            if not found and (reason := picture.failure_of(tracker.operation)):
                raise Failed(f"{verb} of {app} failed: {reason}")
            return None

        try:
            return follower.until(judge)
        except DeadlinePassed as passed:
            waiting = [p.cluster for p in tracker.look(passed.picture.rows.values()) if not p.state.is_over]
            where = f"on {some(waiting)}; it goes on there" if waiting else "and has not begun on any cluster"
            errors = "".join(f". {error}" for error in passed.picture.errors)
            raise TimedOut(f"{verb} of {app} has not ended within {timeout:g} s {where}{errors}") from None


def _line(progress: Progress) -> Line:
    return Line(progress.cluster, progress.state, progress.text, progress.state.is_over)


def _tell(app: str, verb: str, found: Sequence[Progress]) -> None:
    for line in outcome_lines(found):
        click.echo(line)
    done = sum(progress.state is State.SUCCEEDED for progress in found)
    what = f"the dry run of a {verb}" if any(_is_dry(progress) for progress in found) else verb
    click.echo(f"{app}: {what} succeeded on {done} of {plural(len(found), 'cluster')}.")


def outcome_lines(found: Sequence[Progress]) -> list[str]:
    """Return how it ended everywhere, and each resource that did not go well, or that was changed in any way."""
    rows = [
        (
            progress.cluster,
            str(progress.state),
            (progress.operation or {}).get("revision", ""),
            progress.text,
        )
        for progress in found
    ]
    lines = table(("CLUSTER", "OUTCOME", "REVISION", "MESSAGE"), rows)
    for progress in found:
        results = [result for result in (progress.operation or {}).get("results", ()) if _is_telling(result, progress)]
        if results:
            cells = [
                (_place(r), resource_text(r), r["state"] if r["hook"] else r["status"], r["message"]) for r in results
            ]
            heads = ("PHASE", "RESOURCE", "STATUS", "MESSAGE")
            lines += ["", bold(f"{progress.cluster}:"), *table(heads, cells, indent="  ")]
            for result in results:
                lines += [f"    | {clean(line)}" for line in result["output"].splitlines()]
        elif _is_dry(progress) and progress.state is State.SUCCEEDED and "would be" not in progress.text:
            lines += ["", f"{bold(f'{progress.cluster}:')} nothing would change"]
    return lines


def _is_dry(progress: Progress) -> bool:
    return bool((progress.operation or {}).get("dry_run"))


def _is_telling(result: Mapping[str, Any], progress: Progress) -> bool:
    return _is_dry(progress) or result["hook"] or result["state"] == "Failed" or result["status"] != "Synced"


def _place(result: Mapping[str, Any]) -> str:
    """Name when something was done: "PreSync hook", "Sync, wave 2"."""
    wave = f", wave {result['wave']}" if result["wave"] else ""
    return f"{result['sync_phase']}{' hook' if result['hook'] else ''}{wave}"


def _value(reply: Mapping[str, Any], found: Sequence[Progress]) -> dict[str, Any]:
    clusters = [
        {"cluster": p.cluster, "state": str(p.state), "message": p.text, "operation": p.operation} for p in found
    ]
    return {**reply, "clusters": clusters}


def _conclude(app: str, verb: str, found: Sequence[Progress]) -> None:
    """Raises Failed unless it went well wherever it could."""
    bad = [p.cluster for p in found if p.state in (State.FAILED, State.REPLACED)]
    if bad:
        raise Failed(f"{verb} of {app} failed on {some(bad)}")
    away = [p.cluster for p in found if p.state is State.AWAY]
    if len(away) == len(found):
        raise Failed(f"no cluster of {app} is connected: it is done once they are back")
    if away:
        click.echo(f"warning: not connected, and done once they are back: {some(away)}", err=True)


def some(names: Iterable[str]) -> str:
    """Return up to five names, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
    return ", ".join(listed[:5]) + more


def summary_lines(picture: Picture) -> list[str]:
    summary = picture.summary
    return fields(
        [
            ("Sync", paint(summary["sync"])),
            ("Health", paint(summary["health"])),
            ("Revision", summary["revision"]),
        ]
    )
