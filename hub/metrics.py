"""What the gateway and the controller count, as metrics. They keep plain numbers; only this module names them."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from hub.fleet.dispatch import Dispatcher
from hub.fleet.registry import Registry
from hub.fleet.reports import Reports
from hub.reconcile.controller import Controller
from hub.render.renderer import Renderer


def gateway_metrics(registry: Registry, dispatcher: Dispatcher, reports: Reports) -> Iterator[Metric]:
    yield GaugeMetricFamily("escadre_agents_connected", "Agents connected to this gateway", len(registry))
    yield CounterMetricFamily("escadre_assignments_sent", "Assignments sent to agents", dispatcher.assignments_sent)
    yield CounterMetricFamily("escadre_blobs_sent", "Manifests and manifest sets sent to agents", dispatcher.blobs_sent)
    yield CounterMetricFamily("escadre_statuses_written", "Statuses of agents written", reports.statuses_written)


def controller_metrics(controller: Controller, renderer: Renderer) -> Iterator[Metric]:
    yield CounterMetricFamily("escadre_app_reconcile", "Times an application was looked at", controller.looks)
    yield CounterMetricFamily("escadre_renders", "Distinct inputs rendered", renderer.renders_total)
    yield CounterMetricFamily("escadre_render_failures", "Renders that failed", renderer.failures_total)
    yield GaugeMetricFamily("escadre_renders_in_flight", "Renders under way", renderer.in_flight)
