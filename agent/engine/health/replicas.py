"""What the kinds that run replicas have in common."""

from __future__ import annotations

from agent.engine.health.reading import View


def not_observed(obj: View) -> str:
    """Say that the controller has not seen the latest change; "" when it has."""
    generation = obj.map("metadata").integer("generation")
    observed = obj.map("status").integer("observedGeneration")
    if observed >= generation:
        return ""
    return f"the controller has not taken up the latest change (generation {generation}, observed {observed})"
