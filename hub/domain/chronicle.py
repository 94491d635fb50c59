"""Operations as events: what is told of one when it begins and when it ends. Pure."""

from __future__ import annotations

from datetime import datetime

from hub.domain.access import Event
from hub.domain.application import ApplicationId
from hub.domain.operation import OperationPhase, OperationState

OPERATION = "Operation"
"""How the reason of each of these events begins; they are kept apart from the others."""
MESSAGE_LENGTH = 500

_VERBS = {
    OperationPhase.SUCCEEDED: ("Succeeded", "succeeded"),
    OperationPhase.FAILED: ("Failed", "failed"),
    OperationPhase.ERROR: ("Failed", "ended with an error"),
    OperationPhase.TERMINATING: ("Terminating", "is being terminated"),
}


def operation_events(
    application: str, cluster: str, before: OperationState | None, state: OperationState, now: datetime
) -> list[Event]:
    """Return what is news about an operation on a cluster (a uid), oldest first. `before`: the newest that was known
    there. What is told again, or of an operation before that one, is none."""
    is_known = before is not None and before.id == state.id
    if before is not None and not is_known and _is_older(state, before):
        return []
    events = []
    if not is_known:
        events.append(_event(application, cluster, state, ("Started", "began"), state.started_at, now))
    if state.phase in _VERBS and not (is_known and before is not None and before.phase is state.phase):
        verb = _VERBS[state.phase]
        events.append(_event(application, cluster, state, verb, state.finished_at, now, state.message))
    return events


def failure_event(application: str, cluster: str, state: OperationState, now: datetime) -> Event:
    """Return the end of an operation that no agent was given. `cluster`: "" for all of the application's."""
    return _event(application, cluster, state, _VERBS[OperationPhase.FAILED], state.finished_at, now, state.message)


def _is_older(state: OperationState, known: OperationState) -> bool:
    return state.started_at is not None and known.started_at is not None and state.started_at < known.started_at


def _event(
    application: str,
    cluster: str,
    state: OperationState,
    verb: tuple[str, str],
    at: datetime | None,
    now: datetime,
    message: str = "",
) -> Event:
    dry = "dry-run " if state.dry_run else ""
    some = "some resources of " if state.partial else ""
    to = f" at revision {state.revision.short}" if state.revision.short else ""
    words = f"{dry}{state.kind} of {some}application {ApplicationId.parse(application).display}{to} {verb[1]}"
    text = f"{words}: {message}" if message else words
    return Event(
        # An agent's clock is not to be believed in where it is ahead: the event would stay the newest for ever.
        at=min(at, now) if at is not None else now,
        severity="warning" if verb[0] == "Failed" else "info",
        reason=OPERATION + verb[0],
        message=_printable(text[:MESSAGE_LENGTH], " "),
        cluster=cluster,
        application=application,
        actor=_printable(state.initiated_by[:64], ""),
    )


def _printable(text: str, instead: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else instead for c in text)
