"""Machines of the Cluster API and of OpenShift: there, and not yet a node of the cluster until they are Running."""

from __future__ import annotations

from typing import Final

from agent.engine.health.conventions import by_conventions
from agent.engine.health.model import Health, HealthStatus, progressing
from agent.engine.health.reading import View

_ON_THE_WAY: Final = frozenset({"Pending", "Provisioning", "Provisioned"})


def machine(obj: View) -> Health:
    judged = by_conventions(obj, awaited=True)
    phase = obj.map("status").data.get("phase")
    if judged.status is HealthStatus.HEALTHY and phase in _ON_THE_WAY:
        return progressing(f"status.phase is {phase}: it is not a node yet")
    return judged
