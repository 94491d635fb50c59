"""What would change on clusters, as the hub tells it and as people read it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from hub.cli.apps import resource_text
from hub.cli.errors import HubAway, Refused
from hub.cli.operations import some
from hub.cli.text import clean, clean_block, has_colour

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def diff_lines(items: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the diffs of every cluster; clusters with the same ones are told together."""
    groups: dict[str, tuple[list[str], list[Mapping[str, Any]]]] = {}
    for item in items:
        if item["resources"]:
            names, _ = groups.setdefault(repr(item["resources"]), ([], item["resources"]))
            names.append(item["cluster"])
    for names, resources in groups.values():
        for resource in resources:
            yield _head(f"===== {some(names)}: {resource_text(resource)}: {resource['change']} =====")
            if resource["message"]:
                yield clean(resource["message"])
            yield from map(_line, clean_block(resource["diff"]).splitlines())


def _head(text: str) -> str:
    return click.style(clean(text), bold=True) if has_colour(sys.stdout) else clean(text)


def _line(line: str) -> str:
    colour = _COLOURS.get(line[:1])
    return click.style(line, fg=colour) if colour and has_colour(sys.stdout) else line


_REFUSED = frozenset(
    (
        "manifests-gone",
        "not-deployed",
        "not-looked-for",
        "not-permitted",
        "not-rendered",
        "too-large",
        "unknown-question",
    )
)
"""Of the codes inside an answer, those that say that the question is at fault: asked again, it is so again."""


def check_answers(items: Sequence[Mapping[str, Any]]) -> None:
    """Raises Refused where clusters cannot be asked this, HubAway where they have no answer."""
    errors = [(item["cluster"], item["error"]) for item in items if item["error"]]
    if not errors:
        return
    clusters: dict[str, list[str]] = {}
    for cluster, error in errors:
        clusters.setdefault(error["message"], []).append(cluster)
    if all(error["code"] in _REFUSED for _, error in errors):
        raise Refused("; ".join(f"{some(names)}: {message}" for message, names in clusters.items()))
    raise HubAway("no answer from " + "; ".join(f"{some(names)} ({message})" for message, names in clusters.items()))


def unanswered_clusters(items: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the clusters without an answer, each with the reason."""
    return [f"{item['cluster']} ({item['error']['message']})" for item in items if item["error"]]


def unanswered(items: Sequence[Mapping[str, Any]]) -> list[str]:
    found = unanswered_clusters(items)
    for item in items:
        found += [f"{item['cluster']} about {resource_text(r)}" for r in item["resources"] if r["change"] == "error"]
    return found
