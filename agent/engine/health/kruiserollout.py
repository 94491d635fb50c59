"""OpenKruise's Rollout: a phase, and the step that a rollout stands at."""

from __future__ import annotations

from typing import Final

from agent.engine.health.model import Health, progressing, suspended
from agent.engine.health.phases import by_phase, phases
from agent.engine.health.reading import View, with_cause
from agent.engine.health.replicas import not_observed

_PHASES: Final = phases(
    healthy="Healthy", progressing="Initial Progressing Terminating Disabling", suspended="Disabled"
)
_PAUSED: Final = "StepPaused"


def kruiserollout(obj: View) -> Health:
    status = obj.map("status")
    behind = not_observed(obj)
    if behind:
        return progressing(behind)
    message, phase = status.text("message"), status.text("phase")
    steps = (status.map(kind).text("currentStepState") for kind in ("canaryStatus", "blueGreenStatus"))
    if phase == "Progressing" and _PAUSED in steps:
        return suspended(with_cause("the rollout is paused at a step", message))
    return by_phase("status.phase", phase, _PHASES, message)
