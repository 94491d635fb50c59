"""What was asked for and cannot be assigned: which requests end, where, and in what words. Pure, but for
writing that down.

A request that stayed would begin by itself on the day somebody mends what is wrong, with whatever Git says then.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from hub.domain.chronicle import failure_event
from hub.domain.operation import OperationRequest, RequestFailure, failed_state
from hub.reconcile.requests import Wanted, settle
from hub.store.contract import Store

MOST_REASONS = 20
"""Different ones that are kept of a request: a project may refuse every cluster in words of its own."""
MESSAGE_LENGTH = 1000
MOST_EVENTS = 20
"""Of one reason: it is told of more clusters at once."""
NOWHERE = "no cluster matches its destinations: correct them, or add a cluster that they mean"
GONE = "the application is not for this cluster any more"
OTHERS = "refused or not rendered like for others: see the conditions of the application"
NO_OTHER = "it could not be assigned to any cluster"


@dataclass(frozen=True, slots=True)
class Found:
    """What one look at an application came to, by cluster uid."""

    targets: Collection[str]
    """The clusters it is for."""
    settled: Mapping[str, OperationRequest]
    """What their assignments carried before the look; clusters it is no more for are among them."""
    assigned: Mapping[str, OperationRequest]
    """What they carry from now on, where they can be assigned."""
    reasons: Mapping[str, str]
    """Why the others cannot be."""
    overall: str = ""
    """What is wrong with the application as a whole."""
    passed: Mapping[str, str] = field(default_factory=dict)
    """Which request is not for a cluster that came after it had begun: see `passed_over`."""


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What has become of a request."""

    application: str
    request: OperationRequest
    began: bool
    failures: tuple[RequestFailure, ...] = ()


def conclude(application: str, requests: Sequence[OperationRequest], found: Found, now: datetime) -> list[Conclusion]:
    """Return the news about requests, which are newest first."""
    conclusions = []
    for request in requests:
        if request.terminate:
            continue
        began = (
            request.began or _is_among(request, found.settled.values()) or _is_among(request, found.assigned.values())
        )
        failures = _failures(requests, request, found, now, began=began)
        if failures or began is not request.began:
            conclusions.append(Conclusion(application, request, began, failures))
    return conclusions


def postponed(conclusions: Iterable[Conclusion], heard: Collection[str]) -> tuple[list[Conclusion], set[str]]:
    """Return the conclusions without the failures of requests that mean what Git says and were not `heard` yet, by id:
    it may have said something else since it was asked. And the ids of these."""
    kept, early = [], set()
    for conclusion in conclusions:
        if conclusion.failures and conclusion.request.means_newest and conclusion.request.id not in heard:
            early.add(conclusion.request.id)
            conclusion = replace(conclusion, failures=())
        if conclusion.failures or conclusion.began is not conclusion.request.began:
            kept.append(conclusion)
    return kept, early


async def record(store: Store, conclusion: Conclusion, now: datetime) -> None:
    """Write a conclusion down, where people look for it. Raises HubError."""
    application, request = conclusion.application, conclusion.request
    events = []
    for failure in conclusion.failures:
        state = failed_state(request, failure)
        clusters = failure.clusters if 0 < len(failure.clusters) <= MOST_EVENTS else ("",)
        events += [failure_event(application, cluster, state, now) for cluster in clusters]
    # First: a hub that dies in between tells it twice, and never not at all.
    await store.add_events(events)
    await store.conclude_operation_request(
        application, request.id, began=conclusion.began, failures=conclusion.failures
    )


def _failures(
    requests: Sequence[OperationRequest], request: OperationRequest, found: Found, now: datetime, *, began: bool
) -> tuple[RequestFailure, ...]:
    waiting = [uid for uid in request.clusters or found.targets if _waits(requests, request, uid, found)]
    reasons: dict[str, list[str]] = {}
    for uid in sorted(waiting):
        reason = found.reasons.get(uid) or ("" if uid in found.targets else GONE) or found.overall or OTHERS
        if reason not in reasons and len(reasons) >= MOST_REASONS:
            reason = OTHERS
        reasons.setdefault(reason[:MESSAGE_LENGTH], []).append(uid)
    if began:
        return tuple(RequestFailure(reason, now, tuple(uids)) for reason, uids in reasons.items())
    if not waiting:
        # Of several that nobody could begin, the newest is the one that would.
        is_lost = request is requests[0] and not request.clusters and not found.targets and not request.failures
        return (RequestFailure((found.overall or NOWHERE)[:MESSAGE_LENGTH], now),) if is_lost else ()
    if len(reasons) == 1:
        return (RequestFailure(next(iter(reasons)), now),)
    told = [RequestFailure(reason, now, tuple(uids)) for reason, uids in reasons.items()]
    return (*told, RequestFailure(NO_OTHER, now))


def _waits(requests: Sequence[OperationRequest], request: OperationRequest, uid: str, found: Found) -> bool:
    """Whether a cluster would be given this request if it could be given anything."""
    wanted = settle(requests, found.settled.get(uid), uid, (), found.passed.get(uid, ""))
    if not isinstance(wanted, Wanted) or wanted.request.id != request.id:
        return False
    assigned = found.assigned.get(uid)
    return assigned is None or assigned.id != request.id


def _is_among(request: OperationRequest, others: Iterable[OperationRequest]) -> bool:
    return any(other.id == request.id for other in others)
