"""Kinds that tell their state in one word of their own, from a list that is known."""

from __future__ import annotations

from collections.abc import Mapping

from agent.engine.health.model import Health, HealthStatus, progressing, unknown
from agent.engine.health.reading import with_cause

_MEANING = {
    "healthy": HealthStatus.HEALTHY,
    "progressing": HealthStatus.PROGRESSING,
    "suspended": HealthStatus.SUSPENDED,
    "degraded": HealthStatus.DEGRADED,
    "unknown": HealthStatus.UNKNOWN,
}


def phases(**words: str) -> Mapping[str, HealthStatus]:
    """Make a table: `phases(healthy="Running Ready", degraded="Failed")`."""
    return {word: _MEANING[meaning] for meaning, listed in words.items() for word in listed.split()}


def by_phase(field: str, phase: str, table: Mapping[str, HealthStatus], *said: str) -> Health:
    """Judge by a word; without one the controller has not reported yet, and one that is not listed is Unknown."""
    if not phase:
        return progressing(with_cause("its controller has not reported yet", *said))
    status = table.get(phase)
    if status is None:
        return unknown(with_cause(f"{field} is {phase}, which is not known", *said))
    return Health(status, with_cause(f"{field} is {phase}", *said) if status is not HealthStatus.HEALTHY else "")
