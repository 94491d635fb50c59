"""Running one operation: dry run of everything, then applies in order, then prunes; its state on disk before each step.

A killed agent runs it again from the start under the same id: every step may be repeated, and what is done already is
seen to be done. A step that fails is the last one: what comes after it may need it, and nothing is pruned in exchange
for what could not be applied.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from typing import Any

from agent.engine.assignment import Assignment
from agent.engine.operation import OperationState, Phase, ResultStatus
from agent.engine.reconcile import Judged, Live, Pair, reconcile
from agent.engine.resource import FIELD_MANAGER, GroupKind, Object, ResourceKey
from agent.engine.takeover import take_over
from agent.engine.tasks import Plan, make_plan
from agent.kube import errors
from agent.kube.client import ApplyOptions, DeleteOptions, Discovery, Kind
from agent.syncer.context import Context
from agent.syncer.ledger import Ledger, StepFailed
from agent.syncer.live import live_of
from agent.syncer.orders import Order
from agent.syncer.patience import Patience, Terminated
from agent.syncer.preflight import Preflight
from agent.syncer.targets import CRD, Manifests, Targets

APPLY = ApplyOptions()
TOGETHER = 64
"""Resources worked on at once; the client bounds how many requests are under way."""
MIGRATION = "ClientSideApplyMigration"
"""The sync option that, when false, leaves to others what they applied before."""
GONE_TIMEOUT_SECONDS = 60.0
CRD_TIMEOUT_SECONDS = 30.0
SERVED_TIMEOUT_SECONDS = 15.0
"""How long a kind may be missing from discovery after its CRD was established: servers under load take seconds."""
SERVED_POLL_SECONDS = 0.5
"""Between two looks at discovery, which is no small answer."""
DELETE_TRIES = 5
"""Of an object that others change all the time, before a pause."""


class Runner:
    """One operation of one application."""

    def __init__(
        self,
        context: Context,
        assignment: Assignment,
        order: Order,
        ledger: Ledger,
    ) -> None:
        self._client, self._storage, self._live = context.client, context.storage, context.live
        self._served, self._clock = context.served, context.clock
        self._assignment = assignment
        self._order = order
        self._patience = Patience(context.clock)
        self._manifests = Manifests(context.storage, assignment.tracking_name)
        self.ledger = ledger
        self._preflight = Preflight(context, self._patience, ledger, self._manifests, order, assignment.tracking_name)
        self.terminated = False
        """Whether it ended because somebody asked for that."""

    def terminate(self) -> None:
        """End the operation before its next request."""
        self._patience.terminate()

    async def run(self, targets: Targets, judged: Mapping[ResourceKey, Judged]) -> OperationState:
        """Carry the operation out. Returns its final state; raises StorageError, and IncompleteSet."""
        name = self._assignment.tracking_name
        known = {} if self._order.force else judged
        live = self._live.of_application(name)
        if self._order.ends:
            live = [replace(o, prunable=o.deletable) for o in live]
        pairs = reconcile(name, targets.resources, live, known)
        plan = make_plan(pairs, prune=self._order.prune, only=self._order.only)
        for pair in plan.left:
            self.ledger.record(pair, ResultStatus.PRUNE_SKIPPED, pair.reason or "no longer assigned; pruning is off")
        # Not written: nothing is changed yet, and an operation that is killed now begins anew.
        self.ledger.step("checking", total=plan.total, write=False)
        self._manifests.read_ahead(pair for step in plan.applies for pair in step)
        try:
            message = await self._carry_out(targets, plan)
            return self.ledger.finish(Phase.SUCCEEDED, message, self._clock.now_ms())
        except Terminated:
            self.terminated = True
            return self.ledger.finish(Phase.FAILED, "terminated on request", self._clock.now_ms())
        except StepFailed as failure:
            phase = Phase.ERROR if failure.retryable else Phase.FAILED
            return self.ledger.finish(phase, failure.message, self._clock.now_ms())

    async def _carry_out(self, targets: Targets, plan: Plan) -> str:
        dry_run = self._order.dry_run
        if self._order.create_namespace and not dry_run:
            await self._ensure_namespace()
        if not self._order.checked:
            await self._preflight.begin(targets, lambda key: key in self._live.records)
            await self._each((p for step in plan.applies for p in step), self._preflight.check)
            self.ledger.stop_if_failed("nothing was changed: ")
        if dry_run:
            for step in plan.prunes:
                for pair in step:
                    self.ledger.record(pair, ResultStatus.PRUNED, "would be pruned")
            return "dry run: nothing was changed"
        for step in plan.applies:
            await self._apply_step(targets, [p for p in step if not self.ledger.known(p.key)])
        for step in plan.prunes:
            self.ledger.step("pruning")
            await self._each(step, self._prune)
            self.ledger.stop_if_failed()
        return "synced" if not self._order.only else f"synced {len(self._order.only)} resources"

    # --- steps

    async def _ensure_namespace(self) -> None:
        """Have the destination's namespace there: a dry run of what goes into it needs it."""
        name = self._assignment.namespace
        try:
            kind = (await self._client.discover()).find("", "v1", "Namespace")
            if not name or kind is None:
                return
            if await self._patience.request(lambda: self._client.get(kind, "", name)) is None:
                manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
                await self._patience.request(lambda: self._client.apply(kind, manifest, APPLY))
        except errors.KubeError as error:
            retryable = isinstance(error, errors.Retryable)
            raise StepFailed(f"namespace {name} could not be created: {error}", retryable=retryable) from error

    async def _apply_step(self, targets: Targets, step: list[Pair]) -> None:
        """Apply what is of one rank, the state on disk before."""
        if not step:
            return
        with self._storage.together():
            self._storage.add_kinds(self._assignment.application, {_group_kind(p) for p in step})
            self.ledger.step("applying")
        kinds = await self._kinds(targets, step)
        self._live.watch({kinds[p.key] for p in step if p.key in kinds})

        async def apply(pair: Pair) -> None:
            assert pair.target is not None
            kind = kinds.get(pair.key)
            if kind is None:
                raise errors.KindUnknown(f"the cluster still serves no kind {pair.key.kind} after its CRD was applied")
            live = self._live.note(await self._apply_one(kind, pair))
            message = "created" if pair.live is None else "configured"
            self.ledger.settle(pair, pair.target.digest, live.content_hash, message)

        await self._each(step, apply)
        self.ledger.stop_if_failed()
        for pair in step:
            if _group_kind(pair) == CRD:
                await self._wait_established(kinds[pair.key], pair.key)

    async def _kinds(self, targets: Targets, step: list[Pair]) -> dict[ResourceKey, Kind]:
        """Return the kinds of a step's resources, those included that the operation itself has just brought."""
        kinds = {p.key: targets.kinds[p.key] for p in step if p.key in targets.kinds}
        missing = [p for p in step if p.key not in kinds]

        def served(discovery: Discovery) -> bool:
            for pair in missing:
                assert pair.target is not None
                found = discovery.find(pair.key.group, pair.target.version, pair.key.kind)
                if found is not None:
                    kinds[pair.key] = found
            return len(kinds) == len(step)

        if missing:
            # What stays missing is told of each resource.
            await self._patience.until(
                lambda: self._served.fresh(0.0), served, SERVED_TIMEOUT_SECONDS, every=SERVED_POLL_SECONDS
            )
        return kinds

    async def _apply_one(self, kind: Kind, pair: Pair) -> Object:
        manifest = self._manifests.get(pair)
        if pair.key in self._preflight.taken_over and self._assignment.policy.option(MIGRATION) != "false":
            await self._patience.request(lambda: self._take_over(kind, pair.key))
        try:
            return await self._patience.request(lambda: self._client.apply(kind, manifest, APPLY))
        except errors.Rejected as error:
            if not self._order.replaces_after(error.message):
                raise
        options = DeleteOptions("background", uid=pair.live.uid if pair.live is not None else None)
        await self._client.delete(kind, pair.key.namespace, pair.key.name, options)
        # Who ends the operation now does not end this: what was deleted to be made anew would stay away.
        patience = Patience(self._clock)
        if not await patience.until(self._reading(kind, pair.key), lambda o: o is None, GONE_TIMEOUT_SECONDS):
            raise errors.Conflict(f"it was to be replaced, and has not gone away in {GONE_TIMEOUT_SECONDS:.0f} s")
        return await patience.request(lambda: self._client.apply(kind, manifest, APPLY))

    async def _take_over(self, kind: Kind, key: ResourceKey) -> None:
        """Have what a predecessor applied put down to this agent, so that what Git has no more is removed."""
        found = await self._client.get(kind, key.namespace, key.name)
        mine = take_over(found) if found is not None else None
        if mine is not None:
            await self._client.replace(kind, mine, field_manager=FIELD_MANAGER)

    async def _prune(self, pair: Pair) -> None:
        assert pair.live is not None
        live = pair.live
        group, kind_name = pair.key.group, pair.key.kind
        if live.deleting:
            self.ledger.record(pair, ResultStatus.PRUNED, "is being deleted already")
            return
        kind = (await self._client.discover()).find(group, live.version, kind_name)
        if kind is None:
            raise errors.KindUnknown(f"the cluster serves no kind {kind_name} in {group or 'core'}/{live.version}")
        self._patience.check()
        status, message = await self._patience.request(lambda: self._delete(kind, live))
        self.ledger.judged[pair.key] = None
        self.ledger.record(pair, status, message)

    async def _delete(self, kind: Kind, live: Live) -> tuple[ResultStatus, str]:
        """Delete exactly this object, as it was judged: whatever has its name now is left, and so is one that meanwhile
        became another application's, or asks to be left. What is known of it may be as old as the watch is late."""
        key, version = live.key, live.resource_version
        for _ in range(DELETE_TRIES):
            options = DeleteOptions(self._order.propagation, uid=live.uid, resource_version=version)
            try:
                deleted = await self._client.delete(kind, key.namespace, key.name, options)
                return ResultStatus.PRUNED, "pruned" if deleted else "was gone already"
            except errors.Conflict:
                found = await self._client.get(kind, key.namespace, key.name)
            if found is None or found["metadata"].get("uid") != live.uid:
                return ResultStatus.PRUNED, "was gone already"
            now = live_of(found)
            may_go = now.deletable if self._order.ends else now.prunable
            if not may_go or now.application != self._assignment.tracking_name:
                return ResultStatus.PRUNE_SKIPPED, "it was changed meanwhile, and is to be left now"
            version = now.resource_version
        raise errors.Conflict(f"{key} changes faster than it can be deleted")

    async def _wait_established(self, kind: Kind, key: ResourceKey) -> None:
        def established(found: Object | None) -> bool:
            conditions = ((found or {}).get("status") or {}).get("conditions") or []
            return any(c.get("type") == "Established" and c.get("status") == "True" for c in conditions)

        try:
            if await self._patience.until(self._reading(kind, key), established, CRD_TIMEOUT_SECONDS):
                return
        except errors.KubeError as error:
            raise StepFailed(f"{key}: {error}", retryable=isinstance(error, errors.Retryable)) from error
        raise StepFailed(f"waited {CRD_TIMEOUT_SECONDS:.0f} s for {key} to be established", retryable=True)

    # --- helpers

    async def _each(self, pairs: Iterable[Pair], action: Callable[[Pair], Coroutine[Any, Any, None]]) -> None:
        """Do one thing to many resources at once. A resource that fails is on record, and does not stop the others."""

        async def guarded(pair: Pair) -> None:
            self._patience.check()
            try:
                await action(pair)
            except errors.KubeError as error:
                self.ledger.fail(pair, error)

        items = list(pairs)
        for start in range(0, len(items), TOGETHER):
            together = items[start : start + TOGETHER]
            if self._client.immediate:
                for pair in together:
                    await guarded(pair)
                if len(together) == TOGETHER:
                    # Others have their turn.
                    await asyncio.sleep(0)
                continue
            outcomes = await asyncio.gather(*map(guarded, together), return_exceptions=True)
            for outcome in outcomes:
                if outcome is not None:
                    raise outcome

    def _reading(self, kind: Kind, key: ResourceKey) -> Callable[[], Coroutine[Any, Any, Object | None]]:
        return lambda: self._client.get(kind, key.namespace, key.name)


def _group_kind(pair: Pair) -> GroupKind:
    return GroupKind(pair.key.group, pair.key.kind)
