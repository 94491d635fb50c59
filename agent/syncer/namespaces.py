"""The namespace of an application, made where `CreateNamespace=true` asks for it, with the metadata it is to have."""

from __future__ import annotations

from typing import Final

from agent.engine.assignment import Assignment
from agent.engine.resource import Object, ResourceKey
from agent.kube import errors
from agent.kube.client import ApplyOptions, KubeClient
from agent.syncer.ledger import StepFailed
from agent.syncer.patience import Patience
from agent.syncer.targets import Targets

MANAGER: Final = "escadre-agent-namespace"
"""The field manager: apart from the agent's own, under which another application may have the namespace among its
objects."""
APPLY: Final = ApplyOptions(field_manager=MANAGER)


async def ensure_namespace(client: KubeClient, patience: Patience, assignment: Assignment, targets: Targets) -> None:
    """Have the destination's namespace there: a dry run of what goes into it needs it. Raises StepFailed, Terminated.

    One that is there is left as it is, unless `managedNamespaceMetadata` says what it is to have; one that the
    application holds itself is applied with the rest.
    """
    name = assignment.namespace
    if _is_for_others(assignment, targets):
        return
    policy = assignment.policy
    manages = policy.namespace_labels is not None or policy.namespace_annotations is not None
    try:
        kind = (await client.discover()).find("", "v1", "Namespace")
        if kind is None:
            return
        found = await patience.request(lambda: client.get(kind, "", name))
        if found is not None and not manages:
            return
        metadata: Object = {"name": name}
        if policy.namespace_labels:
            metadata["labels"] = dict(policy.namespace_labels)
        if policy.namespace_annotations:
            metadata["annotations"] = dict(policy.namespace_annotations)
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        await patience.request(lambda: client.apply(kind, manifest, APPLY))
    except errors.KubeError as error:
        retryable = isinstance(error, errors.Retryable)
        raise StepFailed(f"namespace {name} could not be created: {error}", retryable=retryable) from error


async def coming_namespace(client: KubeClient, patience: Patience, assignment: Assignment, targets: Targets) -> str:
    """Return the namespace that `ensure_namespace` would make; "" where it would make none. Raises StepFailed,
    Terminated."""
    name = assignment.namespace
    if _is_for_others(assignment, targets):
        return ""
    try:
        kind = (await client.discover()).find("", "v1", "Namespace")
        found = await patience.request(lambda: client.get(kind, "", name)) if kind is not None else None
    except errors.KubeError as error:
        raise StepFailed(f"namespace {name}: {error}", retryable=isinstance(error, errors.Retryable)) from error
    return name if found is None else ""


def _is_for_others(assignment: Assignment, targets: Targets) -> bool:
    """Say whether there is no namespace, or one that the application holds itself."""
    return not assignment.namespace or ResourceKey("", "Namespace", "", assignment.namespace) in targets.resources
