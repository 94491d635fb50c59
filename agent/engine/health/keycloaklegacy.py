"""The first Keycloak operator: what is ready stays in the phase reconciling."""

from __future__ import annotations

from agent.engine.health.model import Health, degraded, healthy, progressing
from agent.engine.health.reading import View, with_cause


def keycloaklegacy(obj: View) -> Health:
    status = obj.map("status")
    phase, message = status.text("phase"), status.text("message")
    if phase == "failing":
        return degraded(with_cause("status.phase is failing", message))
    if status.flag("ready"):
        return healthy()
    return progressing(with_cause(f"status.phase is {phase}" if phase else "it has not been taken up yet", message))
