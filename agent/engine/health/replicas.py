"""What the kinds that run replicas have in common."""

from __future__ import annotations

from typing import Any, Final

from agent.engine.health.reading import View

_COUNTS: Final = {"readyReplicas": "ready", "availableReplicas": "available"}
"""What a status counts, and how that is said; the first that is there counts."""
_TAKEN: Final = "allocatedReplicas"
"""Where replicas are handed out, as game servers are, those in use are no longer among the ready ones."""


def not_observed(obj: View) -> str:
    """Say that the controller has not seen the latest change; "" when it has."""
    generation = obj.map("metadata").integer("generation")
    observed = obj.map("status").integer("observedGeneration")
    if observed >= generation:
        return ""
    return f"the controller has not taken up the latest change (generation {generation}, observed {observed})"


def too_few(spec: Any, status: dict[str, Any]) -> str:
    """Say that fewer replicas run than are asked for, of a kind whose schema is not known; "" when nothing tells that.

    Both have to be whole numbers. A status without a count may have left out a zero, or may never get one.
    """
    wanted = _count(spec.get("replicas")) if isinstance(spec, dict) else None
    counted = next((name for name in _COUNTS if status.get(name) is not None), "")
    running = _count(status.get(counted))
    if wanted is None or running is None or running >= wanted or _TAKEN in status:
        return ""
    return f"{running} of {wanted} replicas are {_COUNTS[counted]}"


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
