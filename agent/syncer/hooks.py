"""Running the hooks of one operation: made once, watched to their end, and deleted as their policies say.

That a hook is about to be made is on disk before it is, and its object carries the operation's id: an agent that was
killed in between finds the object, and takes it for its own instead of making another.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from agent.engine.health import Health
from agent.engine.operation import OperationState, Phase, Result
from agent.engine.progress import outcome
from agent.engine.resource import TRACKING_ANNOTATION, GroupKind, Object, ResourceKey, tracked_by, tracking_id
from agent.engine.tasks import Task, TaskId
from agent.engine.traits import CRD, DeletePolicy, traits_of
from agent.kube import errors
from agent.kube.client import DeleteOptions, Kind, KubeClient
from agent.syncer.applying import APPLY, until_gone, with_name
from agent.syncer.context import Context
from agent.syncer.ledger import Ledger
from agent.syncer.orders import Order, count_fixed
from agent.syncer.patience import Patience
from agent.syncer.served import Served
from agent.syncer.targets import Manifests
from agent.syncer.untold import not_told_yet

log = logging.getLogger(__name__)

OPERATION_ANNOTATION: Final = "escadre.io/operation"
"""On the object of a hook: "<operation>/<phase>"."""
TERMINATED: Final = "terminated on request"
HOOKS_LEFT: Final = "; its hooks are ended once the cluster's API takes that: "
GONE_SECONDS: Final = 120.0
SERVED_SECONDS: Final = 2.5
"""How old what discovery says may be of the kind of a hook that an earlier agent had begun."""
LONGEST_NAME: Final = 253
NAME_ROOM: Final = 30
"""Of a generated name, for what is put behind its prefix."""


LABEL: Final = 63
"""Characters that a name may have for certain: some kinds put theirs into labels."""
_BOUND_NAMES: Final = (CRD, GroupKind("apiregistration.k8s.io", "APIService"))
"""Kinds whose objects can have no other name than their own."""


class Hooks:
    """The hooks of one operation."""

    def __init__(
        self,
        context: Context,
        patience: Patience,
        ledger: Ledger,
        manifests: Manifests,
        order: Order,
        tracking_name: str,
    ) -> None:
        self._client: KubeClient = context.client
        self._live = context.live
        self._assigned = context.assigned
        self._patience = patience
        self._ledger = ledger
        self._manifests = manifests
        self._order = order
        self._tracking_name = tracking_name
        self._cleaned: set[TaskId] = set()
        self._tried: set[TaskId] = set()
        """Those that may be there, whatever was answered."""

    def with_patience(self, patience: Patience) -> None:
        """Go on with another patience: the one there was has come to its end."""
        self._patience = patience

    def begin(self, task: Task) -> None:
        """Note that a hook is about to be made. The caller writes that down."""
        manifest = self._manifests.get(task.pair)
        self._ledger.begin_hook(task, self._name(manifest, task))

    def key(self, task: Task) -> ResourceKey:
        """Return the key of the object a hook runs as."""
        result = self._ledger.book.get(task.id)
        return task.key._replace(name=result.name) if result is not None and result.name else task.key

    async def make(self, kind: Kind, task: Task) -> None:
        """Make a hook's object. Raises KubeError, Terminated, IncompleteSet."""
        key, mark = self.key(task), self._mark(task)
        self._tried.add(task.id)
        found = await self._patience.request(lambda: self._client.get(kind, key.namespace, key.name))
        if found is None or _mark_of(found) != mark:
            if found is not None:
                self._refuse_if_foreign(found, key, task)
                # Who is applied onto what is going would go with it.
                if self._replaces(task) or "deletionTimestamp" in found["metadata"]:
                    await self._remove(kind, key, found["metadata"]["uid"], wait=True)
            manifest = self._manifest(task, key, mark)
            found = await self._patience.request(lambda: self._client.apply(kind, manifest, APPLY))
        self._live.note(found)
        self._ledger.hook_made(task, found["metadata"].get("uid", ""))

    async def rehearse(self, kind: Kind, task: Task) -> None:
        """Ask by a dry run whether a hook could be made. Raises KubeError, Terminated."""
        manifest = self._manifests.get(task.pair)
        key = task.key._replace(name=self._name(manifest, task))
        found = await self._patience.request(lambda: self._client.get(kind, key.namespace, key.name))
        if found is not None:
            self._refuse_if_foreign(found, key, task)
        try:
            await self._ask(kind, task, key)
        except errors.Rejected as error:
            if found is None:
                raise
            if not self._replaces(task):
                raise _with_offer(error) from error
            if kind.group_kind in _BOUND_NAMES:
                raise
            # It will be gone by then; whether another may be made is asked under a name that is free.
            await self._ask(kind, task, key._replace(name=_free_name(key.name, self._order.id[:8])))

    async def _ask(self, kind: Kind, task: Task, key: ResourceKey) -> None:
        manifest = self._manifest(task, key, "")
        await self._patience.request(lambda: self._client.apply(kind, manifest, replace(APPLY, dry_run=True)))

    async def observe(self, kind: Kind | None, task: Task, result: Result) -> tuple[Phase, str]:
        """Say how a hook stands that was made. Raises KubeError, Terminated."""
        key = self.key(task)
        record = self._live.records.get(key)
        if record is not None and record.live.uid == result.uid:
            if record.live.deleting:
                return Phase.RUNNING, "its object is being deleted"
            return outcome(record.health, hook=True)
        ended, health = self._live.last_health(result.uid)
        if not ended:
            found = None
            if kind is not None:
                found = await self._patience.request(lambda: self._client.get(kind, key.namespace, key.name))
            if found is not None and found["metadata"].get("uid") == result.uid:
                self._live.note(found)
                return outcome(self._live.assess(found), hook=True)
        return _at_its_end(ended, health)

    async def clean(self, kinds: Mapping[ResourceKey, Kind], tasks: Iterable[Task]) -> None:
        """Delete those that ended, each once, as their policies say. What cannot be deleted now is left: the next run
        does it. How they ended is on disk by now: an agent that was killed would take them for deleted by somebody."""
        for task in tasks:
            if task.id in self._cleaned or not self._is_to_go(task):
                continue
            self._cleaned.add(task.id)
            await self._discard(kinds.get(task.key), self.key(task), self._ledger.book[task.id].uid)

    def _is_to_go(self, task: Task) -> bool:
        result = self._ledger.book.get(task.id)
        if result is None or not result.hook or result.state is Phase.RUNNING:
            return False
        wanted = DeletePolicy.SUCCEEDED if result.state is Phase.SUCCEEDED else DeletePolicy.FAILED
        return wanted in self._policies(task)

    async def stop(self, kinds: Mapping[ResourceKey, Kind], tasks: Iterable[Task]) -> None:
        """Delete those that run: the operation was terminated. Raises Retryable where the cluster does not let one be
        deleted now: then it runs on, and is to be stopped later."""
        for task in tasks:
            result = self._ledger.book.get(task.id)
            if result is None and task.id in self._tried:
                # The API server went away before it had said whether this one was made.
                self.begin(task)
                result = self._ledger.book[task.id]
            if result is not None and result.hook and result.state is Phase.RUNNING:
                kind, key = kinds.get(task.key), self.key(task)
                await self._discard(kind, key, result.uid or await self._made(kind, key, task), for_good=False)
                self._ledger.end(task, Phase.FAILED, TERMINATED)

    async def _made(self, kind: Kind | None, key: ResourceKey, task: Task) -> str:
        """Return the uid of an object that may have been made for a hook; "" where there is none. Raises Retryable."""
        with contextlib.suppress(errors.Permanent):
            found = await self._client.get(kind, key.namespace, key.name) if kind is not None else None
            if found is not None and _mark_of(found) == self._mark(task):
                return str(found["metadata"].get("uid", ""))
        return ""

    async def _discard(self, kind: Kind | None, key: ResourceKey, uid: str, *, for_good: bool = True) -> None:
        """Delete an object, and leave it where that cannot be; without `for_good` that has to be tried again, and a
        Retryable is raised."""
        if kind is None or not uid:
            return
        try:
            await self._remove(kind, key, uid, wait=False)
        except errors.KubeError as error:
            if not for_good and isinstance(error, errors.Retryable):
                raise
            log.warning("application %s: hook %s could not be deleted: %s", self._tracking_name, key, error)

    async def _remove(self, kind: Kind, key: ResourceKey, uid: str, *, wait: bool) -> None:
        options = DeleteOptions("background", uid=uid)
        try:
            await self._patience.request(lambda: self._client.delete(kind, key.namespace, key.name, options))
        except errors.Conflict:
            return  # Another one has its name by now.

        if wait:
            what = "the hook of an earlier run"
            self._ledger.waiting(f"waiting for {key} to be gone, {what}")
            await until_gone(self._client, self._patience, kind, key, uid=uid, seconds=GONE_SECONDS, what=what)

    def _mark(self, task: Task) -> str:
        return f"{self._order.id}/{task.phase}"

    def _refuse_if_foreign(self, found: Object, key: ResourceKey, task: Task) -> None:
        """Raise Rejected where what has a hook's name already is not this application's to take or to delete."""
        owner = tracked_by(found, key)
        if owner is not None:
            if owner != self._tracking_name and self._assigned(owner):
                raise errors.Rejected(f"{key} belongs to application {owner}; give the hook another name")
        elif self._replaces(task) and not traits_of(found).is_hook:
            raise errors.Rejected(
                f"{key} is there already, is no hook and of no application, and is not deleted for the hook of its "
                "name; delete it, or give the hook another name"
            )

    def _replaces(self, task: Task) -> bool:
        """Say whether what is there of an earlier run is deleted first."""
        return DeletePolicy.BEFORE_CREATION in self._policies(task)

    def _policies(self, task: Task) -> frozenset[DeletePolicy]:
        return task.pair.target.traits.delete_policies if task.pair.target is not None else frozenset()

    def _manifest(self, task: Task, key: ResourceKey, mark: str) -> Object:
        manifest = with_name(self._manifests.get(task.pair), key.name)
        annotations = {
            **manifest["metadata"]["annotations"],
            TRACKING_ANNOTATION: tracking_id(self._tracking_name, key),
        }
        if mark:
            annotations[OPERATION_ANNOTATION] = mark
        return {**manifest, "metadata": {**manifest["metadata"], "annotations": annotations}}

    def _name(self, manifest: Object, task: Task) -> str:
        """Return a hook's own name, or one generated from its prefix: the same again after a restart."""
        metadata = manifest["metadata"]
        if metadata.get("name"):
            return str(metadata["name"])
        prefix = str(metadata.get("generateName") or "")[: LONGEST_NAME - NAME_ROOM]
        sources = self._order.revision.sources
        revision = (sources[0].revision if sources and sources[0].revision else self._order.ref.digest)[:7]
        started = self._ledger.state.started_ms // 1000
        _, _, number = task.key.name.partition("#")
        return f"{prefix}{revision}-{task.phase.lower()}-{started}{'-' + number if number else ''}"


async def end_left(client: KubeClient, served: Served, operation: OperationState) -> OperationState:
    """Delete the hooks that still run of an operation that an earlier agent had in hand, and return it with that noted.
    Raises KubeError."""
    results = []
    for result in operation.results:
        if result.hook and result.state is Phase.RUNNING:
            await _end_left(client, served, operation, result)
            result = replace(result, state=Phase.FAILED, message=TERMINATED)
        results.append(result)
    return replace(operation, results=tuple(results))


async def _end_left(client: KubeClient, served: Served, operation: OperationState, result: Result) -> None:
    key = result.key._replace(name=result.name) if result.name else result.key
    kind = await _kind_left(client, served, GroupKind(key.group, key.kind), result.version)
    found = await client.get(kind, key.namespace, key.name) if kind is not None else None
    # One that was about to be made has left no uid: it is known by what it carries.
    if kind is None or found is None or _mark_of(found) != f"{operation.id}/{result.sync_phase}":
        return
    with contextlib.suppress(errors.Conflict):
        # Another one has its name by now.
        await client.delete(kind, key.namespace, key.name, DeleteOptions("background", uid=found["metadata"]["uid"]))


async def _kind_left(client: KubeClient, served: Served, group_kind: GroupKind, version: str) -> Kind | None:
    """Return the kind of a hook that an earlier agent had begun, if in another version; None where it is gone, and the
    hook with it. Raises KubeError, also where the cluster only does not tell of it yet."""
    group, name = group_kind
    discovery = await served.fresh(SERVED_SECONDS)
    kind = discovery.find(group, version, name) or discovery.preferred.get(group_kind)
    if kind is None and (untold := await not_told_yet(client, discovery, [group_kind])):
        raise errors.Unreachable(f"the cluster does not tell of {name} ({group or 'core'}): {untold[group_kind]}")
    return kind


def _with_offer(error: errors.Rejected) -> errors.Rejected:
    """Say what there is to do about an object of an earlier run that cannot be changed."""
    if not count_fixed(error.message):
        return error
    offer = "give the hook the delete policy BeforeHookCreation as well, or delete that object"
    return errors.Rejected(
        f"{error.message}; the object of an earlier run is still there, and stays by the hook's delete policy: {offer}",
        error.fields,
    )


def _free_name(name: str, end: str) -> str:
    """Return a name that nobody has, and that is allowed where this one is."""
    room = max(len(name), LABEL) - len(end) - 1
    return f"{name[:room].rstrip('-.')}-{end}"


def _mark_of(obj: Object) -> str:
    return str((obj["metadata"].get("annotations") or {}).get(OPERATION_ANNOTATION) or "")


def _at_its_end(seen: bool, health: Health | None) -> tuple[Phase, str]:
    state, message = outcome(health, hook=True) if seen else (Phase.RUNNING, "")
    if state is Phase.RUNNING:
        last = f"; it said last: {message}" if message else ""
        return Phase.FAILED, f"its object was deleted before it had ended{last}"
    return state, message
