"""What an application manages and all that this owns, as a tree for each cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hub.cli.apps import resource_text
from hub.cli.text import bold, clean, paint

Node = Mapping[str, Any]


def tree_lines(clusters: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a tree for every cluster, or why it has none."""
    lines: list[str] = []
    for cluster in clusters:
        lines += ["", bold(f"Cluster {clean(cluster['cluster'])}:")]
        if cluster["error"]:
            lines.append(f"  {paint('no answer', 'Failed')}: {clean(cluster['error']['message'])}")
        lines += [f"  {line}" for line in _forest(cluster["nodes"])]
    return lines[1:]


def _forest(nodes: Sequence[Node]) -> list[str]:
    known = {node["uid"] for node in nodes}
    children: dict[str, list[Node]] = {}
    for node in sorted(nodes, key=lambda node: (node["kind"], node["namespace"], node["name"])):
        parent = node["parent"] if node["parent"] in known and node["parent"] != node["uid"] else ""
        children.setdefault(parent, []).append(node)
    lines: list[str] = []
    # A stack and not recursion: how deep owners go is not ours to say. A node that is shown is not shown again.
    stack = [(node, "", "") for node in reversed(children.get("", []))]
    shown: set[str] = set()
    while stack:
        node, own, below = stack.pop()
        if node["uid"] in shown:
            continue
        shown.add(node["uid"])
        lines.append(own + _node(node))
        owned = children.get(node["uid"], [])
        for position, child in enumerate(reversed(owned)):
            is_last = position == 0
            stack.append((child, below + ("└─ " if is_last else "├─ "), below + ("   " if is_last else "│  ")))
    return lines


def _node(node: Node) -> str:
    health = f"  {paint(clean(node['health']))}" if node["health"] else ""
    message = f"  {clean(node['message'])}" if node["message"] else ""
    return f"{clean(resource_text(node))}{health}{message}"
