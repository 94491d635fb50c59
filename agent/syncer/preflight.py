"""Before the first write: the API server is asked about everything an operation will apply, by dry runs.

One refusal ends the operation with nothing changed. What the operation itself will bring, a namespace or a kind,
cannot be asked about before it is there; that, and nothing else, is left for later.
"""

from __future__ import annotations

from collections.abc import Callable

from agent.engine.drift import content_hash
from agent.engine.operation import UNCHANGED, ResultStatus
from agent.engine.reconcile import Pair
from agent.engine.resource import GroupKind, Object, ResourceKey, tracked_by
from agent.kube import errors
from agent.kube.client import Kind
from agent.syncer.context import Context
from agent.syncer.judge import DRY_RUN
from agent.syncer.ledger import Ledger
from agent.syncer.orders import Order
from agent.syncer.patience import Patience
from agent.syncer.targets import CRD, Manifests, Targets

NAMESPACE = GroupKind("", "Namespace")


class Preflight:
    """Checks what one operation would apply."""

    def __init__(
        self,
        context: Context,
        patience: Patience,
        ledger: Ledger,
        manifests: Manifests,
        order: Order,
        mine: str,
    ) -> None:
        self._client = context.client
        self._patience = patience
        self._ledger = ledger
        self._manifests = manifests
        self._order = order
        self._mine = mine
        self._assigned = context.assigned
        self._targets: Targets | None = None
        self.taken_over: set[ResourceKey] = set()
        """Objects that are there, and not this application's yet."""
        self._coming_namespaces: frozenset[str] = frozenset()
        self._coming_kinds: frozenset[GroupKind] = frozenset()

    async def begin(self, targets: Targets, live: Callable[[ResourceKey], bool]) -> None:
        """Find out what the operation will bring. `live` says whether an object is known to be there."""
        self._targets = targets
        if any(_group_kind(key) == CRD for key in targets.resources):
            self._coming_kinds = frozenset(_group_kind(key) for key in targets.unserved)
        brought = [k for k in targets.resources if _group_kind(k) == NAMESPACE and not live(k)]
        coming = [k.name for k in brought if await self._absent(targets.kinds[k], k)]
        self._coming_namespaces = frozenset(coming)

    async def _absent(self, kind: Kind, key: ResourceKey) -> bool:
        return await self._patience.request(lambda: self._client.get(kind, key.namespace, key.name)) is None

    async def check(self, pair: Pair) -> None:
        """Ask about one resource. Raises KubeError, Terminated, StepFailed."""
        assert pair.target is not None and self._targets is not None
        kind = self._targets.kinds.get(pair.key)
        if kind is None:
            if _group_kind(pair.key) not in self._coming_kinds:
                raise _unserved(pair)
            return
        if pair.live is None and pair.key.namespace in self._coming_namespaces:
            return
        manifest = self._manifests.get(pair)
        try:
            predicted = await self._patience.request(lambda: self._client.apply(kind, manifest, DRY_RUN))
        except errors.Permanent as error:
            if pair.live is None and await self._left_to_another(kind, pair):
                return
            if not self._order.replaces_after(error.message):
                raise
            self._note(pair, "would be replaced")
            return
        # Of an object that is not there yet, a dry run gives no version.
        if pair.live is None and predicted["metadata"].get("resourceVersion"):
            if await self._left_to_another(kind, pair):
                return
            self.taken_over.add(pair.key)
        self._compare(pair, predicted)

    async def _left_to_another(self, kind: Kind, pair: Pair) -> bool:
        """Say whether another application of this cluster has the object; then it is left to that one."""
        found = await self._patience.request(lambda: self._client.get(kind, pair.key.namespace, pair.key.name))
        owner = tracked_by(found) if found is not None else None
        if owner is None or owner == self._mine or not self._assigned(owner):
            return False
        self._ledger.refuse_shared(pair, owner)
        return True

    def _compare(self, pair: Pair, predicted: Object) -> None:
        assert pair.target is not None
        live, hash_ = pair.live, content_hash(predicted)
        if live is not None and live.content_hash == hash_ and not live.deleting:
            self._ledger.settle(pair, pair.target.digest, hash_, UNCHANGED)
        else:
            self._note(pair, "would be created" if live is None else "would be changed")

    def _note(self, pair: Pair, message: str) -> None:
        if self._order.dry_run:
            self._ledger.record(pair, ResultStatus.SYNCED, message)


def _unserved(pair: Pair) -> errors.KindUnknown:
    assert pair.target is not None
    what = f"{pair.key.kind} in {pair.key.group or 'core'}/{pair.target.version}"
    return errors.KindUnknown(
        f"the cluster serves no kind {what}; install its CRD first, or put it into this application"
    )


def _group_kind(key: ResourceKey) -> GroupKind:
    return GroupKind(key.group, key.kind)
