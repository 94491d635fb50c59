"""The words for health, and which of two is worse."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum


class HealthStatus(StrEnum):
    """In the order of badness: the last is the worst."""

    HEALTHY = "Healthy"
    SUSPENDED = "Suspended"
    PROGRESSING = "Progressing"
    MISSING = "Missing"
    DEGRADED = "Degraded"
    UNKNOWN = "Unknown"


_MAX_MESSAGE = 1000
_BADNESS = {status: badness for badness, status in enumerate(HealthStatus)}


@dataclass(frozen=True, slots=True)
class Health:
    status: HealthStatus
    message: str = ""
    """Why, for a person who has to do something about it; mostly empty when Healthy."""


def worst(statuses: Iterable[HealthStatus]) -> HealthStatus:
    """Return the worst status, Healthy when there are none."""
    return max(statuses, key=_BADNESS.__getitem__, default=HealthStatus.HEALTHY)


def worst_of(healths: Collection[Health]) -> Health:
    """Return the worst health, Healthy when there are none. Several that are as bad put their messages together."""
    status = worst(h.status for h in healths)
    messages = dict.fromkeys(h.message for h in healths if h.status is status and h.message)
    return Health(status, cut("; ".join(messages), _MAX_MESSAGE))


def cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:limit] + "…"


def healthy(message: str = "") -> Health:
    return Health(HealthStatus.HEALTHY, message)


def suspended(message: str) -> Health:
    return Health(HealthStatus.SUSPENDED, message)


def progressing(message: str) -> Health:
    return Health(HealthStatus.PROGRESSING, message)


def degraded(message: str) -> Health:
    return Health(HealthStatus.DEGRADED, message)


def unknown(message: str) -> Health:
    return Health(HealthStatus.UNKNOWN, message)
