"""Namespace: there, or on its way out and held up by something."""

from __future__ import annotations

from agent.engine.health.conditions import conditions
from agent.engine.health.model import Health, healthy, progressing
from agent.engine.health.reading import View, with_cause


def namespace(obj: View) -> Health:
    status = obj.map("status")
    if status.text("phase") != "Terminating":
        return healthy()
    held_up = [c.message or c.reason for c in conditions(status).values() if c.true]
    return progressing(with_cause("the namespace is being deleted", "; ".join(held_up)))
