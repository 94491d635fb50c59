"""cert-manager's ACME orders and challenges."""

from __future__ import annotations

from typing import Final

from agent.engine.health.model import Health
from agent.engine.health.phases import by_phase, phases
from agent.engine.health.reading import View

_STATES: Final = phases(healthy="valid", progressing="pending processing ready", degraded="errored expired invalid")
"""Ready is not the end: what is left is to finalise."""


def acme(obj: View) -> Health:
    status = obj.map("status")
    return by_phase("status.state", status.text("state"), _STATES, status.text("reason"))
