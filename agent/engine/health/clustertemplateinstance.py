"""ClusterTemplateInstance: a cluster made from a template, step by step."""

from __future__ import annotations

from agent.engine.health.model import Health, degraded, healthy, progressing
from agent.engine.health.reading import View, with_cause


def clustertemplateinstance(obj: View) -> Health:
    status = obj.map("status")
    phase, message = status.text("phase"), status.text("message")
    said = with_cause(f"status.phase is {phase}" if phase else "it has not been taken up yet", message)
    if phase == "Ready":
        return healthy()
    return degraded(said) if phase.endswith(("Failed", "Error", "Missing", "Degraded")) else progressing(said)
