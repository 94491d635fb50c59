"""Which syncs of one application have to wait for a sync window, and what people are told of that."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from agent.engine.resource import ResourceKey
from agent.syncer.gate import Gate, Hold
from agent.syncer.orders import AUTOMATED
from agent.syncer.standing import Standing

SYNC_WINDOW = "SyncWindowWarning"
MOST_NAMED = 3


class SyncWindows:
    """Asked before an operation begins; one that runs asks the gate itself."""

    def __init__(self, gate: Gate, standing: Standing) -> None:
        self._gate = gate
        self._standing = standing

    def hold(self, *, manual: bool) -> Hold | None:
        """Say why a sync has to wait; None if it may begin, or where it is under way, if it may go on."""
        return self._gate.hold(manual=manual, since_ms=self._begun_ms(manual=manual))

    def hold_healing(self, keys: Collection[ResourceKey]) -> Hold | None:
        """Say why these objects have to stay as they have drifted."""
        hold = self._gate.hold(manual=False)
        if hold is None:
            return None
        names = ", ".join(map(str, sorted(keys)[:MOST_NAMED])) + (" …" if len(keys) > MOST_NAMED else "")
        return hold.about(f"{names} drifted and is not healed")

    def under_way(self, *, manual: bool) -> bool:
        """Say whether there is a sync that is to go on, after the agent was stopped, or for another attempt."""
        return bool(self._begun_ms(manual=manual))

    def tell(self, held: Sequence[Hold] = ()) -> float | None:
        """Tell what waits, or that nothing does any more. Returns the seconds after which to look again."""
        if not held:
            self._standing.clear(SYNC_WINDOW)
            return None
        self._standing.condition(SYNC_WINDOW, "; ".join(hold.message for hold in held))
        return min(hold.seconds for hold in held)

    def _begun_ms(self, *, manual: bool) -> int:
        last = self._standing.operation
        if last is None or last.phase.finished or (last.initiated_by != AUTOMATED) is not manual:
            return 0
        return last.started_ms
