"""CDI's DataVolume: a volume that is filled from somewhere before it is used."""

from __future__ import annotations

from typing import Final

from agent.engine.health.conditions import conditions
from agent.engine.health.model import Health, degraded, healthy, progressing, suspended
from agent.engine.health.reading import View, with_cause

_DEGRADED: Final = frozenset({"Failed", "Unknown"})


def datavolume(obj: View) -> Health:
    status = obj.map("status")
    phase = status.text("phase")
    running = conditions(status).get("Running")
    why = running.cause() if running is not None and not running.true else ""
    if phase == "Succeeded":
        return healthy()
    if phase in _DEGRADED:
        return degraded(with_cause(f"status.phase is {phase}", why))
    if phase == "Paused":
        return suspended("status.phase is Paused")
    return progressing(with_cause(f"status.phase is {phase}" if phase else "it has not been taken up yet", why))
