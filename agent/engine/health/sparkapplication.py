"""SparkApplication: Spark's jobs and streams. Some of them end and some never do, so running is as it should be."""

from __future__ import annotations

from typing import Final

from agent.engine.health.model import Health
from agent.engine.health.phases import by_phase, phases
from agent.engine.health.reading import View

_STATES: Final = phases(
    healthy="RUNNING COMPLETED",
    progressing="NEW SUBMITTED PENDING PENDING_RERUN PENDING_SUBMISSION INVALIDATING SUCCEEDING RESUMING SUSPENDING",
    degraded="FAILED FAILING SUBMISSION_FAILED FAILED_SUBMISSION",
    suspended="SUSPENDED",
    unknown="UNKNOWN",
)


def sparkapplication(obj: View) -> Health:
    state = obj.map("status").map("applicationState")
    return by_phase("status.applicationState.state", state.text("state"), _STATES, state.text("errorMessage"))
