"""Judging the objects of one application: what changed is compared, what departed is reported, what is back is not."""

from __future__ import annotations

import asyncio

from agent.engine.assignment import Assignment
from agent.engine.reconcile import Judged
from agent.engine.resource import Object, ResourceKey
from agent.errors import StorageError
from agent.kube import errors
from agent.syncer.context import Context
from agent.syncer.drifts import DriftLog
from agent.syncer.judge import Verdict, judge
from agent.syncer.standing import Standing
from agent.syncer.targets import Targets, manifest_of

RETRY_SECONDS = 5.0
JUDGED_TOGETHER = 64


class Inspection:
    """Keeps an application's books about its objects, with the drift reports."""

    def __init__(self, context: Context, standing: Standing) -> None:
        self._client, self._live = context.client, context.live
        self._storage = context.storage
        self._assigned = context.assigned
        self._standing = standing
        self._targets: Targets | None = None
        self._told = False
        """Whether there is a condition that says what could not be compared."""
        application = standing.assignment.application
        self.drifts = DriftLog(context.storage, context.outbox, context.clock, application)

    def begin(self, targets: Targets) -> None:
        """Take up new targets: what was reported of objects that are none of them, or are as assigned, is closed."""
        if targets is self._targets:
            return
        self.drifts.keep_only(targets.resources)
        for key in self.drifts.open:
            if self._standing.settled(key):
                self.settle(key)
        self._targets = targets

    def settle(self, key: ResourceKey) -> None:
        """An object is as assigned."""
        self._standing.pending.pop(key, None)
        self._standing.drifted.pop(key, None)
        self.drifts.restored(key)

    def settle_known(self) -> None:
        """Look through what was to be judged or had drifted, after an operation."""
        standing = self._standing
        for key in {*standing.pending, *standing.drifted}:
            if standing.targeted(key) and standing.settled(key):
                self.settle(key)

    async def judge_pending(self, assignment: Assignment, targets: Targets) -> float | None:
        """Judge every object that changed or was never judged. Returns when to try again what could not be."""
        standing = self._standing
        keys = [k for k in standing.pending if k in targets.kinds]
        failed: list[str] = []
        for start in range(0, len(keys), JUDGED_TOGETHER):
            batch = keys[start : start + JUDGED_TOGETHER]
            objects = [standing.pending.pop(key, None) for key in batch]
            found = await asyncio.gather(
                *(self._judge(assignment, targets, k, o) for k, o in zip(batch, objects, strict=True))
            )
            if standing.targets is not targets:
                return 0.0
            try:
                with self._storage.together():
                    for key, verdict in zip(batch, found, strict=True):
                        if isinstance(verdict, errors.KubeError):
                            standing.pending.setdefault(key, None)
                            failed.append(f"{key}: {verdict}{verdict.hint}")
                            # Nobody knows whether it is still as it was judged before.
                            standing.update(key)
                        else:
                            self._take(assignment, key, verdict)
            except StorageError:
                # What could not be written down was not judged.
                for key in batch:
                    standing.pending.setdefault(key, None)
                raise
        if failed:
            self._told = True
            standing.condition("ComparisonError", f"{len(failed)} resources could not be compared: {failed[0]}")
            return RETRY_SECONDS
        # What could not be judged may have been settled otherwise, by a sync, and is not among the keys.
        if self._told:
            standing.clear("ComparisonError")
        self._told = False
        return None

    async def _judge(
        self, assignment: Assignment, targets: Targets, key: ResourceKey, obj: Object | None
    ) -> Verdict | errors.KubeError:
        target, kind = targets.resources[key], targets.kinds[key]
        content = self._storage.blob(target.digest)
        if content is None:
            return errors.Unreachable("its manifest is not on this agent's disk")
        manifest = manifest_of(content, target, assignment.tracking_name)
        try:
            validate = self._standing.options.validates(target.traits)
            ignores, options = self._standing.ignores, self._standing.compare_options
            return await judge(self._client, kind, target, manifest, obj, ignores, options, validate=validate)
        except errors.KubeError as error:
            return error

    def _take(self, assignment: Assignment, key: ResourceKey, verdict: Verdict) -> None:
        """Put a verdict into the books."""
        standing = self._standing
        owner = self._live.owner(key)
        if owner not in ("", assignment.tracking_name) and self._assigned(owner):
            standing.shared[key] = owner
        if not verdict.synced:
            standing.drifted[key] = verdict
            self.drifts.seen(assignment, key, verdict, standing.judged.get(key))
        else:
            standing.keep_judged({key: Judged(verdict.digest, standing.watched_hash(key, verdict))})
            # It may have changed again meanwhile; the watch has told or is about to.
            if standing.settled(key):
                self.settle(key)
        standing.update(key)
