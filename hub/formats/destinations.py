"""Where an application goes: Argo CD's `destination`, Escadre's `destinations` and `overrides` ⇄ the domain."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from hub.domain.application import Destination, Override, Source
from hub.domain.names import namespace_problem
from hub.domain.selector import LabelSelector
from hub.formats.fields import Fields, described
from hub.formats.overrides import overridden
from hub.formats.selector import read_selector, write_selector

_SERVER = re.compile(r"https?://[^\s/@?#]+(?:/[^\s@?#]*)?", re.IGNORECASE)
_WAYS = ("name", "server", "selector")


def read_destinations(spec: Fields) -> tuple[Destination, ...]:
    """Read `destination` or `destinations`; reports when there is none, or both."""
    single = spec.child("destination")
    several = spec.children("destinations")
    if single is not None and several:
        spec.fail("destination", "and destinations are both given: keep one of them")
    elif single is None and not several:
        spec.fail("destination", "is missing: name a cluster, by server or name, and a namespace")
    return tuple(_read_destination(fields) for fields in ([single] if single is not None else several))


def write_destinations(destinations: Sequence[Destination]) -> dict[str, Any]:
    """Return the spec's fields: `destination` where that can say it, so that Argo CD's own tools understand it."""
    if len(destinations) == 1 and destinations[0].selector is None:
        return {"destination": _write_destination(destinations[0])}
    return {"destinations": [_write_destination(d) for d in destinations]}


def read_overrides(spec: Fields, sources: Sequence[Source]) -> tuple[Override, ...]:
    """Read `overrides`, and try each on the sources it would change; on none, where they have mistakes themselves."""
    return tuple(_read_override(fields, sources) for fields in spec.children("overrides"))


def write_override(override: Override) -> dict[str, Any]:
    result: dict[str, Any] = {}
    if override.clusters:
        result["clusters"] = list(override.clusters)
    if not override.clusters or override.selector != LabelSelector():
        result["selector"] = write_selector(override.selector)
    if override.namespace:
        result["namespace"] = override.namespace
    if override.source:
        result["source"] = dict(override.source)
    return result


def _read_destination(fields: Fields) -> Destination:
    selector = fields.child("selector")
    destination = Destination(
        namespace=_read_namespace(fields),
        name=fields.text("name"),
        server=fields.text("server").strip(),
        selector=read_selector(selector) if selector is not None else None,
    )
    fields.finish()
    given = [way for way in _WAYS if getattr(destination, way) not in ("", None)]
    if not given:
        fields.fail("", "names no cluster: give name, server or selector")
    elif len(given) > 1:
        fields.fail("", f"gives {' and '.join(given)}: keep one of them")
    if destination.server and not _SERVER.fullmatch(destination.server):
        fields.fail(
            "server", f"is {described(destination.server)}, but an address like https://10.0.0.1:6443 is wanted"
        )
    return destination


def _write_destination(destination: Destination) -> dict[str, Any]:
    found = {"name": destination.name, "server": destination.server, "namespace": destination.namespace}
    result: dict[str, Any] = {key: value for key, value in found.items() if value}
    if destination.selector is not None:
        result["selector"] = write_selector(destination.selector)
    return result


def _read_namespace(fields: Fields) -> str:
    namespace = fields.text("namespace")
    if namespace and (problem := namespace_problem(namespace)):
        fields.fail("namespace", f"{namespace[:70]!r} {problem}")
    return namespace


def _read_override(fields: Fields, sources: Sequence[Source]) -> Override:
    selector = fields.child("selector")
    override = Override(
        selector=read_selector(selector) if selector is not None else LabelSelector(),
        clusters=fields.texts("clusters"),
        namespace=_read_namespace(fields),
        source=fields.mapping("source"),
    )
    fields.finish()
    if selector is None and not override.clusters:
        fields.fail("", 'selects no clusters: give clusters or selector ("selector: {}" for all of them)')
    if not override.namespace and not override.source:
        fields.fail("", "changes nothing: give namespace or source")
    elif override.source and sources:
        # Tried once, so that what is wrong with it is told now and not on some cluster.
        overridden(sources, override.source, fields.at("source"), fields.problems)
    return override
