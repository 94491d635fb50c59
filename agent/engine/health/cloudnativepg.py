"""CloudNativePG: clusters, whose phase is a sentence, and what is declared inside of them."""

from __future__ import annotations

from typing import Final

from agent.engine.health.conditions import conditions
from agent.engine.health.model import Health, degraded, healthy, progressing, suspended
from agent.engine.health.reading import View, with_cause
from agent.engine.health.wording import Tone, tone

_HEALTHY: Final = "Cluster in healthy state"
_SUSPENDED: Final = frozenset({"Waiting for user action"})
_DEGRADED: Final = (
    "Cluster cannot",
    "Cluster has incomplete or invalid image catalog",
    "Cluster is in an unrecoverable state",
    "Failing over",
    "Not enough disk space",
    "Unable to create required cluster objects",
    "Unknown plugin",
)
"""How the phases of trouble begin; every other phase is on its way to somewhere."""


def cluster(obj: View) -> Health:
    status = obj.map("status")
    reported = conditions(status)
    hibernated = reported.get("cnpg.io/hibernation")
    if hibernated is not None and hibernated.true:
        return suspended(with_cause("the cluster is hibernated", hibernated.cause()))
    phase, reason = status.text("phase"), status.text("phaseReason")
    if not phase:
        return progressing("the operator has not taken up the cluster yet")
    if phase in _SUSPENDED:
        return suspended(with_cause(f"status.phase is {phase}", reason))
    if phase.startswith(_DEGRADED) or tone(phase) is Tone.FAILING:
        return degraded(with_cause(f"status.phase is {phase}", reason))
    if phase != _HEALTHY:
        return progressing(with_cause(f"status.phase is {phase}", reason))
    ready = reported.get("Ready")
    return healthy() if ready is None or ready.true else progressing(ready.words())


def declared(obj: View) -> Health:
    """Judge a Database, Publication or Subscription."""
    status = obj.map("status")
    if not status.has("applied"):
        return progressing("the operator has not applied it yet")
    return healthy() if status.flag("applied") else degraded(with_cause("it is not applied", status.text("message")))
