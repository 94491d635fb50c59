"""Policies of Open Cluster Management: whether clusters comply."""

from __future__ import annotations

from typing import Final

from agent.engine.health.model import Health, suspended
from agent.engine.health.phases import by_phase, phases
from agent.engine.health.reading import View

_COMPLIANCE: Final = phases(healthy="Compliant", progressing="Pending", degraded="NonCompliant", unknown="Unknown")


def openclusterpolicy(obj: View) -> Health:
    if obj.map("spec").flag("disabled"):
        return suspended("the policy is disabled (spec.disabled)")
    return by_phase("status.compliant", obj.map("status").text("compliant"), _COMPLIANCE)
