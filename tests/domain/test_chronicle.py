"""Which news about an operation is an event, and what it says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hub.domain.chronicle import failure_event, operation_events
from hub.domain.operation import OperationKind, OperationPhase, OperationState
from hub.domain.revision import Revision, SourceRevision

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=9)


def state(id: str = "a", phase: OperationPhase = OperationPhase.RUNNING, **values: Any) -> OperationState:
    given: dict[str, Any] = {
        "revision": Revision((SourceRevision("https://git.example/shop.git", "c0ffee0" + "1" * 33),)),
        "initiated_by": "ada",
        "started_at": NOON,
        "finished_at": NOON + timedelta(minutes=1) if phase.finished else None,
    }
    return OperationState(id, OperationKind.SYNC, phase, **(given | values))


def reasons(before: OperationState | None, now: OperationState) -> list[str]:
    return [event.reason for event in operation_events("argocd/web", "u1", before, now, LATER)]


def test_an_operation_begins_and_ends() -> None:
    (began,) = operation_events("argocd/web", "u1", state("b", started_at=NOON - timedelta(days=1)), state(), LATER)
    assert (began.reason, began.severity, began.at, began.cluster, began.application, began.actor) == (
        "OperationStarted",
        "info",
        NOON,
        "u1",
        "argocd/web",
        "ada",
    )
    assert began.message == "sync of application web at revision c0ffee0 began"
    done = state(phase=OperationPhase.SUCCEEDED, message="synced")
    (ended,) = operation_events("argocd/web", "u1", state(), done, LATER)
    assert (ended.reason, ended.at) == ("OperationSucceeded", NOON + timedelta(minutes=1))
    assert ended.message == "sync of application web at revision c0ffee0 succeeded: synced"


def test_what_was_over_before_it_was_heard_of_is_told_whole() -> None:
    assert reasons(None, state(phase=OperationPhase.FAILED)) == ["OperationStarted", "OperationFailed"]
    assert reasons(None, state(phase=OperationPhase.ERROR)) == ["OperationStarted", "OperationFailed"]
    assert reasons(state(), state(phase=OperationPhase.TERMINATING)) == ["OperationTerminating"]


def test_what_was_told_is_not_told_again() -> None:
    done = state(phase=OperationPhase.SUCCEEDED)
    assert reasons(done, done) == []
    assert reasons(state(), state(done=2)) == []
    assert reasons(state("newer", started_at=LATER), done) == []


def test_another_attempt_ends_once_more() -> None:
    failed = state(phase=OperationPhase.FAILED)
    assert reasons(failed, state(attempt=2)) == []
    assert reasons(state(attempt=2), state(phase=OperationPhase.FAILED, attempt=2)) == ["OperationFailed"]


def test_a_clock_that_is_ahead_is_not_believed_and_text_is_bounded() -> None:
    ahead = state(started_at=LATER + timedelta(days=999), initiated_by="a\n" * 100)
    (began,) = operation_events("argocd/web", "u1", None, ahead, LATER)
    assert began.at == LATER and began.actor == "a" * 32
    failed = state(phase=OperationPhase.FAILED, message="x\n" * 5000, dry_run=True, partial=True)
    event = failure_event("team/web", "", failed, LATER)
    assert (event.reason, event.severity, len(event.message)) == ("OperationFailed", "warning", 500)
    assert event.message.startswith(
        "dry-run sync of some resources of application team/web at revision c0ffee0 failed: x x"
    )
