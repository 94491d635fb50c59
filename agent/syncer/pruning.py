"""Deleting what an application tracks and is not assigned any more: exactly that, as it was judged, or nothing."""

from __future__ import annotations

from agent.engine.operation import Phase, ResultStatus
from agent.engine.reconcile import Live, left_because
from agent.engine.tasks import Task
from agent.kube import errors
from agent.kube.client import DeleteOptions, Kind, KubeClient
from agent.syncer.ledger import Ledger
from agent.syncer.live import live_of
from agent.syncer.orders import Order
from agent.syncer.patience import Patience

TRIES = 5
"""Of an object that others change all the time, before a pause."""


class Pruner:
    """Of one operation."""

    def __init__(
        self, client: KubeClient, patience: Patience, ledger: Ledger, order: Order, tracking_name: str
    ) -> None:
        self._client = client
        self._patience = patience
        self._ledger = ledger
        self._order = order
        self._name = tracking_name

    async def prune(self, task: Task) -> None:
        """Begin the end of one object. Raises KubeError, Terminated."""
        live = task.pair.live
        assert live is not None
        group, kind_name = task.key.group, task.key.kind
        if live.deleting:
            self._ledger.record(task, ResultStatus.PRUNED, "is being deleted already", Phase.RUNNING)
            return
        kind = (await self._client.discover()).find(group, live.version, kind_name)
        if kind is None:
            raise errors.KindUnknown(f"the cluster serves no kind {kind_name} in {group or 'core'}/{live.version}")
        self._patience.check()
        status, message, state = await self._patience.request(lambda: self._delete(kind, live))
        self._ledger.forget(task.key)
        self._ledger.record(task, status, message, state)

    async def _delete(self, kind: Kind, live: Live) -> tuple[ResultStatus, str, Phase]:
        """Delete exactly this object, as it was judged: whatever has its name now is left, and so is one that meanwhile
        became another application's, or asks to be left. What is known of it may be as old as the watch is late."""
        key, version = live.key, live.resource_version
        for _ in range(TRIES):
            options = DeleteOptions(self._order.propagation, uid=live.uid, resource_version=version)
            try:
                deleted = await self._client.delete(kind, key.namespace, key.name, options)
                return ResultStatus.PRUNED, "pruned" if deleted else "was gone already", Phase.RUNNING
            except errors.Conflict:
                found = await self._client.get(kind, key.namespace, key.name)
            if found is None or found["metadata"].get("uid") != live.uid:
                return ResultStatus.PRUNED, "was gone already", Phase.SUCCEEDED
            now = live_of(found)
            asks = now.traits.sync_options != live.traits.sync_options
            if asks or left_because(now, ends=self._order.ends) or now.application != self._name:
                return ResultStatus.PRUNE_SKIPPED, "it was changed meanwhile, and is to be left now", Phase.SUCCEEDED
            version = now.resource_version
        raise errors.Conflict(f"{key} changes faster than it can be deleted")
