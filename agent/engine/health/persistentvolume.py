"""PersistentVolume: usable, or failed to be cleared for its next user."""

from __future__ import annotations

from agent.engine.health.model import Health, degraded, healthy, progressing, unknown
from agent.engine.health.reading import View, with_cause


def persistentvolume(obj: View) -> Health:
    status = obj.map("status")
    match status.text("phase"):
        case "Available" | "Bound":
            return healthy()
        case "Released":
            return healthy("the claim is gone and the volume is not cleared")
        case "" | "Pending":
            return progressing("the volume is not available yet")
        case "Failed":
            return degraded(
                with_cause("the volume could not be cleared", status.text("reason"), status.text("message"))
            )
        case phase:
            return unknown(f"status.phase is {phase}, which a volume does not have")
