"""Argo CD's Application, which says its health itself, by the same names."""

from __future__ import annotations

from typing import Final

from agent.engine.health.model import Health, HealthStatus, progressing, unknown
from agent.engine.health.reading import View, with_cause

_STATUSES: Final = frozenset(HealthStatus)


def application(obj: View) -> Health:
    said = obj.map("status").map("health")
    status, message = said.text("status"), said.text("message")
    if not status:
        return progressing("its controller has not reported yet")
    if status not in _STATUSES:
        return unknown(with_cause(f"status.health.status is {status}, which is not known", message))
    if status == HealthStatus.HEALTHY:
        return Health(HealthStatus.HEALTHY, message)
    return Health(HealthStatus(status), with_cause(f"the application is {status}", message))
