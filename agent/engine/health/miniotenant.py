"""MinIO's Tenant: its state is a sentence."""

from __future__ import annotations

from typing import Final

from agent.engine.health.model import Health, degraded, healthy, progressing
from agent.engine.health.reading import View
from agent.engine.health.wording import Tone, tone

_TROUBLE: Final = ("Another MinIO Tenant", "Different versions", "Pool Decommissioning Not Allowed", "Statefulset not")


def miniotenant(obj: View) -> Health:
    state = obj.map("status").text("currentState")
    said = f"status.currentState is {state}"
    if not state:
        return progressing("the operator has not taken it up yet")
    if state in ("Initialized", "Ready"):
        return healthy()
    return degraded(said) if state.startswith(_TROUBLE) or tone(state) is Tone.FAILING else progressing(said)
