"""The kinds of what an operation applies, those included that it has brought itself: definitions become kinds a moment
after they are applied."""

from __future__ import annotations

from agent.engine.resource import Object, ResourceKey
from agent.engine.tasks import Task
from agent.kube import errors
from agent.kube.client import Discovery, Kind, KubeClient
from agent.syncer.ledger import StepFailed
from agent.syncer.patience import Patience
from agent.syncer.served import Served

ESTABLISHED_SECONDS = 30.0
SERVED_SECONDS = 15.0
"""How long a kind may be missing from discovery after its CRD was established: servers under load take seconds."""
SERVED_POLL_SECONDS = 0.5
"""Between two looks at discovery, which is no small answer."""


async def kinds_of(
    step: list[Task], found: dict[ResourceKey, Kind], served: Served, patience: Patience
) -> dict[ResourceKey, Kind]:
    """Return the kinds of a step's resources, as far as they are served; `found` takes up those that have come. Raises
    KubeError, Terminated."""
    kinds = {task.key: found[task.key] for task in step if task.key in found}
    missing = [task for task in step if task.key not in kinds]

    def are_served(discovery: Discovery) -> bool:
        for task in missing:
            assert task.pair.target is not None
            kind = discovery.find(task.key.group, task.pair.target.version, task.key.kind)
            if kind is not None:
                kinds[task.key] = kind
        return len(kinds) == len(step)

    if missing:
        # What stays missing is told of each resource.
        await patience.until(lambda: served.fresh(0.0), are_served, SERVED_SECONDS, every=SERVED_POLL_SECONDS)
        found |= kinds
    return kinds


async def wait_established(client: KubeClient, kind: Kind, key: ResourceKey, patience: Patience) -> None:
    """Wait until a definition is in force. Raises StepFailed, Terminated."""

    def established(found: Object | None) -> bool:
        conditions = ((found or {}).get("status") or {}).get("conditions") or []
        return any(c.get("type") == "Established" and c.get("status") == "True" for c in conditions)

    try:
        if await patience.until(lambda: client.get(kind, key.namespace, key.name), established, ESTABLISHED_SECONDS):
            return
    except errors.KubeError as error:
        raise StepFailed(f"{key}: {error}", retryable=isinstance(error, errors.Retryable)) from error
    raise StepFailed(f"waited {ESTABLISHED_SECONDS:.0f} s for {key} to be established", retryable=True)
