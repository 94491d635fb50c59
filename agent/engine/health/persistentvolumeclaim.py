"""PersistentVolumeClaim: whether it has its volume."""

from __future__ import annotations

from agent.engine.health.model import Health, degraded, healthy, progressing, unknown
from agent.engine.health.reading import View


def persistentvolumeclaim(obj: View) -> Health:
    match obj.map("status").text("phase"):
        case "Bound":
            return healthy()
        case "" | "Pending":
            storage = obj.map("spec").text("storageClassName")
            wanted = f" of class {storage}" if storage else ""
            return progressing(f"the claim waits for a volume{wanted}, or for a pod to use it")
        case "Lost":
            volume = obj.map("spec").text("volumeName")
            return degraded(f"the claim's volume {volume} is gone" if volume else "the claim's volume is gone")
        case phase:
            return unknown(f"status.phase is {phase}, which a claim does not have")
