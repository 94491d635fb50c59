"""Resources of AWS Controllers for Kubernetes, whose conditions begin with ACK."""

from __future__ import annotations

from agent.engine.health.conditions import conditions
from agent.engine.health.model import Health, degraded, healthy, progressing
from agent.engine.health.reading import View


def ack(obj: View) -> Health:
    reported = conditions(obj.map("status"))
    for type_ in ("ACK.Terminal", "ACK.Recoverable"):
        trouble = reported.get(type_)
        if trouble is not None and trouble.true:
            return degraded(trouble.words())
    synced = reported.get("ACK.ResourceSynced") or reported.get("Ready")
    if synced is None:
        return progressing("its controller has not reported yet")
    return healthy() if synced.true else progressing(synced.words())
