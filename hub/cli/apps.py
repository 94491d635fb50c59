"""What the commands about applications share: how they name things."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from hub.cli.values import APPLICATION, DEFAULT_NAMESPACE

Item = Mapping[str, Any]


def app_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument APP: a name, or namespace/name."""
    return click.argument("app", type=APPLICATION, metavar="APP")(function)


def display_id(id: str) -> str:
    return id.removeprefix(f"{DEFAULT_NAMESPACE}/")


def source_text(source: Item) -> str:
    """Return a source in words: where, what of it, and which revision is followed."""
    place = " ".join(filter(None, (source["repo"], source["chart"] or source["path"])))
    return f"{place} @ {source['target']}" if source["target"] else place


def sources_text(summary: Item) -> str:
    return " + ".join(source_text(source) for source in summary["sources"])


def resource_text(item: Item) -> str:
    """Return an object as "apps/Deployment web/frontend"."""
    kind = f"{item['group']}/{item['kind']}" if item["group"] else item["kind"]
    name = f"{item['namespace']}/{item['name']}" if item["namespace"] else item["name"]
    return f"{kind} {name}"
