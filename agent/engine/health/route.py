"""Gateway API routes: one set of conditions for every gateway they are attached to."""

from __future__ import annotations

from agent.engine.health.conditions import conditions
from agent.engine.health.conventional_conditions import by_conditions
from agent.engine.health.model import Health, progressing, worst_of
from agent.engine.health.reading import View, with_cause


def route(obj: View) -> Health:
    generation = obj.map("metadata").integer("generation")
    healths = []
    for parent in obj.map("status").maps("parents"):
        judged = by_conditions(list(conditions(parent).values()), generation)
        if judged is not None:
            where = f"at gateway {parent.map('parentRef').text('name')}"
            healths.append(Health(judged.status, with_cause(where, judged.message) if judged.message else ""))
    return worst_of(healths) if healths else progressing("no gateway has taken it up yet")
