"""Reading `status.conditions`, which nearly every kind reports itself by."""

from __future__ import annotations

from dataclasses import dataclass

from agent.engine.health.reading import Malformed, View, with_cause


@dataclass(frozen=True, slots=True)
class Condition:
    type: str
    status: str
    """"True", "False", "Unknown", or whatever else is written there."""
    reason: str
    message: str
    severity: str = ""
    observed_generation: int | None = None

    @property
    def true(self) -> bool:
        return self.status == "True"

    @property
    def false(self) -> bool:
        return self.status == "False"

    def words(self) -> str:
        """Say the condition: "Ready is False: DoesNotExist: Secret web-tls is not there"."""
        return with_cause(f"{self.type} is {self.status}", self.cause())

    def cause(self) -> str:
        """Say why: "DoesNotExist: Secret web-tls is not there"."""
        return with_cause(self.reason, self.message)


_SPELLINGS = {"true": "True", "false": "False", "unknown": "Unknown"}


def read_condition(view: View) -> Condition:
    """Read one condition; its status may be a boolean, or text in any case. Raises Malformed."""
    status = view.data.get("status")
    text = str(status) if isinstance(status, bool) else view.text("status", "Unknown")
    return Condition(
        type=view.text("type"),
        status=_SPELLINGS.get(text.lower(), text),
        reason=view.text("reason"),
        message=view.text("message"),
        severity=view.text("severity"),
        observed_generation=view.integer("observedGeneration") if view.has("observedGeneration") else None,
    )


def conditions(status: View) -> dict[str, Condition]:
    """Return the conditions of a status by type, the last of a type counting. Raises Malformed."""
    found = [read_condition(view) for view in status.maps("conditions")]
    return {condition.type: condition for condition in found}


def readable_conditions(status: View) -> list[Condition]:
    """Return the conditions that can be read, for kinds whose schema is not known: they owe nobody this form."""
    items = status.data.get("conditions")
    found = []
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict):
            try:
                found.append(read_condition(View(item)))
            except Malformed:
                continue
    return found
