"""Which clusters an application goes to, and what it is on each of them.

A fleet has a thousand clusters and as many applications, and every change of either asks this question again, so the
clusters are indexed once (`ClusterIndex`) and every distinct selector is evaluated once.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from hub.domain.application import Application, Destination, Override, Source
from hub.domain.cluster import IN_CLUSTER_NAME, IN_CLUSTER_SERVER, Cluster
from hub.domain.selector import LabelSelector
from hub.errors import HubError

ApplyOverrides = Callable[[Sequence[Source], Sequence[Override]], tuple[Source, ...]]
"""`hub.formats.overrides.apply_overrides`: patches are written in the YAML's words, which the domain does not know."""

_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Target:
    """An application on one cluster."""

    cluster: Cluster
    namespace: str
    """For objects that name none; may be empty."""
    sources: tuple[Source, ...]
    """With the overrides for this cluster applied. Clusters with the same overrides share one tuple."""


@dataclass(frozen=True, slots=True)
class Targeting:
    targets: tuple[Target, ...]
    """Each cluster once, in the order of the destinations, and of names within a selector."""
    problems: tuple[str, ...] = ()
    """What is wrong with the application's destinations or overrides, in words for its owner."""
    unmatched: tuple[str, ...] = ()
    """Selectors that select no cluster at present. That is no mistake: clusters come and go."""


class ClusterIndex:
    """The registered clusters, for many questions."""

    def __init__(self, clusters: Iterable[Cluster]) -> None:
        self._all = tuple(sorted(clusters, key=lambda cluster: cluster.name))
        self._by_name = {cluster.name: cluster for cluster in self._all}
        self._by_server: dict[str, list[Cluster]] = {}
        for cluster in self._all:
            if cluster.server and cluster.name != IN_CLUSTER_NAME:
                self._by_server.setdefault(normal_server(cluster.server), []).append(cluster)
        self._selected: dict[tuple[object, ...], tuple[Cluster, ...]] = {}

    def named(self, name: str) -> Cluster | None:
        return self._by_name.get(name)

    def at(self, server: str) -> Sequence[Cluster]:
        """Return the clusters registered with an address, however it is spelled; never the hub's own."""
        return self._by_server.get(normal_server(server), [])

    def selected(self, selector: LabelSelector) -> tuple[Cluster, ...]:
        key = selector.identity
        found = self._selected.get(key)
        if found is None:
            found = self._selected[key] = tuple(c for c in self._all if selector.matches(c.labels))
        return found

    def names_near(self, name: str) -> str:
        return _near(name, list(self._by_name))

    def servers_near(self, server: str) -> str:
        return _near(normal_server(server), list(self._by_server))


def targets(
    application: Application, clusters: ClusterIndex | Iterable[Cluster], apply_overrides: ApplyOverrides
) -> Targeting:
    """Return where an application goes. A cluster that several destinations mean belongs to the first of them."""
    index = clusters if isinstance(clusters, ClusterIndex) else ClusterIndex(clusters)
    chosen: dict[str, tuple[Cluster, str]] = {}
    problems: list[str] = []
    unmatched: list[str] = []
    for destination in application.spec.destinations:
        found, problem = _find(destination, index)
        if problem:
            problems.append(problem)
        elif not found and destination.selector is not None:
            unmatched.append(_unmatched(destination))
        for cluster in found:
            chosen.setdefault(cluster.uid, (cluster, destination.namespace))
    overriding = _Overriding(application, index, apply_overrides)
    result = [target for cluster, namespace in chosen.values() if (target := overriding.target(cluster, namespace))]
    return Targeting(tuple(result), (*problems, *overriding.problems), tuple(unmatched))


def unmet_destinations(application: Application, index: ClusterIndex) -> list[str]:
    """Say which of its destinations mean no cluster as yet."""
    told = []
    for destination in application.spec.destinations:
        found, problem = _find(destination, index)
        if problem:
            told.append(problem)
        elif not found:
            told.append(_unmatched(destination))
    return told


def _unmatched(destination: Destination) -> str:
    return f"the selector {str(destination.selector)[:200]!r} selects no registered cluster"


def is_hub_cluster(*, name: str = "", server: str = "") -> bool:
    """Tell whether a destination means the hub's own cluster."""
    return name == IN_CLUSTER_NAME or (bool(server) and normal_server(server) == IN_CLUSTER_SERVER)


def normal_server(server: str) -> str:
    """Return one spelling for every way to write an API server's address."""
    text = server.strip()
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return text.lower()
    scheme, host = parts.scheme.lower(), (parts.hostname or "").rstrip(".")
    if not host:
        return text.lower().rstrip("/")
    shown_host = f"[{host}]" if ":" in host else host
    shown_port = "" if port is None or port == {"https": 443, "http": 80}.get(scheme) else f":{port}"
    return f"{scheme}://{shown_host}{shown_port}{parts.path.rstrip('/')}"


class _Overriding:
    """Applies overrides, each distinct combination of them once."""

    def __init__(self, application: Application, index: ClusterIndex, apply_overrides: ApplyOverrides) -> None:
        self._sources = application.spec.sources
        self._overrides = application.spec.overrides
        self._apply = apply_overrides
        self._reach = [_reach(override, index) for override in self._overrides]
        self._outcomes: dict[tuple[int, ...], tuple[Source, ...] | None] = {(): self._sources}
        self.problems: list[str] = []

    def target(self, cluster: Cluster, namespace: str) -> Target | None:
        which = tuple(number for number, reach in enumerate(self._reach) if cluster.uid in reach)
        sources = self._outcome(which, cluster)
        if sources is None:
            return None
        for number in which:
            namespace = self._overrides[number].namespace or namespace
        return Target(cluster, namespace, sources)

    def _outcome(self, which: tuple[int, ...], cluster: Cluster) -> tuple[Source, ...] | None:
        if which not in self._outcomes:
            try:
                self._outcomes[which] = self._apply(self._sources, [self._overrides[number] for number in which])
            except HubError as error:
                self._outcomes[which] = None
                numbers = ", ".join(str(number + 1) for number in which)
                self.problems.append(f"overrides {numbers} together, as on cluster {cluster.name}: {error.message}")
        return self._outcomes[which]


def _reach(override: Override, index: ClusterIndex) -> frozenset[str]:
    """Return the uids of the clusters an override is for."""
    names = set(override.clusters)
    return frozenset(c.uid for c in index.selected(override.selector) if not names or c.name in names)


def _find(destination: Destination, index: ClusterIndex) -> tuple[Sequence[Cluster], str]:
    """Return the clusters one destination means, or what is wrong with it."""
    if destination.selector is not None:
        return index.selected(destination.selector), ""
    if is_hub_cluster(name=destination.name, server=destination.server):
        own = index.named(IN_CLUSTER_NAME)
        return ([own], "") if own else ([], _NO_HUB_CLUSTER)
    if destination.name:
        named = index.named(destination.name)
        return ([named], "") if named else ([], _unknown("named", destination.name, index.names_near(destination.name)))
    found = index.at(destination.server)
    if not found:
        return [], _unknown("with the address", destination.server, index.servers_near(destination.server))
    if len(found) > 1:
        names = ", ".join(cluster.name for cluster in found[:_MOST_NAMED])
        return [], f"several clusters have the address {destination.server}: name one of {names} in destination.name"
    return found, ""


_NO_HUB_CLUSTER = (
    f"the destination is the hub's own cluster, but no cluster is registered as {IN_CLUSTER_NAME}: "
    f"register it with `escadre cluster add {IN_CLUSTER_NAME}`"
)


def _unknown(way: str, value: str, near: str) -> str:
    return f"no cluster {way} {value!r} is registered ({near})"


def _near(word: str, known: list[str]) -> str:
    """List what is registered, the likeliest first."""
    if not known:
        return "none is"
    close = difflib.get_close_matches(word, known, n=_MOST_NAMED, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(close)}?"
    rest = f" and {len(known) - _MOST_NAMED} more" if len(known) > _MOST_NAMED else ""
    return f"there are {', '.join(known[:_MOST_NAMED])}{rest}"
