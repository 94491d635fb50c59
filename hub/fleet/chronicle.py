"""Operations on clusters, told as events once each, however often agents report them.

What was told of a cluster's newest operation is remembered here, and where it is not, as after a restart, the status
that is stored says it: an agent that comes back tells all of it again, and nobody wants to read that.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta

from hub.domain.access import Event
from hub.domain.chronicle import operation_events
from hub.domain.operation import OperationState
from hub.domain.status import ApplicationStatus
from hub.fleet.incidents import Incidents
from hub.pki.limits import Allowance
from hub.store.contract import Store

PER_HOUR = 10_000
"""Events about one cluster: two for each sync of a thousand applications, five times an hour. An agent that has more
to tell makes it up."""
_REMEMBERED = 5_000

Pair = tuple[str, str]
"""(cluster uid, application id)"""


class Chronicle:
    """One per gateway."""

    def __init__(self, store: Store, incidents: Incidents, clock: Callable[[], datetime] = lambda: datetime.now(UTC)):
        self._store = store
        self._incidents = incidents
        self._clock = clock
        self._allowance = Allowance(PER_HOUR, timedelta(hours=1))
        self._notices = Allowance(1, timedelta(hours=1))
        self._newest: OrderedDict[Pair, OperationState] = OrderedDict()

    async def news(
        self,
        statuses: Mapping[Pair, ApplicationStatus],
        finished: Mapping[tuple[str, str, str], OperationState],
    ) -> list[Event]:
        """Return what is to be told of operations, by what agents report now; to be asked before that is stored.
        `finished`: (cluster uid, application id, operation id) → state. Raises HubError."""
        reported: defaultdict[Pair, dict[str, OperationState]] = defaultdict(dict)
        for (cluster, application, id), state in finished.items():
            reported[cluster, application][id] = state
        for pair, status in statuses.items():
            if status.operation is not None:
                reported[pair].setdefault(status.operation.id, status.operation)
        changed = {pair: states for pair, states in reported.items() if self._may_be_news(pair, states.values())}
        before = await self._before(changed.keys())
        now = self._clock()
        return [event for pair, states in changed.items() for event in self._told(pair, before.get(pair), states, now)]

    def _may_be_news(self, pair: Pair, states: Collection[OperationState]) -> bool:
        known = self._newest.get(pair)
        return known is None or any((known.id, known.phase) != (state.id, state.phase) for state in states)

    async def _before(self, pairs: Collection[Pair]) -> dict[Pair, OperationState]:
        before = {pair: self._newest[pair] for pair in pairs if pair in self._newest}
        if unknown := [pair for pair in pairs if pair not in before]:
            for status in await self._store.get_statuses(unknown):
                if status.operation is not None:
                    before[status.cluster, status.application] = status.operation
        return before

    def _told(
        self, pair: Pair, before: OperationState | None, states: Mapping[str, OperationState], now: datetime
    ) -> Iterable[Event]:
        cluster, application = pair
        earliest = datetime.min.replace(tzinfo=UTC)
        for state in sorted(states.values(), key=lambda state: state.started_at or earliest):
            events = operation_events(application, cluster, before, state, now)
            yield from self._allowed(cluster, events, now)
            if events or before is None or before.id == state.id:
                before = state
        if before is not None:
            # Of the rest of it nothing is compared, and a result for each resource is a lot.
            self._newest[pair] = OperationState(before.id, before.kind, before.phase, started_at=before.started_at)
            self._newest.move_to_end(pair)
            if len(self._newest) > _REMEMBERED:
                self._newest.popitem(last=False)

    def _allowed(self, cluster: str, events: Iterable[Event], now: datetime) -> Iterable[Event]:
        for event in events:
            if self._allowance.take(cluster, now):
                yield event
                continue
            if not self._notices.take(cluster, now):
                return
            message = (
                f"more than {PER_HOUR} events of operations on the cluster within an hour: the others are not told"
            )
            dropped = self._incidents.event("OperationEventsDropped", message, cluster=cluster)
            if dropped is not None:
                yield dropped
