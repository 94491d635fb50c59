"""Running one operation: dry run of everything, then its waves one after the other, its state on disk before each step.

`advance` does what can be done now, and says when to call again: while an operation waits for health, for a hook or for
a confirmation, nothing of it runs. A killed agent plans it anew under the same id: what is as assigned is seen to be,
and hooks are remembered. A step that fails is the last one of its wave: what comes after it may need it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace

from agent.engine.assignment import Assignment
from agent.engine.ignore import IgnoreRules
from agent.engine.operation import UNCHANGED, Phase, Result, ResultStatus
from agent.engine.progress import Carry, Done, Failed, Move, Wait, first_look, next_move, outcome, overdue
from agent.engine.reconcile import Action, Judged, reconcile
from agent.engine.resource import GroupKind, Object, ResourceKey
from agent.engine.tasks import Plan, Task, Wave, make_plan
from agent.engine.traits import SyncPhase
from agent.kube import errors
from agent.kube.client import Kind
from agent.syncer.applying import Applier
from agent.syncer.brought import kinds_of, wait_established
from agent.syncer.context import Context
from agent.syncer.gate import Gate, Hold
from agent.syncer.hooks import HOOKS_LEFT, TERMINATED, Hooks, end_left
from agent.syncer.ledger import Ledger, StepFailed
from agent.syncer.namespaces import coming_namespace, ensure_namespace
from agent.syncer.orders import Order
from agent.syncer.output import output_of
from agent.syncer.patience import Patience, Terminated
from agent.syncer.preflight import Preflight
from agent.syncer.pruning import Pruner
from agent.syncer.stuck import why_stuck
from agent.syncer.targets import Manifests, Targets
from agent.syncer.together import Together

WAVE_SECONDS = 2.0
"""From one wave to the next, so that controllers take up what they were given before its health is believed."""
LOOK_SECONDS = 5.0
"""Between two looks at what is waited for; its watch tells earlier."""


class Runner:
    """One operation of one application. Not re-entrant."""

    def __init__(
        self,
        context: Context,
        assignment: Assignment,
        order: Order,
        ledger: Ledger,
        targets: Targets,
        ignores: IgnoreRules,
        gate: Gate,
    ) -> None:
        self._client, self._storage, self._live = context.client, context.storage, context.live
        self._served, self._clock = context.served, context.clock
        self._assignment = assignment
        self._gate = gate
        self.order = order
        self.targets = targets
        self.ledger = ledger
        self._patience = Patience(context.clock)
        name = assignment.tracking_name
        self._manifests = Manifests(context.storage, name)
        self._applier = Applier(context.client, context.clock, self._patience, order.options, ignores)
        self._hooks = Hooks(context, self._patience, ledger, self._manifests, order, name)
        self._preflight = Preflight(
            context, self._patience, ledger, self._manifests, self._applier, self._hooks, order, name
        )
        self._pruner = Pruner(context.client, self._patience, ledger, order, name)
        self._together = Together(context.client, self._patience, ledger)
        self._found = dict(targets.kinds)
        """The kinds of what is assigned, those included that the operation has brought."""
        self._plan: Plan | None = None
        self._waves: tuple[Wave, ...] = ()
        self._phase: SyncPhase | None = None
        self._rest_until = 0.0
        self._failed: tuple[str, bool] | None = None
        """Why it has failed, and whether that may pass by itself."""
        self._approved_ms = assignment.approved_ms
        self._superseded = ""
        self._chosen = 0
        """How many there are of the resources that were asked for by name."""
        self._coming = ""
        """In a dry run: the namespace that would be made first."""
        self.terminated = False
        """Whether it ended because somebody asked for that."""

    # --- what others tell it

    def terminate(self) -> None:
        """End the operation before its next request."""
        self._patience.terminate()
        self.ledger.terminating()

    def approve(self, approved_ms: int) -> None:
        """Somebody confirmed deletions."""
        self._approved_ms = max(self._approved_ms, approved_ms)

    def is_for(self, assignment: Assignment) -> bool:
        """Say whether it brings about what is assigned."""
        same = assignment.namespace == self._assignment.namespace
        return same and assignment.manifest_set.digest == self.order.ref.digest

    def supersede(self, by: str) -> None:
        """Something newer is assigned: end it as soon as no hook runs, where there is anything left to do; "" takes
        that back."""
        self._superseded = by

    # --- going on

    async def advance(self, judged: Mapping[ResourceKey, Judged]) -> float | None:
        """Do what can be done now. None once the operation has ended, and then `ledger.state` tells how; else the
        seconds until it is to be looked at again at the latest. Raises StorageError, and IncompleteSet."""
        try:
            return await self._advance(judged)
        except Terminated:
            self.terminated = True
            try:
                await self._stop()
            except errors.KubeError as error:
                self.ledger.waiting(f"{TERMINATED}{HOOKS_LEFT}{error}{error.hint}")
                return LOOK_SECONDS
            before = f"; before that it had failed: {self._failed[0]}" if self._failed is not None else ""
            self.ledger.finish(Phase.FAILED, f"{TERMINATED}{before}")
        except StepFailed as failure:
            self.ledger.finish(Phase.ERROR if failure.retryable else Phase.FAILED, failure.message)
        return None

    async def _advance(self, judged: Mapping[ResourceKey, Judged]) -> float | None:
        self._patience.check()
        plan = self._plan or await self._begin(judged)
        if self.order.dry_run:
            self._end_rehearsal(plan)
            return None
        while True:
            self._patience.check()
            move = await self._next_move()
            if self._gives_up_at(move):
                await self._clean(plan)
                self.ledger.finish(Phase.FAILED, f"given up before its end for {self._superseded}")
                return None
            if isinstance(move, Wait):
                self.ledger.waiting(self._awaited(move))
                return self._rest() or LOOK_SECONDS
            if isinstance(move, Carry):
                delay = await self._prepare(plan, move)
                if delay is not None:
                    return delay
                await self._carry(move)
                if self._together.away:
                    away, self._together.away = self._together.away, ""
                    self.ledger.waiting(f"the cluster's API does not answer; it goes on when that does: {away}")
                    return LOOK_SECONDS
                continue
            await self._clean(plan)
            if self._ends_with(plan, move):
                return None

    def _gives_up_at(self, move: Move) -> bool:
        """Say whether something newer goes first here: not while a hook runs, and not before the hooks for a failure
        have run; what has come to its end is what it is."""
        if not self._superseded or self._failed is not None or isinstance(move, Failed | Done):
            return False
        return not (isinstance(move, Wait) and any(task.hook for task in move.tasks))

    async def _next_move(self) -> Move:
        move = next_move(self._waves, self.ledger.book, to_the_end=self.order.ends)
        if isinstance(move, Wait) and not self._rest():
            await self._observe(move.tasks)
            move = next_move(self._waves, self.ledger.book, to_the_end=self.order.ends)
        return move

    def _ends_with(self, plan: Plan, move: Failed | Done) -> bool:
        """Say whether this is the end, of which the ledger tells; else the hooks for a failure come next."""
        if isinstance(move, Done) and self._failed is None:
            self.ledger.finish(Phase.SUCCEEDED, "synced" if self.order.only is None else _counted(self._chosen))
            return True
        if isinstance(move, Failed) and self._failed is None:
            self._failed = self.ledger.describe(move.tasks), self.ledger.retryable(move.tasks)
            self._waves = plan.on_failure
            if self._waves:
                self.ledger.failing(self._failed[0])
                return False
        assert self._failed is not None
        message, retryable = self._failed
        if isinstance(move, Failed) and move.wave.phase is SyncPhase.SYNC_FAIL:
            message = f"{message}; then {self.ledger.describe(move.tasks)}"
        self.ledger.finish(Phase.ERROR if retryable else Phase.FAILED, message)
        return True

    async def _begin(self, judged: Mapping[ResourceKey, Judged]) -> Plan:
        """Decide all that is to be done, and ask about it by dry runs."""
        order, options = self.order, self.order.options
        name = self._assignment.tracking_name
        known = {} if options.force and not order.automated else judged
        pairs = reconcile(
            name,
            self.targets.resources,
            self._live.of_application(name),
            known,
            hooks=self.targets.hooks.keys(),
            ends=order.ends,
        )
        if (options.delete if order.ends else options.prune) == "confirm":
            pairs = [replace(p, confirm=True) if p.action is Action.PRUNE else p for p in pairs]
        self._chosen = sum(pair.key in (order.only or ()) for pair in pairs)
        plan = make_plan(
            pairs,
            self.targets.hooks,
            prune=order.prune,
            prune_last=options.prune_last,
            only=order.only,
            ends=order.ends,
            out_of_sync_only=options.out_of_sync_only,
        )
        for pair in plan.left:
            self.ledger.leave(pair, pair.reason or "no longer assigned; pruning is off")
        # Not written: nothing is changed yet, and an operation that is killed now begins anew.
        self.ledger.step("checking", total=plan.total, write=False)
        self._manifests.read_ahead(task.pair for task in plan.tasks)
        if options.create_namespace and not order.ends:
            await self._have_namespace()
        if not order.checked:
            tasks = [t for t in self._yet_to_do(plan) if t.pair.action is Action.APPLY]
            there = self._live.records.keys().__contains__
            await self._preflight.begin(self.targets, there, waits=plan.multi_step, coming=self._coming)
            await self._together.each(tasks, self._preflight.check)
            self.ledger.stop_if_failed(tasks, "" if self.ledger.touched else "nothing was changed: ")
        for wave in plan.waves if plan.multi_step else ():
            for task in wave.unchanged:
                self.ledger.record(task, ResultStatus.SYNCED, UNCHANGED, self._first_look(task, waits=True))
        if self.ledger.state.failure:
            self._failed = self.ledger.state.failure, False
        self._waves = plan.on_failure if self._failed is not None else plan.waves
        self._plan = plan
        return plan

    async def _have_namespace(self) -> None:
        """Have the destination's namespace there or, in a dry run, note that it would be made. Raises StepFailed."""
        given = self._client, self._patience, self._assignment, self.targets
        if self.order.dry_run:
            self._coming = await coming_namespace(*given)
        else:
            await ensure_namespace(*given)

    def _yet_to_do(self, plan: Plan) -> list[Task]:
        """Return what may still be done: of an operation that is resumed no hook that was begun and, where it had
        failed, nothing but the hooks for that."""
        ahead = () if self.ledger.state.failure else plan.tasks
        return [task for task in (*ahead, *_tasks_of(plan.on_failure)) if task.id not in self.ledger.book]

    async def _prepare(self, plan: Plan, move: Carry) -> float | None:
        """See whether a wave may begin. None if so, else when to look again."""
        held = self._held()
        if held is not None:
            self.ledger.waiting(f"{move.wave.phase} wave {move.wave.number}: waiting: {held.message}")
            return min(held.seconds, LOOK_SECONDS)
        if self._rest():
            return self._rest()
        if move.wave.phase is not self._phase and self._phase is not None:
            await self._clean(plan)
        self._phase = move.wave.phase
        withheld = self._withheld(move.tasks)
        if len(withheld) < len(move.tasks):
            return None
        names = ", ".join(str(task.key) for task in withheld[:5]) + (" …" if len(withheld) > 5 else "")
        application = self._assignment.application.removeprefix("argocd/")
        self.ledger.unconfirmed(
            f"waiting for somebody to confirm that {names} may be deleted: escadre app confirm-deletion {application}"
        )
        return LOOK_SECONDS

    def _rest(self) -> float:
        """Return the seconds until what the last wave brought is looked at, and the next one may begin."""
        return max(0.0, self._rest_until - self._clock.monotonic())

    def _held(self) -> Hold | None:
        """Say which sync window an operation that has begun has to wait for."""
        order = self.order
        return None if order.ends else self._gate.hold(manual=order.manual, since_ms=self.ledger.state.started_ms)

    def _withheld(self, tasks: Iterable[Task]) -> list[Task]:
        """Return what may not be pruned before somebody has confirmed it."""
        return [] if self._confirmed else [task for task in tasks if task.pair.confirm]

    @property
    def _confirmed(self) -> bool:
        deletion = self._assignment.deletion if self.order.ends else None
        if deletion is not None:
            return self._approved_ms > 0 and self._approved_ms >= deletion.requested_ms
        # The hub's clock may be ahead of this one: what was known when the operation began was for something else.
        state = self.ledger.state
        return self._approved_ms > state.approved_ms and self._approved_ms >= state.started_ms

    async def _carry(self, move: Carry) -> None:
        """Do what a wave has to do, kind by kind: the prunes first, then what is applied."""
        pending = {task.id for task in move.tasks} - {task.id for task in self._withheld(move.tasks)}
        for step in move.wave.prunes:
            tasks = [task for task in step if task.id in pending]
            if tasks:
                self.ledger.step("pruning")
                await self._together.each(tasks, self._pruner.prune, waits=True)
                if self._together.away or self._has_failed(tasks):
                    return
        for step in move.wave.applies:
            tasks = [task for task in step if task.id in pending]
            if tasks:
                await self._apply_step(tasks)
                if self._together.away or self._has_failed(tasks):
                    return
        if self._waves and move.wave is not self._waves[-1]:
            self._rest_until = self._clock.monotonic() + WAVE_SECONDS

    def _has_failed(self, tasks: Iterable[Task]) -> bool:
        found = (self.ledger.book.get(task.id) for task in tasks)
        return any(result is not None and result.status is ResultStatus.SYNC_FAILED for result in found)

    def _end_rehearsal(self, plan: Plan) -> None:
        for task in plan.tasks:
            if task.hook:
                self.ledger.record(task, ResultStatus.SYNCED, f"would be run as {task.phase} hook")
            elif task.pair.action is Action.PRUNE:
                wait = ", once somebody has confirmed it" if task.pair.confirm else ""
                self.ledger.record(task, ResultStatus.PRUNED, f"would be pruned{wait}")
        namespace = f"; the namespace {self._coming} would be created" if self._coming else ""
        self.ledger.finish(Phase.SUCCEEDED, f"dry run: nothing was changed{namespace}")

    # --- applying

    async def _apply_step(self, step: list[Task]) -> None:
        """Apply what is of one rank, the state on disk before."""
        kinds = await kinds_of(step, self._found, self._served, self._patience)
        with self._storage.together():
            self._storage.add_kinds(self._assignment.application, {_group_kind(t.key) for t in step})
            for task in step:
                if task.hook:
                    self._hooks.begin(task)
            self.ledger.step("applying")
        self._live.watch({kinds[t.key] for t in step if t.key in kinds})

        async def apply(task: Task) -> None:
            kind = kinds.get(task.key)
            if kind is None:
                raise errors.KindUnknown(f"the cluster still serves no kind {task.key.kind} after its CRD was applied")
            if task.hook:
                await self._hooks.make(kind, task)
            else:
                await self._apply_one(kind, task)

        await self._together.each(step, apply, waits=True)
        if any(task.hook for task in step):
            self.ledger.write()
        for task in step:
            if task.pair.target is not None and task.pair.target.traits.defines and not self._has_failed([task]):
                await wait_established(self._client, kinds[task.key], task.key, self._patience)

    async def _apply_one(self, kind: Kind, task: Task) -> None:
        target, live = task.pair.target, task.pair.live
        assert target is not None
        # It may have come since the dry runs.
        others = self._live.owner(task.key) not in ("", self._assignment.tracking_name)
        if others and await self._preflight.left_to_another(kind, task):
            return
        obj = await self._applier.put(
            kind,
            task.key,
            self._manifests.get(task.pair),
            target.traits,
            uid=live.uid if live is not None else "",
            take_over_first=task.key in self._preflight.taken_over,
        )
        noted = self._live.note(obj)
        message = "created" if live is None else "configured"
        state = self._first_look(task, waits=len(self._waves) > 1)
        self.ledger.settle(task, target.digest, noted.judged_hash, message, state)

    # --- waiting

    async def _observe(self, tasks: Iterable[Task]) -> None:
        """See how what is waited for stands. Raises StorageError."""
        ended = False
        for task in tasks:
            result = self.ledger.book[task.id]
            try:
                state, message = await self._look(task, result)
            except errors.KubeError as error:
                self.ledger.waiting(f"the cluster's API does not answer: {error}")
                continue
            waited = self.ledger.waited(task)
            late = overdue(task, waited, self.ledger.absent(task)) if state is Phase.RUNNING else ""
            if not late and state is Phase.RUNNING and task.hook:
                late = await why_stuck(self._client, self._hooks.key(task), self._found.get(task.key), waited)
            if late:
                state, message = Phase.FAILED, f"{late}{': ' if message else ''}{message}"
            self.ledger.end(task, state, message or result.message)
            if task.hook and state is Phase.FAILED:
                kind = self._found.get(task.key)
                self.ledger.wrote(task, await output_of(self._client, kind, self._hooks.key(task)))
            ended = ended or (task.hook and state is not Phase.RUNNING)
        if ended:
            # Its object, which tells how it ended, may go at any time: by its own rules, or as its policies say.
            self.ledger.write()
        else:
            self.ledger.keep_time()

    async def _look(self, task: Task, result: Result) -> tuple[Phase, str]:
        if task.hook:
            return await self._hooks.observe(self._found.get(task.key), task, result)
        if task.pair.action is Action.PRUNE:
            return self._look_at_pruned(task)
        if task.key in self._live.records:
            return self._health(task)
        kind = self._found.get(task.key)
        found = await self._patience.request(self._reading(kind, task.key)) if kind is not None else None
        if found is None:
            return Phase.FAILED, "somebody deleted it while its wave was waiting for it"
        self._live.note(found)
        return self._health(task)

    def _look_at_pruned(self, task: Task) -> tuple[Phase, str]:
        record, live = self._live.records.get(task.key), task.pair.live
        assert live is not None
        if record is None or record.live.uid != live.uid:
            return Phase.SUCCEEDED, "pruned"
        return Phase.RUNNING, record.health.message if record.health is not None else "being deleted"

    def _first_look(self, task: Task, *, waits: bool) -> Phase:
        record = self._live.records.get(task.key)
        return first_look(record.health if record is not None else None, waits=waits)

    def _health(self, task: Task) -> tuple[Phase, str]:
        record = self._live.records.get(task.key)
        return outcome(record.health if record is not None else None, hook=False)

    def _awaited(self, move: Wait) -> str:
        """Say what is waited for."""
        first = min(move.tasks, key=lambda task: task.key)
        more = f" and {len(move.tasks) - 1} more" if len(move.tasks) > 1 else ""
        message = self.ledger.book[first.id].message
        what = f"{first.phase} hook {first.key} to end" if first.hook else f"{first.key} to be healthy"
        if first.pair.action is Action.PRUNE:
            what = f"{first.key} to be gone"
        return f"{move.wave.phase} wave {move.wave.number}: waiting for {what}{more}" + (
            f": {message}" if message else ""
        )

    # --- hooks

    async def _clean(self, plan: Plan) -> None:
        await self._hooks.clean(self._found, (*plan.tasks, *_tasks_of(plan.on_failure)))

    async def _stop(self) -> None:
        """End the hooks that run, with patience of their own: who terminates the operation wants this done. Raises
        KubeError while the cluster does not let that be done."""
        plan = self._plan
        if plan is None:
            await self._stop_left()
            return
        self._hooks.with_patience(Patience(self._clock))
        await self._hooks.stop(self._found, (*plan.tasks, *_tasks_of(plan.on_failure)))

    async def _stop_left(self) -> None:
        """End the hooks that an earlier agent had begun, of an operation that this one has not planned yet. Raises
        KubeError."""
        left = self._storage.operation(self.order.id)
        if left is not None and not left.phase.finished:
            ended = await Patience(self._clock).request(lambda: end_left(self._client, self._served, left))
            self.ledger.hooks_ended(ended.results)

    # --- helpers

    def _reading(self, kind: Kind, key: ResourceKey) -> Callable[[], Awaitable[Object | None]]:
        return lambda: self._client.get(kind, key.namespace, key.name)


def _tasks_of(waves: Iterable[Wave]) -> tuple[Task, ...]:
    return tuple(task for wave in waves for task in wave.tasks)


def _counted(resources: int) -> str:
    if not resources:
        return "synced no resource: a hook is not run by itself, and nothing else was named"
    return f"synced {resources} {'resource' if resources == 1 else 'resources'}"


def _group_kind(key: ResourceKey) -> GroupKind:
    return GroupKind(key.group, key.kind)
