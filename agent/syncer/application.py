"""One application on this cluster: operate when asked or due, judge what changed, heal what drifted, tell the hub.

`tick` is level-triggered: it looks at what is there and does what is next, and may be called at any time, any number of
times. It answers when it wants to be called again.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace

from agent.engine.assignment import Assignment, ManifestSetRef, Revision
from agent.engine.codec import encode
from agent.engine.health import HealthStatus
from agent.engine.ignore import IgnoreRules, compile_ignores
from agent.engine.manifest_set import IncompleteSet
from agent.engine.operation import (
    Attempts,
    HealRecord,
    OperationState,
    Phase,
    attempt_parameters,
    automated_attempt,
    heal_delay,
    record_attempt,
    record_heal,
)
from agent.engine.reconcile import Judged, Target
from agent.engine.resource import Object, ResourceKey
from agent.engine.status import (
    ApplicationStatus,
    Condition,
    DriftReport,
    ResourceState,
    SyncStatus,
    details,
    overall_health,
    overall_sync,
    with_digest,
)
from agent.hubclient.outbox import Outbox
from agent.kube import errors
from agent.kube.client import Kind, KubeClient
from agent.storage import Storage
from agent.syncer.clock import Clock
from agent.syncer.judge import Verdict, fetch, judge
from agent.syncer.live import LiveState
from agent.syncer.operation import Order, Runner
from agent.syncer.targets import Targets, load_targets, manifest_of

log = logging.getLogger(__name__)

LIST_TIMEOUT_SECONDS = 20.0
RETRY_SECONDS = 5.0
UNSERVED_RETRY_SECONDS = 15.0


class ApplicationLoop:
    """The state and the next step of one application. Not re-entrant: the manager ticks it one at a time."""

    def __init__(
        self,
        client: KubeClient,
        storage: Storage,
        live: LiveState,
        outbox: Outbox,
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        self._client = client
        self._storage = storage
        self._live = live
        self._outbox = outbox
        self._clock = clock
        self._wake = wake
        self.assignment: Assignment | None = None
        self._targets: Targets | None = None
        self._ignores: IgnoreRules = compile_ignores(())
        self._judged: dict[ResourceKey, Judged] = {}
        self._drifted: dict[ResourceKey, Verdict] = {}
        self._pending: dict[ResourceKey, Object | None] = {}
        self._states: dict[ResourceKey, ResourceState] = {}
        self._heals: dict[ResourceKey, HealRecord] = {}
        self._open_drifts: dict[ResourceKey, DriftReport] = {}
        self._shared: dict[ResourceKey, str] = {}
        self._conditions: dict[str, Condition] = {}
        self._attempts = Attempts()
        self._synced: tuple[str, Revision] = ("", Revision())
        self._operation: OperationState | None = None
        self._runner: Runner | None = None
        self._done_operation = ""
        self._unserved = 0
        self._look_again = 0.0
        self.buried = False

    # --- what others tell it

    def assign(self, assignment: Assignment) -> None:
        """Take a new assignment; the manager has it on disk already."""
        before = self.assignment
        self.assignment = assignment
        if before is None or before.uid != assignment.uid:
            self._judged = self._storage.judged(assignment.application)
            self._attempts = self._storage.attempts(assignment.application)
        if before is None or before.manifest_set.digest != assignment.manifest_set.digest:
            self._targets = None
        if before is None or before.namespace != assignment.namespace:
            self._targets = None
        if before is None or before.ignore_differences != assignment.ignore_differences:
            self._compile_ignores(assignment)
            self._targets = None
        if assignment.deletion is not None and self._runner is not None:
            self._runner.terminate()
        request = assignment.operation
        if request is not None and request.terminate and self._runner is not None:
            self._runner.terminate()

    def restore(self, operation: OperationState | None, synced: tuple[str, Revision] | None) -> None:
        """Take what the disk remembers, after a start of the agent."""
        self._operation = operation
        self._synced = synced or ("", Revision())

    def note(self, key: ResourceKey, obj: Object | None) -> None:
        """Something may have changed about an object of this application."""
        if self._targets is None or key not in self._targets.resources:
            self._update_state(key)
        elif self._is_settled(key):
            self._pending.pop(key, None)
            self._restored(key)
            self._update_state(key)
        else:
            self._pending[key] = obj

    def _compile_ignores(self, assignment: Assignment) -> None:
        self._ignores = compile_ignores(assignment.ignore_differences)

    # --- the loop

    async def tick(self) -> float | None:
        """Do what is next. Returns the seconds after which to call again, None to wait for news."""
        assignment = self.assignment
        if assignment is None or self.buried:
            return None
        if assignment.deletion is not None:
            return await self._delete(assignment)
        again = await self._prepare(assignment)
        if self._targets is None:
            self._tell()
            return again
        if await self._requested(assignment):
            return 0.0
        due = self._automated_due(assignment)
        if due == 0.0:
            await self._automated(assignment)
            return 0.0
        retry = await self._judge_pending(assignment)
        heal = await self._heal(assignment)
        self._tell()
        return _soonest(again, due, retry, heal)

    async def _prepare(self, assignment: Assignment) -> float | None:
        """Have the targets loaded and their kinds watched."""
        again = None
        if self._targets is not None and self._targets.unserved:
            if self._clock.monotonic() < self._look_again:
                again = UNSERVED_RETRY_SECONDS
            else:
                self._targets = None
        if self._targets is None:
            again = await self._load(assignment)
        if self._targets is not None:
            kinds = self._kinds_needed(self._targets)
            self._live.watch(kinds)
            unsynced = await self._live.wait_synced(kinds, LIST_TIMEOUT_SECONDS)
            if unsynced:
                text = "; ".join(f"{kind}: {reason}" for kind, reason in unsynced[:5])
                self._condition("ComparisonError", f"these kinds cannot be listed: {text}")
                self._targets = None
                return RETRY_SECONDS
        return again

    async def _load(self, assignment: Assignment) -> float | None:
        try:
            discovery = await self._client.discover()
            targets = load_targets(self._storage, discovery, assignment, assignment.manifest_set)
            if targets.unserved:
                discovery = await self._client.discover(refresh=True)
                targets = load_targets(self._storage, discovery, assignment, assignment.manifest_set)
        except IncompleteSet as error:
            self._condition("ComparisonError", f"{error}; nothing is applied or pruned until it is complete")
            return RETRY_SECONDS
        except errors.KubeError as error:
            self._condition("ComparisonError", f"the cluster's API does not answer: {error}")
            return RETRY_SECONDS
        if len(targets.unserved) < self._unserved:
            # A kind that was missing has come: what failed for want of it may be tried again.
            self._save_attempts(Attempts())
        self._unserved = len(targets.unserved)
        self._look_again = self._clock.monotonic() + UNSERVED_RETRY_SECONDS
        self._targets = targets
        self._conditions.pop("ComparisonError", None)
        self._pending = {key: None for key in targets.resources if not self._is_settled(key)}
        self._drifted.clear()
        self._rebuild_states()
        return UNSERVED_RETRY_SECONDS if targets.unserved else None

    def _kinds_needed(self, targets: Targets) -> set[Kind]:
        kinds = set(targets.kinds.values())
        kinds.update(self.extra_kinds)
        return kinds

    extra_kinds: frozenset[Kind] = frozenset()
    """Kinds this application applied earlier and may have to prune; set by the manager."""

    # --- operations

    async def _requested(self, assignment: Assignment) -> bool:
        """Run the operation somebody asked for, once by its id. Returns whether it ran."""
        request = assignment.operation
        if request is None or request.id == self._done_operation:
            return False
        known = self._storage.operation(request.id)
        if known is not None and known.phase.finished:
            self._done_operation = request.id
            return False
        if request.terminate:
            self._done_operation = request.id
            return False
        order = Order(
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
        await self._run(assignment, order)
        self._done_operation = request.id
        return True

    def _automated_due(self, assignment: Assignment) -> float | None:
        due = automated_attempt(assignment, self._attempts, self._clock.now_ms())
        if due == 0.0 and self._attempts.parameters != attempt_parameters(assignment) and self._is_as_assigned():
            # Nothing to do: the new revision is already what is there, and needs no operation.
            self._record_synced(assignment.manifest_set.digest, assignment.revision)
            self._save_attempts(record_attempt(assignment, self._attempts, Phase.SUCCEEDED, self._clock.now_ms()))
            return None
        return due

    def _is_as_assigned(self) -> bool:
        return (
            self._targets is not None
            and self._synced[0] == self._targets.digest
            and not self._pending
            and not self._drifted
            and not any(s.sync is not SyncStatus.SYNCED for s in self._states.values())
        )

    async def _automated(self, assignment: Assignment) -> None:
        policy = assignment.policy
        refusal = self._empty_refusal(assignment)
        resumed = self._operation
        if self._attempts.parameters != attempt_parameters(assignment):
            self._save_attempts(Attempts(parameters=attempt_parameters(assignment)))
        if refusal:
            self._condition("SyncError", refusal)
            self._save_attempts(record_attempt(assignment, self._attempts, Phase.SUCCEEDED, self._clock.now_ms()))
            return
        running = resumed is not None and not resumed.phase.finished and resumed.initiated_by == "automated"
        order = Order(
            id=resumed.id if running and resumed is not None else str(uuid.uuid4()),
            kind="sync",
            initiated_by="automated",
            ref=assignment.manifest_set,
            revision=assignment.revision,
            prune=policy.prune,
            create_namespace=_creates_namespace(assignment, ()),
            propagation=_propagation(assignment),
            automated=True,
        )
        await self._run(assignment, order, attempt=self._attempts.count + 1)

    def _empty_refusal(self, assignment: Assignment) -> str:
        policy = assignment.policy
        if not policy.prune or policy.allow_empty or self._targets is None or self._targets.resources:
            return ""
        count = len(self._live.keys_of(assignment.tracking_name))
        if not count:
            return ""
        return f"the revision has no resources at all and would prune all {count}; set allowEmpty if that is meant"

    async def _run(self, assignment: Assignment, order: Order, attempt: int = 1) -> OperationState:
        targets = self._targets
        assert targets is not None
        runner = Runner(self._client, self._storage, self._live, self._clock, assignment, order, self._progress)
        self._runner = runner
        try:
            if order.ref.digest != targets.digest:
                try:
                    targets = load_targets(self._storage, await self._client.discover(), assignment, order.ref)
                    self._live.watch(set(targets.kinds.values()))
                    await self._live.wait_synced(set(targets.kinds.values()), LIST_TIMEOUT_SECONDS)
                except (IncompleteSet, errors.KubeError) as error:
                    state = runner.state.finish(Phase.ERROR, str(error), self._clock.now_ms())
                    return self._finished(assignment, order, runner, state)
            state = await runner.run(targets, self._judged, attempt)
        finally:
            self._runner = None
        return self._finished(assignment, order, runner, state)

    def _finished(self, assignment: Assignment, order: Order, runner: Runner, state: OperationState) -> OperationState:
        self._shared = runner.shared if order.kind != "self-heal" else self._shared | runner.shared
        with self._storage.together():
            self._keep_judged(runner.judged)
            if state.phase is Phase.SUCCEEDED and not order.dry_run and order.only is None:
                self._record_synced(order.ref.digest, order.revision)
                self._conditions.pop("SyncError", None)
            elif state.phase is not Phase.SUCCEEDED:
                self._condition("SyncError", state.message)
            self._storage.save_operation(state)
            if order.automated:
                self._note_attempt(assignment, state.phase)
        self._operation = state
        self._outbox.operation_finished(state)
        for key in {*self._pending, *self._drifted}:
            if key in self._targets_now() and self._is_settled(key):
                self._pending.pop(key, None)
                self._restored(key)
        self._rebuild_states()
        if self._targets is not None and self._targets.unserved:
            # The operation may have brought the kinds that were missing.
            self._look_again = 0.0
            self._unserved = 0
        return state

    def _note_attempt(self, assignment: Assignment, phase: Phase) -> None:
        current = self.assignment
        if current is not None and attempt_parameters(current) == self._attempts.parameters:
            self._save_attempts(record_attempt(assignment, self._attempts, phase, self._clock.now_ms()))

    def _targets_now(self) -> Mapping[ResourceKey, Target]:
        return self._targets.resources if self._targets is not None else {}

    def _progress(self, state: OperationState) -> None:
        self._operation = state
        self._tell(soon=False)

    # --- judging and healing

    async def _judge_pending(self, assignment: Assignment) -> float | None:
        """Judge every object that changed or was never judged. Returns when to try again what could not be."""
        assert self._targets is not None
        keys = [k for k in self._pending if k in self._targets.kinds]
        failed: list[str] = []

        async def one(key: ResourceKey) -> None:
            obj = self._pending.pop(key, None)
            try:
                await self._judge_one(assignment, key, obj)
            except errors.KubeError as error:
                self._pending.setdefault(key, None)
                failed.append(f"{key}: {error}")

        for start in range(0, len(keys), 64):
            await asyncio.gather(*map(one, keys[start : start + 64]))
        if failed:
            self._condition("ComparisonError", f"{len(failed)} resources could not be compared: {failed[0]}")
            return RETRY_SECONDS
        if keys:
            self._conditions.pop("ComparisonError", None)
        return None

    async def _judge_one(self, assignment: Assignment, key: ResourceKey, obj: Object | None) -> None:
        targets = self._targets
        assert targets is not None
        target, kind = targets.resources[key], targets.kinds[key]
        if obj is None:
            obj = await fetch(self._client, kind, key)
        content = self._storage.blob(target.digest)
        if content is None:
            raise errors.Unreachable("its manifest is not on this agent's disk")
        manifest = manifest_of(content, target, assignment.tracking_name)
        verdict = await judge(self._client, kind, target, manifest, obj, self._ignores)
        if self._targets is not targets:
            return
        if verdict.synced:
            self._keep_judged({key: Judged(target.digest, verdict.content_hash)})
            self._restored(key)
        else:
            self._drifted[key] = verdict
            self._report_drift(assignment, key, verdict)
        self._update_state(key)

    def _report_drift(self, assignment: Assignment, key: ResourceKey, verdict: Verdict) -> None:
        """Report a departure from what had been in place; a revision not applied yet is no drift."""
        known = self._judged.get(key)
        if known is None or known.digest != verdict.digest:
            return
        open_ = self._open_drifts.get(key)
        kind = "deleted" if verdict.missing else "label-removed" if verdict.label_removed else "modified"
        if open_ is not None and open_.kind == kind and open_.fields == verdict.drift:
            return
        report = DriftReport(
            id=open_.id if open_ is not None else str(uuid.uuid4()),
            application=assignment.application,
            uid=assignment.uid,
            key=key,
            kind=kind,
            fields=verdict.drift,
            seen_ms=open_.seen_ms if open_ is not None else self._clock.now_ms(),
            hub_away=not self._outbox.connected,
        )
        self._save_drift(report)

    def _restored(self, key: ResourceKey) -> None:
        """An object is as assigned again, by the agent's hand or another's."""
        self._drifted.pop(key, None)
        report = self._open_drifts.pop(key, None)
        if report is not None:
            healed = replace(report, healed_ms=self._clock.now_ms())
            self._storage.save_drift(healed.id, healed.seen_ms, encode(healed))
            self._outbox.drift_changed()

    def _save_drift(self, report: DriftReport) -> None:
        self._open_drifts[report.key] = report
        self._storage.save_drift(report.id, report.seen_ms, encode(report))
        self._outbox.drift_changed()

    async def _heal(self, assignment: Assignment) -> float | None:
        """Put back what drifted, each object after its own back-off. Returns when the next one is due."""
        policy = assignment.policy
        if not (policy.automated and policy.self_heal) or self._targets is None:
            return None
        if self._synced[0] != self._targets.digest:
            return None
        now = self._clock.now_ms()
        delays = {key: heal_delay(self._heals.get(key), now) for key in self._open_drifts if key in self._drifted}
        due = frozenset(key for key, delay in delays.items() if delay == 0.0)
        if not due:
            return min(delays.values(), default=None)
        self._tell()
        order = Order(
            id=str(uuid.uuid4()),
            kind="self-heal",
            initiated_by="automated",
            ref=assignment.manifest_set,
            revision=assignment.revision,
            prune=False,
            create_namespace=_creates_namespace(assignment, ()),
            only=due,
            checked=True,
        )
        await self._run(assignment, order)
        for key in due:
            self._heals[key] = record_heal(self._heals.get(key), now)
        return 0.0

    # --- deletion

    async def _delete(self, assignment: Assignment) -> float | None:
        deletion = assignment.deletion
        assert deletion is not None
        name = assignment.tracking_name
        if deletion.cascade:
            again = await self._delete_resources(assignment, deletion.propagation)
            if again is not None:
                return again
        self._storage.bury(assignment.application)
        self.buried = True
        self._tell()
        log.info("application %s has left this cluster (%s)", assignment.application, name)
        return None

    async def _delete_resources(self, assignment: Assignment, propagation: str) -> float | None:
        """Delete what is tracked, and wait until it is gone. Returns when to look again; None when all is gone."""
        kinds = set(self.extra_kinds)
        self._live.watch(kinds)
        unsynced = await self._live.wait_synced(kinds, LIST_TIMEOUT_SECONDS)
        if unsynced:
            self._condition("DeletionError", f"{unsynced[0][0]} cannot be listed: {unsynced[0][1]}")
            self._tell()
            return RETRY_SECONDS
        mine = [o for o in self._live.of_application(assignment.tracking_name) if o.prunable and not o.is_hook]
        if not mine:
            return None
        fresh = [o for o in mine if not o.deleting]
        if fresh:
            order = Order(
                id=str(uuid.uuid4()),
                kind="delete",
                initiated_by="automated",
                ref=ManifestSetRef("", "", "", 0),
                revision=Revision(),
                prune=True,
                propagation=propagation,
                checked=True,
            )
            runner = Runner(self._client, self._storage, self._live, self._clock, assignment, order, self._progress)
            self._operation = await runner.run(Targets("", {}, {}, (), ()), {})
            self._storage.save_operation(self._operation)
            if self._operation.phase is not Phase.SUCCEEDED:
                self._condition("DeletionError", self._operation.message)
        else:
            rest = ", ".join(str(o.key) for o in mine[:5])
            self._condition("DeletionError", f"waiting for {len(mine)} resources to go away: {rest}")
        self._tell()
        return RETRY_SECONDS

    # --- what is told

    def _is_settled(self, key: ResourceKey) -> bool:
        assert self._targets is not None
        target = self._targets.resources[key]
        record = self._live.records.get(key)
        judged = self._judged.get(key)
        return (
            record is not None
            and judged is not None
            and not record.live.deleting
            and judged.digest == target.digest
            and judged.content_hash == record.live.content_hash
        )

    def _rebuild_states(self) -> None:
        self._states.clear()
        if self._targets is None or self.assignment is None:
            return
        for key in self._targets.resources:
            self._update_state(key)
        for key in self._live.keys_of(self.assignment.tracking_name):
            if key not in self._targets.resources:
                self._update_state(key)

    def _update_state(self, key: ResourceKey) -> None:
        state = self._state_of(key)
        if state is None or state.fine:
            self._states.pop(key, None)
        else:
            self._states[key] = state

    def _state_of(self, key: ResourceKey) -> ResourceState | None:
        if self._targets is None or self.assignment is None:
            return None
        target = self._targets.resources.get(key)
        record = self._live.records.get(key)
        if target is None:
            return self._surplus_state(key)
        health = record.health if record is not None else None
        status, message = (health.status, health.message) if health is not None else (None, "")
        owner = self._shared.get(key)
        if owner is not None:
            text = f"belongs to application {owner}"
            return ResourceState(key, target.version, SyncStatus.OUT_OF_SYNC, None, text)
        if key not in self._targets.kinds:
            text = "the cluster does not serve this kind"
            return ResourceState(key, target.version, SyncStatus.OUT_OF_SYNC, HealthStatus.MISSING, text)
        verdict = self._drifted.get(key)
        if verdict is not None:
            if verdict.missing:
                return ResourceState(key, target.version, SyncStatus.OUT_OF_SYNC, HealthStatus.MISSING, "not there")
            return ResourceState(key, target.version, SyncStatus.OUT_OF_SYNC, status, message, drift=verdict.drift)
        if key in self._pending or not self._is_settled(key):
            return ResourceState(key, target.version, SyncStatus.UNKNOWN, status, message or "not compared yet")
        return ResourceState(key, target.version, SyncStatus.SYNCED, status, message)

    def _surplus_state(self, key: ResourceKey) -> ResourceState | None:
        record = self._live.records.get(key)
        assert self.assignment is not None
        if record is None or record.live.application != self.assignment.tracking_name or record.live.is_hook:
            return None
        if not record.live.prunable:
            return None
        status = record.health.status if record.health is not None else None
        text = "no longer assigned; a sync with pruning removes it"
        return ResourceState(key, record.live.version, SyncStatus.OUT_OF_SYNC, status, text, requires_pruning=True)

    def _condition(self, type: str, message: str) -> None:
        known = self._conditions.get(type)
        if known is None or known.message != message:
            self._conditions[type] = Condition(type, message, self._clock.now_ms())

    def _derived_conditions(self) -> tuple[Condition, ...]:
        if self._shared:
            text = "; ".join(f"{key} belongs to {owner}" for key, owner in sorted(self._shared.items())[:10])
            self._condition("SharedResourceWarning", text)
        else:
            self._conditions.pop("SharedResourceWarning", None)
        return tuple(self._conditions[t] for t in sorted(self._conditions))

    def _tell(self, *, soon: bool = True) -> None:
        if self.assignment is not None:
            self._outbox.changed(self.assignment.application, self.status, soon=soon)

    def status(self) -> ApplicationStatus:
        """Return how the application stands, with the digest of that."""
        assignment = self.assignment
        assert assignment is not None
        if self.buried:
            return with_digest(
                ApplicationStatus(assignment.application, assignment.uid, assignment.generation, deleted=True)
            )
        comparable = self._targets is not None
        any_live = bool(self._live.keys_of(assignment.tracking_name))
        health, reason = overall_health(self._states, any_live=any_live, comparable=comparable)
        status = ApplicationStatus(
            application=assignment.application,
            uid=assignment.uid,
            generation=assignment.generation,
            sync=overall_sync(self._states, comparable=comparable),
            health=health,
            health_message=reason,
            manifest_set=assignment.manifest_set.digest,
            synced_manifest_set=self._synced[0],
            synced_revision=self._synced[1],
            resources=details(self._states),
            not_fine=len(self._states),
            total=len(self._targets.resources) if self._targets is not None else 0,
            operation=self._operation,
            conditions=self._derived_conditions(),
            observed_ms=self._clock.now_ms(),
        )
        return with_digest(status)

    def _keep_judged(self, judged: dict[ResourceKey, Judged | None]) -> None:
        assert self.assignment is not None
        for key, verdict in judged.items():
            if verdict is None:
                self._judged.pop(key, None)
            else:
                self._judged[key] = verdict
        if judged:
            self._storage.save_judged(self.assignment.application, judged)

    def _record_synced(self, manifest_set: str, revision: Revision) -> None:
        assert self.assignment is not None
        self._synced = (manifest_set, revision)
        self._storage.save_synced(self.assignment.application, manifest_set, encode(revision))

    def _save_attempts(self, attempts: Attempts) -> None:
        assert self.assignment is not None
        self._attempts = attempts
        self._storage.save_attempts(self.assignment.application, attempts)


def _soonest(*delays: float | None) -> float | None:
    return min((d for d in delays if d is not None), default=None)


def _creates_namespace(assignment: Assignment, extra: tuple[str, ...]) -> bool:
    options = replace(assignment.policy, sync_options=(*extra, *assignment.policy.sync_options))
    return options.option("CreateNamespace") == "true"


def _propagation(assignment: Assignment) -> str:
    return assignment.policy.option("PrunePropagationPolicy") or "foreground"
