"""Strimzi's KafkaRebalance: the one condition that is true is its state, and some states wait for a person."""

from __future__ import annotations

from typing import Final

from agent.engine.health.conditions import Condition, conditions
from agent.engine.health.model import Health, healthy, progressing, suspended
from agent.engine.health.phases import by_phase, phases
from agent.engine.health.reading import View, with_cause
from agent.engine.health.replicas import not_observed

_STATES: Final = phases(
    healthy="Ready",
    progressing="New PendingProposal ProposalReady Rebalancing",
    suspended="Stopped ReconciliationPaused",
    degraded="NotReady",
)
_TEMPLATE: Final = "strimzi.io/rebalance-template"
_AUTO_APPROVAL: Final = "strimzi.io/rebalance-auto-approval"
_REBALANCE: Final = "strimzi.io/rebalance"


def kafkarebalance(obj: View) -> Health:
    if obj.annotation(_TEMPLATE).lower() == "true":
        # What other rebalances are made from; it is never carried out itself, and never gets a state.
        return healthy()
    status = obj.map("status")
    state = next((c for c in conditions(status).values() if c.true and c.type in _STATES), None)
    if state is None:
        return progressing("its controller has not reported yet")
    if state.type != "ReconciliationPaused" and status.has("observedGeneration") and (behind := not_observed(obj)):
        return progressing(behind)
    return _judged(obj, state)


def _judged(obj: View, state: Condition) -> Health:
    if state.type == "ProposalReady" and not _approved(obj):
        waiting = f"the proposal waits for approval (annotation {_REBALANCE}: approve)"
        return suspended(with_cause(waiting, state.cause()))
    return by_phase("its state", state.type, _STATES, state.cause())


def _approved(obj: View) -> bool:
    """Tell whether a proposal has been approved, now or beforehand; the operator takes that up by itself."""
    return obj.annotation(_AUTO_APPROVAL).lower() == "true" or obj.annotation(_REBALANCE) == "approve"
