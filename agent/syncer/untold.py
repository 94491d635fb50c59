"""Kinds that discovery does not tell of: are they gone, or does the cluster not tell of them yet?

An API server that starts leaves out what definitions have brought until it has read them, and what other servers serve
until these answer. Whoever takes such a kind for gone takes its objects for gone. So the objects that bring kinds are
asked for: definitions and API services.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from agent.engine.resource import GroupKind, Object
from agent.engine.traits import CRD
from agent.kube import errors
from agent.kube.client import Discovery, Kind, KubeClient

API_SERVICE: Final = GroupKind("apiregistration.k8s.io", "APIService")


async def not_told_yet(client: KubeClient, discovery: Discovery, kinds: Iterable[GroupKind]) -> dict[GroupKind, str]:
    """Return those of kinds without discovery that the cluster serves nevertheless, or soon will, and what says so.
    Raises KubeError."""
    found = {}
    for group_kind in kinds:
        reason = await _not_gone(client, discovery, group_kind)
        if reason:
            found[group_kind] = reason
    return found


async def _not_gone(client: KubeClient, discovery: Discovery, group_kind: GroupKind) -> str:
    group = group_kind.group
    if group in discovery.stale:
        return "its API service does not answer"
    definitions = discovery.preferred.get(CRD)
    if definitions is None:
        return "the cluster does not tell of definitions either"
    for name in await _names_of_group(client, definitions, group):
        definition = await client.get(definitions, "", name)
        if definition is not None and _defined_kind(definition) == group_kind.kind:
            return f"its definition {name} is there"
    services = discovery.preferred.get(API_SERVICE)
    if services is None or any(known.group == group for known in discovery.preferred):
        return ""
    names = await _names_of_group(client, services, group)
    return f"its API service {names[0]} is there" if names else ""


async def _names_of_group(client: KubeClient, kind: Kind, group: str) -> list[str]:
    """Return the definitions or API services of a group by name, which ends with that. Who may not see them is not
    held up by it."""

    def reduce(obj: Object) -> Object | None:
        # That of the core group, "v1.", ends with a dot.
        return obj if obj["metadata"]["name"].partition(".")[2] == group else None

    try:
        listed = await client.list(kind, reduce=reduce)
    except errors.Forbidden:
        return []
    return [obj["metadata"]["name"] for obj in listed.items]


def _defined_kind(definition: Object) -> str:
    names = (definition.get("spec") or {}).get("names") or {}
    return str(names.get("kind") or "")
