"""What an operation is to do, made from what was asked for or from the policy. Pure."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, replace
from typing import Final

from agent.engine.assignment import Assignment, ManifestSetRef, OperationRequest, Retry, Revision
from agent.engine.operation import OperationState, Phase
from agent.engine.options import SyncOptions, read_options
from agent.engine.resource import ResourceKey

AUTOMATED: Final = "automated"
"""Who initiated what nobody asked for."""


@dataclass(frozen=True, slots=True)
class Order:
    """What an operation is to do."""

    id: str
    kind: str
    """sync | rollback | self-heal | delete"""
    initiated_by: str
    ref: ManifestSetRef
    revision: Revision
    prune: bool
    dry_run: bool = False
    options: SyncOptions = SyncOptions()
    only: frozenset[ResourceKey] | None = None
    automated: bool = False
    """The one attempt that is made by itself for a revision and its parameters."""
    retry: Retry | None = None
    """Of what somebody asked for: how it is tried again when it fails."""
    checked: bool = False
    """The manifests have just been through a dry run: self-heal needs no second one."""

    @property
    def manual(self) -> bool:
        """Whether somebody asked for it."""
        return self.initiated_by != AUTOMATED

    @property
    def ends(self) -> bool:
        """Whether it is the end of the application here."""
        return self.kind == "delete"

    @property
    def propagation(self) -> str:
        """foreground | background | orphan"""
        return self.options.propagation


def count_fixed(refusal: str) -> int:
    """Say of how many fields an API server's words are that they cannot be changed once they are set."""
    return sum(1 for _ in _FIXED.finditer(refusal))


_FIXED = re.compile(
    r"(?<!`)immutable|may not (be )?changed?\b|cannot be (changed|updated)|cannot change\b"
    r"|updates? to .* (is|are) forbidden|pod updates may not",
    re.IGNORECASE,
)


def requested_order(assignment: Assignment, request: OperationRequest, attempt: int = 1) -> Order:
    """A later attempt is for what is assigned by then, where that was asked for."""
    renewed = attempt > 1 and request.retry is not None and request.retry.refresh
    options = read_options(assignment.policy.sync_options, request.sync_options)
    return Order(
        id=request.id,
        kind=request.kind,
        initiated_by=request.initiated_by,
        ref=assignment.manifest_set if renewed else request.manifest_set,
        revision=assignment.revision if renewed else request.revision,
        retry=request.retry,
        prune=request.prune and options.prune != "false",
        dry_run=request.dry_run,
        options=replace(options, force=options.force or request.force),
        only=frozenset(request.resources) or None,
    )


def automated_order(assignment: Assignment, last: OperationState | None) -> Order:
    """An automated sync; one to the same set that was running when the agent died goes on under its id."""
    options = read_options(assignment.policy.sync_options)
    return Order(
        id=_goes_on(last, "sync", assignment.manifest_set.digest) or str(uuid.uuid4()),
        kind="sync",
        initiated_by=AUTOMATED,
        ref=assignment.manifest_set,
        revision=assignment.revision,
        prune=assignment.policy.prune and options.prune != "false",
        options=options,
        automated=True,
    )


def heal_order(assignment: Assignment, keys: frozenset[ResourceKey]) -> Order:
    return Order(
        id=str(uuid.uuid4()),
        kind="self-heal",
        initiated_by=AUTOMATED,
        ref=assignment.manifest_set,
        revision=assignment.revision,
        prune=False,
        options=read_options(assignment.policy.sync_options),
        only=keys,
        checked=True,
    )


def deletion_order(assignment: Assignment, last: OperationState | None) -> Order:
    """Delete everything; a deletion that was running when the agent died goes on under its id."""
    return Order(
        id=_goes_on(last, "delete", "") or str(uuid.uuid4()),
        kind="delete",
        initiated_by=AUTOMATED,
        ref=ManifestSetRef("", "", "", 0),
        revision=Revision(),
        prune=True,
        options=replace(
            read_options(assignment.policy.sync_options),
            propagation=assignment.deletion.propagation if assignment.deletion is not None else "foreground",
        ),
        checked=True,
    )


def withdrawn(assignment: Assignment, request: OperationRequest, now_ms: int) -> OperationState:
    """Return the end of an operation that was terminated before it began."""
    return unbegun(assignment, request, "terminated on request, before it began", now_ms)


def unbegun(assignment: Assignment, request: OperationRequest, why: str, now_ms: int) -> OperationState:
    """Return the end of an operation that does not begin."""
    return OperationState(
        id=request.id,
        application=assignment.application,
        uid=assignment.uid,
        kind=request.kind,
        phase=Phase.FAILED,
        message=why,
        manifest_set=request.manifest_set.digest,
        revision=request.revision,
        initiated_by=request.initiated_by,
        started_ms=now_ms,
        finished_ms=now_ms,
        dry_run=request.dry_run,
        partial=bool(request.resources),
    )


def _goes_on(last: OperationState | None, kind: str, manifest_set: str) -> str:
    """Return the id of the operation that was running when the agent died, if it is this one."""
    if last is None or last.phase.finished or last.initiated_by != AUTOMATED:
        return ""
    return last.id if (last.kind, last.manifest_set) == (kind, manifest_set) else ""


def deletes_resources(assignment: Assignment) -> bool:
    """Say whether the end of an application deletes what it put here."""
    cascade = assignment.deletion is not None and assignment.deletion.cascade
    return cascade and read_options(assignment.policy.sync_options).delete != "false"
