"""`escadre app sync`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import click

from hub.cli.apps import app_argument
from hub.cli.command import command as declare
from hub.cli.errors import Misuse
from hub.cli.operations import operation_options, run_operation
from hub.cli.printer import output_option
from hub.cli.session import Session, pass_session
from hub.cli.sources import revisions_asked, revisions_options
from hub.cli.values import GIVEN, Duration


class Factor(click.FloatRange):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        factor: float = super().convert(value, param, ctx)
        if math.isnan(factor):
            self.fail(f"{value!r} is not a number", param, ctx)
        return factor


# As much as the hub takes.
FACTOR = Factor(1, 1000)
PAUSE = Duration(most=24 * 3600.0)


def _agreeing(options: Sequence[str]) -> list[str]:
    """Raises Misuse for options that contradict one another."""
    given: dict[str, str] = {}
    for option in options:
        name = option.partition("=")[0]
        if given.setdefault(name, option) != option:
            raise Misuse(f"{given[name]} and {option} contradict one another: leave one of them out")
    return list(options)


@declare(
    "sync",
    example="""
    escadre app sync web
    escadre app sync web --cluster edge-1 --cluster edge-2 --prune --timeout 5m
    escadre app sync web --revision v1.4.2
    escadre app sync web --revisions v1.4.2 --source-positions 1 --revisions 0.0.2 --source-positions 2
    escadre app sync web --revisions v1.4.2 --source-names chart
    escadre app sync web --resource apps:Deployment:web/frontend --dry-run
    """,
)
@app_argument
@operation_options
@click.option("--force", is_flag=True, help="Where an object cannot be changed, delete and create it.")
@click.option(
    "--resource",
    "resources",
    multiple=True,
    metavar="GROUP:KIND:[NAMESPACE/]NAME",
    help="Only this resource, without hooks and history; give it again for more.",
)
@click.option(
    "--revision",
    type=GIVEN,
    metavar="REVISION",
    help="Sync to this commit, branch, tag or version range, this once.",
)
@revisions_options("Sync one of several sources to this, this once", "REVISION")
@click.option("--replace", is_flag=True, help="Replace objects instead of applying: as the sync option Replace=true.")
@click.option(
    "--retry-limit",
    type=click.IntRange(-1, 2**31 - 1),
    metavar="NUMBER",
    help="Try it again so often; -1: until it succeeds.",
)
@click.option("--retry-backoff-duration", type=PAUSE, metavar="DURATION", help="The first pause.  [default: 5s]")
@click.option("--retry-backoff-factor", type=FACTOR, metavar="NUMBER", help="Each is so much longer.  [default: 2]")
@click.option("--retry-backoff-max-duration", type=PAUSE, metavar="DURATION", help="The longest.  [default: 3m]")
@click.option("--retry-refresh", is_flag=True, help="Try again with the newest revision, not the one it began with.")
@click.option("--sync-option", "sync_options", multiple=True, metavar="NAME=VALUE", help="One more, for this sync.")
@output_option("table", "json", "yaml")
@pass_session
def command(
    session: Session,
    app: str,
    clusters: tuple[str, ...],
    prune: bool,
    dry_run: bool,
    no_wait: bool,
    timeout: float,
    force: bool,
    resources: tuple[str, ...],
    revision: str | None,
    revisions: tuple[str, ...],
    source_positions: tuple[tuple[int, ...], ...],
    source_names: tuple[str, ...],
    replace: bool,
    retry_limit: int | None,
    retry_backoff_duration: float | None,
    retry_backoff_factor: float | None,
    retry_backoff_max_duration: float | None,
    retry_refresh: bool,
    sync_options: tuple[str, ...],
    output: str,
) -> None:
    """Bring the clusters of APP to what Git says, and wait until they are.

    A cluster that is not connected is not waited for: it does it once it is back. Where the hub cannot assign it,
    because of a revision that does not exist for one, it has failed, and does not begin later.

    With --revision an application that is synced automatically is refused: it would go back at once. With --dry-run
    the clusters say what would become of each resource that is not as it should be, and of each hook, and nothing is
    changed.

    A revision is of the source that is rendered. Where there are several, --revisions says which of them go to which,
    and the others stay at what they say.
    """
    retry = {
        "duration": retry_backoff_duration,
        "factor": retry_backoff_factor,
        "max_duration": retry_backoff_max_duration,
        "refresh": retry_refresh or None,
    }
    retry = {name: value for name, value in retry.items() if value is not None}
    if retry and not retry_limit:
        raise Misuse("how to try again was given, and not how often: give --retry-limit")
    body = {
        "clusters": list(clusters),
        "prune": prune,
        "dry_run": dry_run,
        "force": force,
        "resources": list(resources),
        # A hub that is older takes the rest.
        **({"revision": revision} if revision else {}),
        **revisions_asked(revisions, source_positions, source_names),
        **({"retry": {"limit": retry_limit, **retry}} if retry_limit else {}),
        "sync_options": _agreeing([*(["Replace=true"] if replace else []), *sync_options]),
    }
    run_operation(session, app, "sync", body, no_wait=no_wait, timeout=timeout, output=output)
