"""The Gateway API's Gateway: its own conditions, and those of each listener, which a gateway that runs has too."""

from __future__ import annotations

from agent.engine.health.conditions import conditions
from agent.engine.health.conventional_conditions import by_conditions
from agent.engine.health.model import Health, progressing, worst_of
from agent.engine.health.reading import View, with_cause


def gateway(obj: View) -> Health:
    status, generation = obj.map("status"), obj.map("metadata").integer("generation")
    own = by_conditions(list(conditions(status).values()), generation)
    if own is None:
        return progressing("its controller has not reported yet")
    healths = [own]
    for listener in status.maps("listeners"):
        judged = by_conditions(list(conditions(listener).values()), generation)
        if judged is not None:
            where = f"listener {listener.text('name')}"
            healths.append(Health(judged.status, with_cause(where, judged.message) if judged.message else ""))
    return worst_of(healths)
