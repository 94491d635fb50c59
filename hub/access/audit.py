"""What people did, written down for others to read.

An event that cannot be stored goes to the log instead: the answer somebody waits for does not depend on it.
"""

from __future__ import annotations

import logging

from hub.access.contract import Clock, Recorder
from hub.domain.access import Event
from hub.errors import StoreUnavailable

log = logging.getLogger(__name__)

_MESSAGE = 500
_NAME = 64


class Audit:
    def __init__(self, recorder: Recorder, clock: Clock) -> None:
        self._recorder = recorder
        self._clock = clock

    async def record(
        self,
        reason: str,
        message: str,
        *,
        actor: str = "",
        severity: str = "info",
        application: str = "",
        cluster: str = "",
    ) -> None:
        """Record an event. `reason` is one CamelCase word; `message` is cut and made printable; no secret belongs
        in it."""
        event = Event(
            at=self._clock(),
            severity=severity,
            reason=reason,
            message=printable(message, _MESSAGE),
            cluster=cluster,
            application=application,
            actor=printable(actor),
        )
        try:
            await self._recorder.add_events([event])
        except StoreUnavailable as error:
            log.warning("could not record the event %s (%s): %s", event.reason, event.message, error)


def printable(text: str, limit: int = _NAME) -> str:
    """Return outside text fit for one line."""
    return "".join(c if c.isprintable() else " " for c in text[:limit])
