"""Contour's HTTPProxy."""

from __future__ import annotations

from typing import Final

from agent.engine.health.model import Health
from agent.engine.health.phases import by_phase, phases
from agent.engine.health.reading import View

_STATES: Final = phases(healthy="valid", progressing="NotReconciled", degraded="invalid orphaned")


def httpproxy(obj: View) -> Health:
    status = obj.map("status")
    return by_phase("status.currentStatus", status.text("currentStatus"), _STATES, status.text("description"))
