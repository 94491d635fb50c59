"""What people asked for, settled for one cluster. Pure.

Once settled, a request stays as it is: its id has become part of the assignment, and what it means must not change when
the next commit arrives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hub.domain.assignment import AssignmentContent
from hub.domain.manifest import ManifestSetRef
from hub.domain.operation import HistoryEntry, OperationKind, OperationRequest, history_entry
from hub.domain.revision import Revision


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request that still has to be given its manifest set, and where that comes from."""

    request: OperationRequest
    history: HistoryEntry | None = None
    problem: str = ""


def newest_for(cluster: str, requests: Sequence[OperationRequest]) -> OperationRequest | None:
    """Return the request that counts on a cluster. `requests` are newest first."""
    return next((r for r in requests if not r.clusters or cluster in r.clusters), None)


def passed_over(cluster: str, requests: Sequence[OperationRequest], existing: AssignmentContent | None) -> str:
    """Return the id of the request that counts, where it is not for this cluster; "" where it is, or there is none.

    A sync on all clusters is for those that there are when it begins. One that comes later, maybe after weeks, was not
    meant: under a manual policy nobody has asked for anything there. `existing`: what is assigned as yet.
    """
    newest = newest_for(cluster, requests)
    if newest is None or not newest.began:
        return ""
    if existing is None or existing.deletion is not None:
        return newest.id
    return newest.id if existing.passed_over == newest.id else ""


def settle(
    requests: Sequence[OperationRequest],
    settled: OperationRequest | None,
    cluster: str,
    history: Sequence[HistoryEntry],
    passed: str = "",
) -> Wanted | OperationRequest | None:
    """Return what a cluster's assignment is to carry: a request as settled before, or one still to be settled.

    `requests` and `history` are newest first. `passed`: as `passed_over` says.
    """
    newest = newest_for(cluster, requests)
    if newest is None or newest.id == passed or (settled is not None and newest.id == settled.id):
        return settled
    if newest.failure_on(cluster) is not None:
        return settled
    if newest.terminate:
        if settled is None or settled.requested_at > newest.requested_at:
            return settled
        return replace(settled, terminate=True)
    if settled is not None and settled.requested_at > newest.requested_at:
        return settled
    if newest.kind is OperationKind.ROLLBACK:
        entry = history_entry(history, newest.history_id)
        if entry is None:
            which = f"history entry {newest.history_id}" if newest.history_id else "an earlier history entry"
            return Wanted(newest, problem=f"this cluster has no {which} of the application")
        return Wanted(newest, entry)
    return Wanted(newest)


def complete(request: OperationRequest, ref: ManifestSetRef, revision: Revision, sources: str = "") -> OperationRequest:
    """Settle a request for good. `sources`: digest of what says what the set was made from."""
    return replace(request, manifest_set=ref, revision=revision, sources=sources, clusters=(), began=False, failures=())
