"""Before the first write: the API server is asked about everything an operation will apply, by dry runs.

One refusal ends the operation with nothing changed. What the operation itself will bring, a namespace or a kind,
cannot be asked about before it is there; that, and nothing else, is left for later.
"""

from __future__ import annotations

from collections.abc import Callable

from agent.engine.drift import content_hash
from agent.engine.operation import UNCHANGED, Phase, ResultStatus
from agent.engine.progress import first_look
from agent.engine.resource import GroupKind, Object, ResourceKey, tracked_by
from agent.engine.tasks import Task
from agent.kube import errors
from agent.kube.client import Kind
from agent.syncer.applying import Applier
from agent.syncer.context import Context
from agent.syncer.hooks import Hooks
from agent.syncer.ledger import Ledger
from agent.syncer.orders import Order
from agent.syncer.patience import Patience
from agent.syncer.targets import Manifests, Targets

NAMESPACE = GroupKind("", "Namespace")


class Preflight:
    """Checks what one operation would apply."""

    def __init__(
        self,
        context: Context,
        patience: Patience,
        ledger: Ledger,
        manifests: Manifests,
        applier: Applier,
        hooks: Hooks,
        order: Order,
        mine: str,
    ) -> None:
        self._client, self._live = context.client, context.live
        self._patience = patience
        self._ledger = ledger
        self._manifests = manifests
        self._applier = applier
        self._hooks = hooks
        self._order = order
        self._mine = mine
        self._assigned = context.assigned
        self._targets: Targets | None = None
        self._waits = False
        self.taken_over: set[ResourceKey] = set()
        """Objects that are there, and not this application's yet."""
        self._coming_namespaces: frozenset[str] = frozenset()
        self._coming_kinds: frozenset[GroupKind] = frozenset()

    async def begin(
        self, targets: Targets, live: Callable[[ResourceKey], bool], *, waits: bool, coming: str = ""
    ) -> None:
        """Find out what the operation will bring. `live` says whether an object is known to be there, `waits` whether
        the operation waits for health; `coming` is a namespace that would be made first."""
        self._targets, self._waits = targets, waits
        everything = {**targets.hooks, **targets.resources}
        defined = (target.traits.defines for target in everything.values())
        self._coming_kinds = frozenset(kind for kind in defined if kind is not None)
        brought = [k for k in everything if _group_kind(k) == NAMESPACE and not live(k)]
        absent = [k.name for k in brought if await self._absent(targets.kinds[k], k)]
        self._coming_namespaces = frozenset([*absent, *filter(None, [coming])])

    async def _absent(self, kind: Kind, key: ResourceKey) -> bool:
        return await self._patience.request(lambda: self._client.get(kind, key.namespace, key.name)) is None

    async def check(self, task: Task) -> None:
        """Ask about one resource. Raises KubeError, Terminated, StepFailed."""
        target = task.pair.target
        assert target is not None and self._targets is not None
        kind = self._targets.kinds.get(task.key)
        if kind is None:
            skipped = self._order.options.skips_dry_run(target.traits)
            if _group_kind(task.key) not in self._coming_kinds and not skipped:
                raise _unserved(task)
            self._note(task, "would be created, once the cluster serves its kind")
            return
        if task.pair.live is None and task.key.namespace in self._coming_namespaces:
            self._note(task, f"would be created, once the namespace {task.key.namespace} is")
            return
        if task.hook:
            await self._hooks.rehearse(kind, task)
        else:
            await self._check_object(kind, task)

    async def _check_object(self, kind: Kind, task: Task) -> None:
        pair = task.pair
        assert pair.target is not None
        traits, manifest = pair.target.traits, self._manifests.get(pair)
        try:
            predicted = await self._applier.predict(kind, manifest, traits, exists=pair.live is not None)
        except errors.Permanent as error:
            if pair.live is None and await self.left_to_another(kind, task):
                return
            if not self._applier.may_remake(traits, error):
                raise self._applier.explained(error) from error
            self._note(task, "would be deleted and made anew")
            return
        # Of an object that is not there yet, a dry run gives no version.
        if pair.live is None and predicted["metadata"].get("resourceVersion"):
            if await self.left_to_another(kind, task):
                return
            self.taken_over.add(pair.key)
        self._compare(task, predicted)

    async def left_to_another(self, kind: Kind, task: Task) -> bool:
        """Say whether another application of this cluster has the object; then it is left to that one. Raises
        KubeError, Terminated."""
        key = task.key
        found = await self._patience.request(lambda: self._client.get(kind, key.namespace, key.name))
        owner = tracked_by(found) if found is not None else None
        if owner is None or owner == self._mine or not self._assigned(owner):
            return False
        self._ledger.refuse_shared(task, owner, fails=self._order.options.fail_on_shared)
        return True

    def _compare(self, task: Task, predicted: Object) -> None:
        target, live, hash_ = task.pair.target, task.pair.live, content_hash(predicted)
        assert target is not None
        if live is not None and live.content_hash == hash_ and not live.deleting:
            record = self._live.records.get(task.key)
            state = first_look(record.health if record is not None else None, waits=self._waits)
            self._ledger.settle(task, target.digest, live.judged_hash, UNCHANGED, state)
        else:
            self._note(task, "would be created" if live is None else "would be changed")

    def _note(self, task: Task, message: str) -> None:
        if self._order.dry_run:
            self._ledger.record(task, ResultStatus.SYNCED, message, Phase.SUCCEEDED)


def _unserved(task: Task) -> errors.KindUnknown:
    assert task.pair.target is not None
    what = f"{task.key.kind} in {task.key.group or 'core'}/{task.pair.target.version}"
    return errors.KindUnknown(
        f"the cluster serves no kind {what}; install its CRD first, or put it into this application"
    )


def _group_kind(key: ResourceKey) -> GroupKind:
    return GroupKind(key.group, key.kind)
