"""Rook's CephCluster: what the operator does, and what Ceph itself says."""

from __future__ import annotations

from typing import Final

from agent.engine.health.model import Health, degraded, healthy, progressing
from agent.engine.health.reading import View, with_cause

_FAILED: Final = frozenset({"Failure", "Error"})


def cephcluster(obj: View) -> Health:
    status = obj.map("status")
    phase, message = status.text("phase"), status.text("message")
    ceph = status.map("ceph")
    said = ceph.text("health")
    if phase in _FAILED:
        return degraded(with_cause(f"status.phase is {phase}", message))
    if said in ("HEALTH_WARN", "HEALTH_ERR"):
        return degraded(with_cause(f"Ceph says {said}", _details(ceph.map("details"))))
    if said == "HEALTH_OK":
        return healthy()
    return progressing(with_cause(f"status.phase is {phase}" if phase else "the operator has not begun", message))


def _details(details: View) -> str:
    """Say what Ceph complains of: {"MON_DOWN": {"message": "1/3 mons down", "severity": "HEALTH_WARN"}}."""
    return "; ".join(with_cause(name, details.map(name).text("message")) for name in sorted(details.data))
