"""`escadre app manifests`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import click

from hub.cli.apps import app_argument
from hub.cli.client import application_path
from hub.cli.command import command as declare
from hub.cli.operations import some
from hub.cli.printer import output_option, print_value, yaml_text
from hub.cli.session import Session, pass_session
from hub.cli.sources import revisions_asked, revisions_options
from hub.cli.text import clean
from hub.cli.values import CLUSTER


def _commit(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{3,127}", value):
        raise click.BadParameter(f"{value[:70]!r} is no commit: give its id, or at least 4 characters of its beginning")
    return value


def _commits(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_commit(ctx, param, value) or "" for value in values)


def _digest(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[0-9a-f]{64}", value):
        raise click.BadParameter(
            f"{value[:70]!r} is no manifest set: give the 64 digits that `escadre app history -o json` has of it"
        )
    return value


@declare(
    "manifests",
    example="""
    escadre app manifests web
    escadre app manifests web --cluster edge-1 --revision 4f1c2d9
    escadre app manifests web --revisions 4f1c2d9 --source-positions 1 --revisions 0ddba11 --source-positions 2
    """,
)
@app_argument
@click.option("--cluster", type=CLUSTER, metavar="NAME", help="Only what this cluster is given.")
@click.option(
    "--revision", metavar="COMMIT", callback=_commit, help="What was deployed from this commit, or its beginning."
)
@revisions_options("What was deployed from this commit of one of several sources", "COMMIT", _commits)
@click.option(
    "--manifest-set", metavar="DIGEST", callback=_digest, help="A manifest set that `app history -o json` names."
)
@output_option("yaml", "json")
@pass_session
def command(
    session: Session,
    app: str,
    cluster: str | None,
    revision: str | None,
    revisions: tuple[str, ...],
    source_positions: tuple[tuple[int, ...], ...],
    source_names: tuple[str, ...],
    manifest_set: str | None,
    output: str,
) -> None:
    """Print the rendered manifests that are assigned to the clusters of APP; values of Secrets are masked.

    YAML is the bare objects; where clusters are given different ones, a comment says what is for whom. What was
    deployed before is found by a commit of any of its sources, or by --revisions of some of them together.
    """
    path, params = application_path(app, "/manifests")
    of_sources = revisions_asked(revisions, source_positions, source_names)
    asked = {"cluster": cluster, "revision": revision, "manifest_set": manifest_set, **of_sources}
    reply = session.api.get(path, **asked, **params)
    if output == "json":
        print_value("json", reply)
        return
    for text in _documents(reply["items"]):
        click.echo(text, nl=False)


def _documents(sets: list[Mapping[str, Any]]) -> Iterable[str]:
    for rendered in sets:
        if len(sets) > 1:
            yield f"# {clean(some(rendered['clusters']))}: {clean(rendered['revision'])}\n"
        for item in rendered["objects"]:
            yield f"---\n{yaml_text(item)}"
