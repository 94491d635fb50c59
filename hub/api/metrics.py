"""The hub's metrics, with Argo CD's meanings under Escadre's prefix.

What the store knows is read at the scrape, from the overview that lists share; what only happens is counted here by
whoever sees it happen (`Telemetry`), or given by other parts as sources.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from hub.api.overview import Overview, Overviews
from hub.domain.application import ApplicationId
from hub.domain.cluster import Liveness
from hub.domain.operation import OperationState
from hub.errors import StoreUnavailable

log = logging.getLogger(__name__)

OLDEST_SECONDS = 10.0
"""How old what the store knows may be at a scrape."""
_KNOWN_OPERATIONS = 50_000
_SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

MetricSource = Callable[[], Iterable[Metric]]
"""Called at every scrape; must return at once. Names begin with `escadre_`."""


class GitCommand(Protocol):
    """As `hub.source` tells of each command against a server."""

    @property
    def kind(self) -> str: ...

    @property
    def seconds(self) -> float: ...

    @property
    def succeeded(self) -> bool: ...


class Telemetry:
    """Counts what happens; each method may be given to the part that sees it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._git = Counter(
            "escadre_git_request", "Git commands against servers", ["request_type", "result"], registry=self.registry
        )
        self._git_seconds = Histogram(
            "escadre_git_request_duration_seconds",
            "Duration of Git commands against servers",
            ["request_type"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._syncs = Counter(
            "escadre_app_sync",
            "Operations that finished on a cluster",
            ["namespace", "name", "phase", "dry_run"],
            registry=self.registry,
        )
        self._requests = Histogram(
            "escadre_api_request_duration_seconds",
            "Duration of requests to the API",
            ["method", "status"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._webhooks = Counter(
            "escadre_webhook_events",
            "Events of Git servers and registries",
            ["provider", "result"],
            registry=self.registry,
        )
        self._finished: OrderedDict[tuple[str, str, str], None] = OrderedDict()

    def git_request(self, command: GitCommand) -> None:
        self._git.labels(command.kind, "success" if command.succeeded else "failure").inc()
        self._git_seconds.labels(command.kind).observe(command.seconds)

    def operation_finished(self, cluster: str, application: str, operation: OperationState) -> None:
        """Count an operation once, however often its end is reported."""
        key = (cluster, application, operation.id)
        if key in self._finished or not operation.phase.finished:
            return
        self._finished[key] = None
        if len(self._finished) > _KNOWN_OPERATIONS:
            self._finished.popitem(last=False)
        id = ApplicationId.parse(application)
        self._syncs.labels(id.namespace, id.name, operation.phase.value, str(operation.dry_run).lower()).inc()

    def webhook(self, provider: str, result: str) -> None:
        self._webhooks.labels(provider, result).inc()

    def api_request(self, method: str, status: int, seconds: float) -> None:
        self._requests.labels(method if method in _METHODS else "other", f"{status // 100}xx").observe(seconds)


_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})


class Metrics:
    """Puts together what a scrape is answered with."""

    def __init__(
        self,
        overviews: Overviews,
        telemetry: Telemetry,
        sources: Sequence[MetricSource],
        version: str,
        *,
        writable: Callable[[], bool] = lambda: True,
    ) -> None:
        """`writable`: whether what was to be stored last was stored."""
        self._writable = writable
        self._overviews = overviews
        self._telemetry = telemetry
        self._sources = sources
        self._version = version

    async def scrape(self) -> tuple[bytes, str]:
        """Return the exposition and its media type. A store that is away costs its own metrics only."""
        overview: Overview | None = None
        try:
            overview = await self._overviews.get(OLDEST_SECONDS)
        except StoreUnavailable as error:
            log.warning("metrics without the store's: %s", error.message)
        registry = CollectorRegistry()
        registry.register(_Families(self._families(overview)))
        counted = generate_latest(self._telemetry.registry)
        content = await asyncio.to_thread(generate_latest, registry)
        return content + counted, CONTENT_TYPE_PLAIN_0_0_4

    def _families(self, overview: Overview | None) -> Iterator[Metric]:
        yield InfoMetricFamily("escadre_hub", "The hub", {"version": self._version})
        up = GaugeMetricFamily("escadre_store_up", "Whether the store answers")
        up.add_metric([], 1 if overview else 0)
        yield up
        writable = GaugeMetricFamily("escadre_store_writable", "Whether the last write was stored")
        writable.add_metric([], 1 if self._writable() else 0)
        yield writable
        if overview is not None:
            yield _app_info(overview)
            yield _app_clusters(overview)
            yield from _clusters(overview)
        for source in self._sources:
            yield from source()


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._metrics = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _app_info(overview: Overview) -> Metric:
    labels = ["name", "namespace", "project", "sync_status", "health_status"]
    family = GaugeMetricFamily("escadre_app_info", "One for each application, with its status as labels", labels=labels)
    for s in overview.summaries.values():
        family.add_metric([s.name, s.namespace, s.project, s.sync, s.health], 1)
    return family


def _app_clusters(overview: Overview) -> Metric:
    labels = ["name", "namespace", "project", "state"]
    family = GaugeMetricFamily(
        "escadre_app_clusters", "How many clusters an application is on, and how many are in which state", labels=labels
    )
    for s in overview.summaries.values():
        counts = s.clusters.model_dump()
        for state, count in counts.items():
            family.add_metric([s.name, s.namespace, s.project, state], count)
    return family


def _clusters(overview: Overview) -> Iterator[Metric]:
    status = GaugeMetricFamily(
        "escadre_cluster_connection_status", "Whether a cluster's agent is connected", labels=["cluster"]
    )
    applications = GaugeMetricFamily(
        "escadre_cluster_applications", "How many applications are assigned to a cluster", labels=["cluster"]
    )
    for cluster in overview.clusters:
        connected = cluster.connection.liveness is Liveness.CONNECTED
        status.add_metric([cluster.name], 1 if connected else 0)
        applications.add_metric([cluster.name], overview.assigned.get(cluster.uid, 0))
    yield status
    yield applications
