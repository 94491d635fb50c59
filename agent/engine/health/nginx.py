"""Resources of the NGINX Ingress Controller: whether its configuration serves them.

A warning may be about something that is served all the same, and about something that is not; its reason tells.
"""

from __future__ import annotations

from typing import Final

from agent.engine.health.model import Health, degraded, healthy, progressing
from agent.engine.health.phases import by_phase, phases
from agent.engine.health.reading import View, with_cause

_STATES: Final = phases(healthy="Valid", degraded="Invalid")
_REJECTED: Final = frozenset({"Rejected", "RejectedWithError"})
"""Another resource has the host, or there is no such listener."""
_WAITING: Final = frozenset({"BundlePending", "Ignored", "NoVirtualServerFound"})
"""A route that no VirtualServer refers to, as while it is made, and a policy whose bundle is being fetched."""


def nginx(obj: View) -> Health:
    status = obj.map("status")
    state, reason, message = (status.text(name) for name in ("state", "reason", "message"))
    if state != "Warning":
        return by_phase("status.state", state, _STATES, reason, message)
    told = with_cause("status.state is Warning", reason, message)
    if reason in _REJECTED:
        return degraded(told)
    return progressing(told) if reason in _WAITING else healthy(told)
