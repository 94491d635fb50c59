"""`escadre app history`."""

from __future__ import annotations

from collections.abc import Iterator

import click

from hub.cli.apps import app_argument
from hub.cli.client import application_path
from hub.cli.command import command as declare
from hub.cli.printer import Column, Item, output_option, print_items
from hub.cli.session import Session, pass_session
from hub.cli.text import ago
from hub.cli.values import CLUSTER


def _commit(item: Item) -> str:
    """Tell the commit and its author; of several sources, what each is about."""
    told = [_subject(revision) for revision in item["revisions"]]
    if len(told) == 1 and (author := item["revisions"][0]["author"]):
        return f"{told[0]} ({author})"
    return told[0] if len(told) == 1 else "; ".join(f"{n}: {text}" for n, text in enumerate(told, 1) if text)


def _subject(revision: Item) -> str:
    chart = f"{revision['chart']}: " if revision.get("chart") else ""
    return str(chart + revision["message"].partition("\n")[0])[:72].removesuffix(": ")


def _author(item: Item) -> str:
    return ", ".join(dict.fromkeys(revision["author"] for revision in item["revisions"] if revision["author"]))


def _parameters(item: Item) -> str:
    """Name what was set beside Git: Helm parameters, kustomize images and replicas, and which other options."""
    return ", ".join(word for source in item["sources"] for word in _words(source))


def _words(source: Item) -> Iterator[str]:
    helm, kustomize = source.get("helm") or {}, source.get("kustomize") or {}
    yield from (f"{p['name']}={p['value']}" for p in helm.get("parameters", ()))
    yield from helm.get("valueFiles", ())
    yield from kustomize.get("images", ())
    yield from (f"{r['name']}×{r['count']}" for r in kustomize.get("replicas", ()))
    told = {"parameters", "valueFiles", "images", "replicas"}
    yield from (f"{tool}.{key}" for tool in ("helm", "kustomize") for key in source.get(tool) or {} if key not in told)


COLUMNS = (
    Column("CLUSTER", lambda item: item["cluster"]),
    Column("ID", lambda item: item["id"]),
    Column("DEPLOYED", lambda item: ago(item["deployed_at"])),
    Column("REVISION", lambda item: item["revision"]),
    Column("BY", lambda item: item["initiated_by"]),
    Column("COMMIT", _commit),
    Column("DEPLOYED AT", lambda item: item["deployed_at"], wide=True),
    Column("AUTHOR", _author, wide=True),
    Column("TARGET", lambda item: ",".join(s.get("targetRevision", "HEAD") for s in item["sources"]), wide=True),
    Column("PARAMETERS", _parameters, wide=True),
    Column("MANIFEST SET", lambda item: item["manifest_set"][:12], wide=True),
    Column("OPERATION", lambda item: item["operation_id"], wide=True),
)


@declare(
    "history",
    example="""
    escadre app history web
    escadre app history web --cluster edge-1 -o json
    """,
)
@app_argument
@click.option("--cluster", type=CLUSTER, metavar="NAME", help="Only this cluster.")
@click.option("--limit", type=click.IntRange(1, 1000), default=200, show_default=True, help="At most so many entries.")
@output_option()
@pass_session
def command(session: Session, app: str, cluster: str | None, limit: int, output: str) -> None:
    """Show what of APP was deployed on its clusters, newest first. `escadre app rollback` takes the ID.

    As many entries are kept for each cluster as the application's revisionHistoryLimit says, 10 by default. `-o wide`
    adds the author and the parameters in force then; json and yaml have the sources in full.
    """
    path, params = application_path(app, "/history")
    reply = session.api.get(path, cluster=cluster, limit=limit, **params)
    print_items(
        output, reply["items"], COLUMNS, name=lambda item: f"{item['cluster']}/{item['id']}", none="Never deployed."
    )
