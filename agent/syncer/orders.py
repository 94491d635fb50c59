"""What an operation is to do, made from what was asked for or from the policy. Pure."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from agent.engine.assignment import Assignment, ManifestSetRef, OperationRequest, Revision
from agent.engine.operation import OperationState
from agent.engine.resource import ResourceKey


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
    force: bool = False
    create_namespace: bool = False
    only: frozenset[ResourceKey] | None = None
    propagation: str = "foreground"
    automated: bool = False
    """The one attempt that is made by itself for a revision and its parameters."""
    checked: bool = False
    """The manifests have just been through a dry run: self-heal needs no second one."""


def requested_order(assignment: Assignment, request: OperationRequest) -> Order:
    return Order(
        id=request.id,
        kind=request.kind,
        initiated_by=request.initiated_by,
        ref=request.manifest_set,
        revision=request.revision,
        prune=request.prune,
        dry_run=request.dry_run,
        force=request.force,
        create_namespace=_creates_namespace(assignment, request.sync_options),
        only=frozenset(request.resources) or None,
        propagation=_propagation(assignment),
    )


def automated_order(assignment: Assignment, last: OperationState | None) -> Order:
    """An automated sync; one that was running when the agent died goes on under its id."""
    running = last is not None and not last.phase.finished and last.initiated_by == "automated" and last.kind == "sync"
    return Order(
        id=last.id if running and last is not None else str(uuid.uuid4()),
        kind="sync",
        initiated_by="automated",
        ref=assignment.manifest_set,
        revision=assignment.revision,
        prune=assignment.policy.prune,
        create_namespace=_creates_namespace(assignment, ()),
        propagation=_propagation(assignment),
        automated=True,
    )


def heal_order(assignment: Assignment, keys: frozenset[ResourceKey]) -> Order:
    return Order(
        id=str(uuid.uuid4()),
        kind="self-heal",
        initiated_by="automated",
        ref=assignment.manifest_set,
        revision=assignment.revision,
        prune=False,
        create_namespace=_creates_namespace(assignment, ()),
        only=keys,
        checked=True,
    )


def deletion_order(propagation: str) -> Order:
    return Order(
        id=str(uuid.uuid4()),
        kind="delete",
        initiated_by="automated",
        ref=ManifestSetRef("", "", "", 0),
        revision=Revision(),
        prune=True,
        propagation=propagation,
        checked=True,
    )


def _creates_namespace(assignment: Assignment, extra: tuple[str, ...]) -> bool:
    return "CreateNamespace=true" in {o.replace(" ", "") for o in (*extra, *assignment.policy.sync_options)}


def _propagation(assignment: Assignment) -> str:
    return assignment.policy.option("PrunePropagationPolicy") or "foreground"
