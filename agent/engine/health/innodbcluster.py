"""MySQL's InnoDBCluster."""

from __future__ import annotations

from typing import Final

from agent.engine.health.model import Health
from agent.engine.health.phases import by_phase, phases
from agent.engine.health.reading import View

_STATES: Final = phases(
    healthy="ONLINE",
    progressing="INITIALIZING PENDING FINALIZING",
    degraded="ONLINE_PARTIAL ONLINE_UNCERTAIN OFFLINE OFFLINE_UNCERTAIN NO_QUORUM NO_QUORUM_UNCERTAIN SPLIT_BRAIN "
    "SPLIT_BRAIN_UNCERTAIN INVALID",
    unknown="UNKNOWN",
)


def innodbcluster(obj: View) -> Health:
    return by_phase("status.cluster.status", obj.map("status").map("cluster").text("status"), _STATES)
