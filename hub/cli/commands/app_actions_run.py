"""`escadre app actions run`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from hub.cli.actions import Item, Selection, place_text, read_actions, selection_options
from hub.cli.apps import app_argument, resource_text
from hub.cli.client import application_path
from hub.cli.command import command as declare
from hub.cli.errors import Failed, HubAway, Misuse, Refused
from hub.cli.operations import some
from hub.cli.printer import output_option, print_value
from hub.cli.session import DEFAULT_TIMEOUT, Session, pass_session
from hub.cli.text import clean, paint, plural

RUN_TIMEOUT = 60.0
"""Seconds one run may take, unless `--request-timeout` says otherwise: the hub may have to ask the cluster twice."""
_DONE = {"create": "created", "patch": "patched"}


def _action(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if not value.strip() or "/" in value or not value.isprintable() or len(value) > 128:
        raise click.BadParameter(f"{value[:70]!r} is no action's name: `escadre app actions list` has them")
    return value


@declare(
    "run",
    example="""
    escadre app actions run web restart --kind Deployment --resource-name frontend
    escadre app actions run web scale --kind Deployment --resource-name frontend --param scale=5
    escadre app actions run web suspend --kind CronJob --cluster edge-1 --all
    """,
)
@app_argument
@click.argument("action", metavar="ACTION", callback=_action)
@selection_options(needs_kind=True)
@click.option("--all", "run_all", is_flag=True, help="Run it on every object that is selected, not only on one.")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="A parameter of the action.")
@output_option("table", "json", "yaml")
@pass_session
def command(
    session: Session,
    app: str,
    action: str,
    kind: str,
    group: str | None,
    resource_name: str | None,
    namespace: str | None,
    cluster: str | None,
    run_all: bool,
    params: tuple[str, ...],
    output: str,
) -> None:
    """Run ACTION on an object of APP, which its options select, or with --all on every one that they select.

    Everything is tried once. Where it is not known whether it was done, look at the object before you run it again.
    """
    given = _parameters(params)
    selection = Selection(group, kind, resource_name, namespace, cluster)
    if session.request_timeout == DEFAULT_TIMEOUT:
        session.request_timeout = RUN_TIMEOUT
    clusters = read_actions(session, app, selection)
    chosen = _chosen(app, clusters, selection, run_all=run_all)
    away = [item for item in clusters if item["error"]]
    outcomes = [_outcome(item["cluster"], None, item["error"]["message"]) for item in away]
    try:
        for where, resource in chosen:
            outcomes.append(_tried(session, app, action, where, resource, given))
            if output == "table":
                click.echo(_line(outcomes[-1]))
    finally:
        # What was done was done, whatever ends the rest.
        if output != "table":
            print_value(output, {"items": outcomes})
    _conclude(app, action, outcomes)


def _chosen(app: str, clusters: Sequence[Item], selection: Selection, *, run_all: bool) -> list[tuple[str, Item]]:
    """Return the objects that are meant, each with its cluster. Raises CliError."""
    found = [(item["cluster"], resource) for item in clusters for resource in item["resources"]]
    silent = [item for item in clusters if item["error"]]
    if silent and (not run_all or len(silent) == len(clusters)):
        if len(silent) == len(clusters):
            raise Failed(f"nothing was done: {silent[0]['error']['message']}")
        # There may be an object there that is meant as well.
        where = "name a cluster that does, with --cluster"
        raise Failed(f"not every cluster of {app} answers: {where}: {silent[0]['error']['message']}")
    if not found:
        raise Misuse(f"no object of {app} that has actions is selected: see `escadre app actions list {app}`")
    if any(item["truncated"] for item in clusters):
        raise Misuse("more objects are selected than are listed at once: select fewer")
    if len(found) > 1 and not run_all:
        raise Misuse(
            f"{len(found)} objects are selected, {some(place_text(*place) for place in found)}: name one with "
            "--resource-name, --namespace and --cluster, or run it on all of them with --all"
        )
    return found


def _tried(
    session: Session, app: str, action: str, cluster: str, resource: Item, params: Mapping[str, str]
) -> dict[str, Any]:
    """Run an action on one object, and say how that ended. Raises CliError where no other would end better."""
    path, query = application_path(app, "/actions")
    body = {
        **{name: resource[name] for name in ("group", "kind", "namespace", "name")},
        "action": action,
        "parameters": dict(params),
        "cluster": cluster,
    }
    try:
        reply = session.api.post(path, body, **query)
    except (Refused, HubAway) as error:
        return _outcome(cluster, resource, error.message)
    return _outcome(cluster, resource, "", reply["changed"])


def _outcome(cluster: str, resource: Item | None, message: str, changed: Sequence[Item] = ()) -> dict[str, Any]:
    named = {name: resource[name] if resource else "" for name in ("group", "kind", "namespace", "name")}
    outcome = "Failed" if message else "Succeeded"
    return {"cluster": cluster, **named, "outcome": outcome, "message": message, "changed": list(changed)}


def _line(outcome: Item) -> str:
    done = [f"{_DONE.get(c['operation'], c['operation'])} {resource_text(c)}" for c in outcome["changed"]]
    said = outcome["message"] or "; ".join(done) or "there was nothing to change"
    return f"{clean(_place(outcome))}: {paint(outcome['outcome'])}: {clean(said)}"


def _place(outcome: Item) -> str:
    return place_text(outcome["cluster"], outcome) if outcome["kind"] else str(outcome["cluster"])


def _conclude(app: str, action: str, outcomes: Sequence[Item]) -> None:
    """Raises Failed unless it was done everywhere."""
    bad = [outcome for outcome in outcomes if outcome["message"]]
    if bad:
        count = f"{len(bad)} of {plural(len(outcomes), 'object')}" if len(outcomes) > 1 else _place(bad[0])
        raise Failed(f"{action} of {app} failed on {count}: {bad[0]['message']}")


def _parameters(texts: Sequence[str]) -> dict[str, str]:
    """Raises Misuse."""
    found: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise Misuse(f"{text[:70]!r} is no parameter: give NAME=VALUE")
        if name in found:
            raise Misuse(f"the parameter {name} is given twice")
        found[name] = value
    return found
