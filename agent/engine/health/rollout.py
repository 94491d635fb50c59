"""Argo Rollout: says its health itself, as a phase."""

from __future__ import annotations

from agent.engine.health.model import Health, degraded, healthy, progressing, suspended, unknown
from agent.engine.health.reading import View, with_cause


def rollout(obj: View) -> Health:
    status = obj.map("status")
    behind = _behind(obj, status)
    if behind:
        return progressing(behind)
    message = status.text("message")
    match status.text("phase"):
        case "Healthy":
            return healthy(message)
        case "Degraded":
            return degraded(with_cause("the rollout has failed", message))
        case "Paused":
            return suspended(with_cause("the rollout is paused", message))
        case "" | "Progressing":
            return progressing(with_cause("the rollout is going on", message))
        case phase:
            return unknown(with_cause(f"status.phase is {phase}, which a Rollout does not have", message))


def _behind(obj: View, status: View) -> str:
    """Say that the controller has not seen the latest change. It writes the generation as text; once it was a hash."""
    observed = status.text("observedGeneration")
    generation = obj.map("metadata").integer("generation")
    if not (observed.isascii() and observed.isdigit() and len(observed) < 20) or int(observed) >= generation:
        return ""
    return f"the controller has not taken up the latest change (generation {generation}, observed {observed})"
