"""An application that is left as it is, because its annotation says so: what becomes of its assignments, of what was
asked for, and of what people read of it. Pure.

What runs may be ended and confirmed, and nothing begins: no commit, no sync, and nothing that an agent would begin by
itself either, so that whoever has to work on a cluster by hand is not worked against.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from hub.domain.application import Application, skip_words
from hub.domain.assignment import Assignment, AssignmentContent
from hub.domain.operation import OperationRequest
from hub.domain.status import Condition, ConditionType, RefreshState
from hub.reconcile.requests import Wanted, settle
from hub.reconcile.unassignable import Conclusion, Found, conclude


@dataclass(frozen=True, slots=True)
class Standstill:
    """What is to be written of an application that is left as it is."""

    contents: list[tuple[str, AssignmentContent]]
    """(cluster uid, content) of those assignments that say something else than before."""
    conclusions: list[Conclusion]
    state: RefreshState


def leave_alone(
    application: Application,
    existing: Collection[Assignment],
    requests: Sequence[OperationRequest],
    before: RefreshState | None,
    now: datetime,
) -> Standstill:
    """Work out a standstill. `requests` are newest first."""
    words = skip_words(application)
    # One that is held back waits for Git, and one that is ended goes on ending.
    standing = {a.cluster: a.content for a in existing if not a.held and a.content.deletion is None}
    contents = {uid: _unmoved(application, content, uid, requests) for uid, content in standing.items()}
    found = Found(
        targets=standing.keys(),
        settled=_operations(standing),
        assigned=_operations(contents),
        reasons=dict.fromkeys(standing, words),
        overall=words,
        passed={uid: content.passed_over for uid, content in standing.items()},
    )
    return Standstill(
        contents=[(uid, content) for uid, content in contents.items() if content != standing[uid]],
        conclusions=conclude(str(application.id), requests, found, now),
        state=_told(application, before, words, now),
    )


def was_left_alone(before: RefreshState | None) -> bool:
    """Whether the last look at an application left it as it was."""
    return before is not None and any(c.type == ConditionType.SKIP_RECONCILE_WARNING for c in before.conditions)


def _unmoved(
    application: Application, content: AssignmentContent, uid: str, requests: Sequence[OperationRequest]
) -> AssignmentContent:
    found = settle(requests, content.operation, uid, (), content.passed_over)
    return replace(
        content,
        operation=content.operation if isinstance(found, Wanted) else found,
        policy=replace(content.policy, automated=None),
        approved_at=application.deletion_approved_at,
    )


def _operations(contents: Mapping[str, AssignmentContent]) -> dict[str, OperationRequest]:
    return {uid: content.operation for uid, content in contents.items() if content.operation is not None}


def _told(application: Application, before: RefreshState | None, words: str, now: datetime) -> RefreshState:
    """Return what was found at the last look, and that it was the last one for now."""
    known = before or RefreshState(str(application.id))
    type = ConditionType.SKIP_RECONCILE_WARNING
    since = next((c.last_transition_at for c in known.conditions if c.type == type), now)
    others = tuple(c for c in known.conditions if c.type != type)
    return replace(known, conditions=(Condition(type, words, since), *others))
