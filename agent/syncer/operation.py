"""Running one operation: dry run of everything, then applies in order, then prunes; its state on disk before each step.

A killed agent runs it again from the start under the same id: every step may be repeated, and what is done already is
seen to be done.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from agent.engine.assignment import Assignment
from agent.engine.drift import content_hash
from agent.engine.operation import OperationState, Phase, Result, ResultStatus
from agent.engine.reconcile import Judged, Pair, reconcile
from agent.engine.resource import GroupKind, Object, ResourceKey, tracked_by
from agent.engine.tasks import Plan, make_plan
from agent.kube import errors
from agent.kube.client import ApplyOptions, DeleteOptions, Kind, KubeClient
from agent.storage import Storage
from agent.syncer.clock import Clock
from agent.syncer.judge import DRY_RUN
from agent.syncer.live import LiveState
from agent.syncer.orders import Order
from agent.syncer.targets import CRD, Targets, manifest_of

APPLY = ApplyOptions()
NAMESPACE = GroupKind("", "Namespace")
REQUEST_ATTEMPTS = 4
MANIFESTS_KEPT = 200
GONE_TIMEOUT_SECONDS = 60.0
CRD_TIMEOUT_SECONDS = 30.0

T = TypeVar("T")


class Terminated(Exception):
    """Somebody asked for the operation to end."""


class Runner:
    """One operation of one application."""

    def __init__(
        self,
        client: KubeClient,
        storage: Storage,
        live: LiveState,
        clock: Clock,
        assignment: Assignment,
        order: Order,
        on_progress: Callable[[OperationState], None],
    ) -> None:
        self._client = client
        self._storage = storage
        self._live = live
        self._clock = clock
        self._assignment = assignment
        self._order = order
        self._on_progress = on_progress
        self._results: dict[ResourceKey, Result] = {}
        self._manifests: dict[ResourceKey, Object] = {}
        """The first ones, read together, and parsed once for dry run and apply."""
        self._deferred: set[ResourceKey] = set()
        self._terminate = False
        self._foreign: set[ResourceKey] = set()
        self.judged: dict[ResourceKey, Judged | None] = {}
        """Verdicts the operation arrived at; the caller keeps them."""
        self.shared: dict[ResourceKey, str] = {}
        """Objects left alone because another application has them, with its tracking name."""
        self.retryable = False
        """Whether the failure may pass by itself."""
        self.state = OperationState(
            id=order.id,
            application=assignment.application,
            uid=assignment.uid,
            kind=order.kind,
            phase=Phase.RUNNING,
            manifest_set=order.ref.digest,
            revision=order.revision,
            initiated_by=order.initiated_by,
            started_ms=clock.now_ms(),
            dry_run=order.dry_run,
            partial=order.only is not None,
        )

    def terminate(self) -> None:
        """End the operation before its next request."""
        self._terminate = True

    async def run(self, targets: Targets, judged: dict[ResourceKey, Judged], attempt: int = 1) -> OperationState:
        """Carry the operation out. Returns its final state; raises StorageError only."""
        self.state = replace(self.state, attempt=attempt)
        name = self._assignment.tracking_name
        known = {} if self._order.force else judged
        pairs = reconcile(name, targets.resources, self._live.of_application(name), known)
        plan = make_plan(pairs, prune=self._order.prune, only=self._order.only)
        self._note_left(plan)
        self._step("checking", total=plan.total)
        self._read_ahead(plan)
        try:
            message = await self._carry_out(targets, plan)
            return self._finish(Phase.SUCCEEDED, message)
        except Terminated:
            return self._finish(Phase.FAILED, "terminated on request")
        except _StepFailed as failure:
            self.retryable = failure.retryable
            return self._finish(Phase.ERROR if failure.retryable else Phase.FAILED, failure.message)

    async def _carry_out(self, targets: Targets, plan: Plan) -> str:
        dry_run = self._order.dry_run
        if self._order.create_namespace and not dry_run:
            await self._ensure_namespace()
        if not self._order.checked:
            await self._dry_run(targets, plan)
        if dry_run:
            for step in plan.prunes:
                for pair in step:
                    self._record(pair, ResultStatus.PRUNED, "would be pruned")
            return "dry run: nothing was changed"
        waiting = [self._undone(step) for step in plan.applies]
        if any(waiting):
            with self._storage.together():
                kinds = {_group_kind(p) for step in waiting for p in step}
                self._storage.add_kinds(self._assignment.application, kinds)
                self._step("applying")
        for pairs in waiting:
            await self._apply_step(targets, pairs)
        if plan.prunes:
            self._step("pruning")
            for prunes in plan.prunes:
                await self._each(prunes, self._prune)
        failed = [r for r in self._results.values() if r.status is ResultStatus.SYNC_FAILED]
        if failed:
            raise _StepFailed(_summary(failed), retryable=self.retryable)
        return "synced" if not self._order.only else f"synced {len(self._order.only)} resources"

    # --- steps

    async def _ensure_namespace(self) -> None:
        name = self._assignment.namespace
        kind = (await self._client.discover()).find("", "v1", "Namespace")
        if not name or kind is None:
            return
        try:
            if await self._patiently(lambda: self._client.get(kind, "", name)) is None:
                manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
                await self._patiently(lambda: self._client.apply(kind, manifest, APPLY))
        except errors.KubeError as error:
            raise _StepFailed(f"namespace {name} could not be created: {error}", retryable=_may_pass(error)) from error

    async def _dry_run(self, targets: Targets, plan: Plan) -> None:
        """Ask the server about everything before the first write. Any refusal ends the operation."""
        coming = _coming(targets)

        async def check(pair: Pair) -> None:
            assert pair.target is not None
            kind = targets.kinds.get(pair.key)
            if kind is None:
                if (pair.key.group, pair.key.kind) in coming.kinds:
                    self._deferred.add(pair.key)
                    return
                message = (
                    f"the cluster serves no kind {pair.key.kind} in {pair.key.group or 'core'}/{pair.target.version}"
                )
                raise errors.KindUnknown(f"{message}; install its CRD first, or put it into this application")
            if pair.live is None and await self._is_foreign(kind, pair):
                return
            if pair.key.namespace in coming.namespaces and pair.live is None:
                self._deferred.add(pair.key)
                return
            manifest = self._manifest(pair)
            predicted = await self._patiently(lambda: self._client.apply(kind, manifest, DRY_RUN))
            self._compare(pair, predicted)

        await self._each([p for step in plan.applies for p in step], check)
        failed = [r for r in self._results.values() if r.status is ResultStatus.SYNC_FAILED]
        if failed:
            raise _StepFailed(f"nothing was changed: {_summary(failed)}", retryable=self.retryable)

    def _compare(self, pair: Pair, predicted: Object) -> None:
        assert pair.target is not None
        hash_ = content_hash(predicted)
        if pair.live is not None and pair.live.content_hash == hash_ and not pair.live.deleting:
            self.judged[pair.key] = Judged(pair.target.digest, hash_)
            self._record(pair, ResultStatus.SYNCED, "unchanged")
        elif self._order.dry_run:
            self._record(pair, ResultStatus.SYNCED, "would be created" if pair.live is None else "would be changed")

    async def _is_foreign(self, kind: Kind, pair: Pair) -> bool:
        """Say whether another application of this cluster has the object; then it is left to that one."""
        found = await self._patiently(lambda: self._client.get(kind, pair.key.namespace, pair.key.name))
        owner = tracked_by(found) if found is not None else None
        mine = self._assignment.tracking_name
        if owner is None or owner == mine or not self._live.keys_of(owner):
            return False
        self.shared[pair.key] = owner
        self._foreign.add(pair.key)
        message = f"{pair.key} belongs to application {owner}; take it out of one of the two"
        self._record(pair, ResultStatus.SYNC_FAILED, message)
        return True

    async def _apply_step(self, targets: Targets, step: list[Pair]) -> None:
        kinds = dict(targets.kinds)
        if any(p.key not in kinds for p in step):
            discovery = await self._client.discover(refresh=True)
            for pair in step:
                assert pair.target is not None
                found = discovery.find(pair.key.group, pair.target.version, pair.key.kind)
                if found is not None:
                    kinds[pair.key] = found
        if step:
            self._live.watch({kinds[p.key] for p in step if p.key in kinds})

        async def apply(pair: Pair) -> None:
            assert pair.target is not None
            kind = kinds.get(pair.key)
            if kind is None:
                raise errors.KindUnknown(f"the cluster still serves no kind {pair.key.kind} after its CRD was applied")
            result = await self._apply_one(kind, pair)
            self.judged[pair.key] = Judged(pair.target.digest, content_hash(result))
            self._live.note(result)
            self._record(pair, ResultStatus.SYNCED, "created" if pair.live is None else "configured")

        await self._each(step, apply)
        crds = [p for p in step if _group_kind(p) == CRD]
        for pair in crds:
            await self._wait_established(kinds[pair.key], pair.key)

    async def _apply_one(self, kind: Kind, pair: Pair) -> Object:
        manifest = self._manifest(pair)
        try:
            return await self._patiently(lambda: self._client.apply(kind, manifest, APPLY))
        except errors.Rejected as error:
            if not (self._order.force and "immutable" in error.message):
                raise
        await self._client.delete(kind, pair.key.namespace, pair.key.name, DeleteOptions("background"))
        await self._wait_gone(kind, pair.key)
        return await self._patiently(lambda: self._client.apply(kind, manifest, APPLY))

    async def _prune(self, pair: Pair) -> None:
        assert pair.live is not None
        live = pair.live
        group, kind_name = pair.key.group, pair.key.kind
        kind = (await self._client.discover()).find(group, live.version, kind_name)
        if kind is None:
            raise errors.KindUnknown(f"the cluster serves no kind {kind_name} in {group or 'core'}/{live.version}")
        options = DeleteOptions(self._order.propagation, uid=live.uid)
        await self._patiently(lambda: self._client.delete(kind, pair.key.namespace, pair.key.name, options))
        self.judged[pair.key] = None
        self._record(pair, ResultStatus.PRUNED, "pruned")

    # --- helpers

    def _undone(self, step: Iterable[Pair]) -> list[Pair]:
        return [p for p in step if p.key not in self._results]

    def _read_ahead(self, plan: Plan) -> None:
        """Read the first manifests together: one question to the disk instead of one each."""
        pairs = [p for step in plan.applies for p in step if p.target is not None][:MANIFESTS_KEPT]
        contents = self._storage.blobs({p.target.digest for p in pairs if p.target is not None})
        for pair in pairs:
            if pair.target is not None and pair.target.digest in contents:
                content = contents[pair.target.digest]
                self._manifests[pair.key] = manifest_of(content, pair.target, self._assignment.tracking_name)

    def _manifest(self, pair: Pair) -> Object:
        assert pair.target is not None
        manifest = self._manifests.get(pair.key)
        if manifest is not None:
            return manifest
        content = self._storage.blob(pair.target.digest)
        if content is None:
            raise _StepFailed(f"the manifest of {pair.key} is not on this agent's disk", retryable=True)
        return manifest_of(content, pair.target, self._assignment.tracking_name)

    async def _each(self, pairs: Iterable[Pair], action: Callable[[Pair], Coroutine[Any, Any, None]]) -> None:
        """Run one action on many pairs at once; the client bounds how many requests are under way."""

        async def guarded(pair: Pair) -> None:
            if self._terminate:
                raise Terminated
            try:
                await action(pair)
            except errors.KubeError as error:
                self.retryable = self.retryable or _may_pass(error)
                self._record(pair, ResultStatus.SYNC_FAILED, error.message)

        items = list(pairs)
        for start in range(0, len(items), 64):
            outcomes = await asyncio.gather(*map(guarded, items[start : start + 64]), return_exceptions=True)
            for outcome in outcomes:
                if outcome is not None:
                    raise outcome

    async def _patiently(self, request: Callable[[], Awaitable[T]]) -> T:
        """Repeat a request whose failure may pass, a few times."""
        for attempt in range(1, REQUEST_ATTEMPTS):
            try:
                return await request()
            except errors.Throttled as error:
                await asyncio.sleep(min(error.retry_after, 10.0) * random.uniform(1.0, 1.5))  # noqa: S311 - jitter
            except errors.NamespaceTerminating:
                raise
            except errors.Retryable:
                await asyncio.sleep(0.1 * 3**attempt * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            if self._terminate:
                raise Terminated
        return await request()

    async def _wait_gone(self, kind: Kind, key: ResourceKey) -> None:
        await self._poll(kind, key, lambda found: found is None, GONE_TIMEOUT_SECONDS, "to go away")

    async def _wait_established(self, kind: Kind, key: ResourceKey) -> None:
        def established(found: Object | None) -> bool:
            conditions = ((found or {}).get("status") or {}).get("conditions") or []
            return any(c.get("type") == "Established" and c.get("status") == "True" for c in conditions)

        await self._poll(kind, key, established, CRD_TIMEOUT_SECONDS, "to be established")

    async def _poll(
        self, kind: Kind, key: ResourceKey, done: Callable[[Object | None], bool], timeout: float, what: str
    ) -> None:
        deadline = self._clock.monotonic() + timeout
        while not done(await self._patiently(lambda: self._client.get(kind, key.namespace, key.name))):
            if self._clock.monotonic() > deadline:
                raise _StepFailed(f"waited {timeout:.0f} s for {key} {what}", retryable=True)
            if self._terminate:
                raise Terminated
            await asyncio.sleep(0.1)

    def _note_left(self, plan: Plan) -> None:
        for pair in plan.left:
            reason = pair.reason or "no longer assigned; pruning is off"
            self._record(pair, ResultStatus.PRUNE_SKIPPED, reason)

    def _record(self, pair: Pair, status: ResultStatus, message: str) -> None:
        source = pair.target or pair.live
        assert source is not None
        self._results[pair.key] = Result(pair.key, source.version, status, message[:2000])

    def _step(self, message: str, total: int | None = None) -> None:
        total = self.state.total if total is None else total
        self.state = replace(self.state, message=message, total=total, done=min(len(self._results), total))
        self._storage.save_operation(self.state)
        self._on_progress(self.state)

    def _finish(self, phase: Phase, message: str) -> OperationState:
        done = replace(self.state, results=tuple(self._results[k] for k in sorted(self._results)))
        self.state = done.finish(phase, message, self._clock.now_ms())
        return self.state


class _StepFailed(Exception):
    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.message = message
        self.retryable = retryable


@dataclass(frozen=True, slots=True)
class _Coming:
    """What this very operation will bring: it cannot be asked about before it is there."""

    namespaces: frozenset[str]
    kinds: frozenset[tuple[str, str]]


def _coming(targets: Targets) -> _Coming:
    has_crds = any((k.group, k.kind) == CRD for k in targets.resources)
    unserved = {(k.group, k.kind) for k in targets.unserved} if has_crds else set()
    namespaces = {k.name for k in targets.resources if (k.group, k.kind) == NAMESPACE}
    return _Coming(frozenset(namespaces), frozenset(unserved))


def _group_kind(pair: Pair) -> GroupKind:
    return GroupKind(pair.key.group, pair.key.kind)


def _may_pass(error: errors.KubeError) -> bool:
    return isinstance(error, errors.Retryable)


def _summary(failed: list[Result]) -> str:
    first = failed[0]
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return f"{first.key}: {first.message}{more}"
