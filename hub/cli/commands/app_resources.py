"""`escadre app resources`."""

from __future__ import annotations

import click

from hub.cli.apps import app_argument, resource_text
from hub.cli.client import application_path
from hub.cli.command import command as declare
from hub.cli.diffs import check_answers
from hub.cli.printer import Column, output_option, print_items, print_value
from hub.cli.session import Session, pass_session
from hub.cli.text import clean
from hub.cli.values import CLUSTER

COLUMNS = (
    Column("CLUSTER", lambda item: item["cluster"]),
    Column("GROUP", lambda item: item["group"]),
    Column("KIND", lambda item: item["kind"]),
    Column("NAMESPACE", lambda item: item["namespace"]),
    Column("NAME", lambda item: item["name"]),
    Column("SYNC", lambda item: item["sync"]),
    Column("HEALTH", lambda item: item["health"]),
    Column("MESSAGE", lambda item: item["message"] or ("to be pruned" if item["requires_pruning"] else "")),
    Column("VERSION", lambda item: item["version"], wide=True),
)
ORPHANED = COLUMNS[:5]


@declare(
    "resources",
    example="""
    escadre app resources web
    escadre app resources web --cluster edge-1 -o wide
    escadre app resources web --orphaned
    """,
)
@app_argument
@click.option("--cluster", type=CLUSTER, metavar="NAME", help="Only this cluster.")
@click.option("--orphaned", is_flag=True, help="What lies in its namespace and belongs to no application instead.")
@output_option()
@pass_session
def command(session: Session, app: str, cluster: str | None, orphaned: bool, output: str) -> None:
    """List every resource of APP on every cluster, with its status.

    With --orphaned the clusters are asked what else lies in the application's namespace and belongs to no application.
    Its project has to ask for that, with spec.orphanedResources. Exits 2 when it does not, and 3 when a cluster does
    not answer.
    """
    if orphaned:
        _orphaned(session, app, cluster, output)
        return
    path, params = application_path(app, "/resources")
    reply = session.api.get(path, cluster=cluster, **params)
    print_items(
        output,
        reply["items"],
        COLUMNS,
        name=lambda item: f"{item['cluster']} {resource_text(item)}",
        none="No resources.",
        more={"truncated": reply["truncated"]},
    )
    if reply["truncated"]:
        click.echo("warning: there are more than could be told: ask for one cluster, with --cluster", err=True)


def _orphaned(session: Session, app: str, cluster: str | None, output: str) -> None:
    path, params = application_path(app, "/orphans")
    clusters = session.api.get(path, cluster=cluster, **params)["items"]
    rows = [{"cluster": answer["cluster"], **resource} for answer in clusters for resource in answer["resources"]]
    if output in ("json", "yaml"):
        print_value(output, {"items": clusters})
    elif rows or not any(answer["error"] for answer in clusters):
        none = "No orphaned resources."
        print_items(output, rows, ORPHANED, name=lambda item: f"{item['cluster']} {resource_text(item)}", none=none)
    for answer in clusters:
        where = clean(answer["cluster"])
        if answer["more"]:
            click.echo(f"warning: {where} has {answer['more']} more than could be told", err=True)
        for words in answer["unseen"]:
            click.echo(f"warning: not looked at on {where}: {clean(words)}", err=True)
    check_answers(clusters)
