"""How one application stands: what is assigned, what was judged, what differs; object by object, and rolled up.

Kept up to date change by change, so that telling the hub costs what is not fine, not what there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from agent.engine.assignment import Assignment, IgnoreDifference, Revision
from agent.engine.codec import encode
from agent.engine.compare_options import CompareOptions
from agent.engine.compare_settings import CompareSettings
from agent.engine.health import HealthStatus
from agent.engine.ignore import IgnoreRules, compile_ignores
from agent.engine.needs import provision
from agent.engine.operation import OperationState
from agent.engine.options import SyncOptions, read_options
from agent.engine.reconcile import Action, Judged, Live, surplus
from agent.engine.resource import Object, ResourceKey
from agent.engine.settings import SystemSettings
from agent.engine.status import (
    ApplicationStatus,
    Condition,
    ResourceState,
    SyncStatus,
    details,
    overall_health,
    overall_sync,
    sealed,
)
from agent.storage import Storage
from agent.syncer.clock import Clock
from agent.syncer.judge import Verdict
from agent.syncer.live import LiveState
from agent.syncer.settings import Settings
from agent.syncer.targets import Targets

NAMED = 5
"""How many things a condition names."""

_EXCLUDED = ": left alone, for the system-wide settings exclude resources of such kinds here"

Ignored = tuple[IgnoreDifference, ...]


class Standing:
    """One application's books. Pure bookkeeping but for the verdicts it keeps on disk."""

    def __init__(
        self, storage: Storage, live: LiveState, clock: Clock, settings: Settings, assignment: Assignment
    ) -> None:
        self._storage = storage
        self._live = live
        self._clock = clock
        self._settings = settings
        self.assignment = assignment
        self.targets: Targets | None = None
        self.ignores: IgnoreRules = settings.current.compare.rules(assignment.ignore_differences)
        settings.register(assignment.tracking_name, assignment.ignore_differences)
        self.options: SyncOptions = read_options(assignment.policy.sync_options)
        self.judged: dict[ResourceKey, Judged] = storage.judged(assignment.application)
        self.drifted: dict[ResourceKey, Verdict] = {}
        self.pending: dict[ResourceKey, Object | None] = {}
        """What is to be judged, with the object where the watch has just brought it."""
        self.shared: dict[ResourceKey, str] = {}
        """Objects left to the application that has them, with its tracking name."""
        self.listed = False
        """Whether all objects of the kinds in question are known."""
        self.operation: OperationState | None = None
        self.synced: tuple[str, Revision] = ("", Revision())
        """The manifest set last synced in full, and its revision."""
        self._states: dict[ResourceKey, ResourceState] | None = None
        """Of what is not fine; None when all is to be looked at again."""
        self._conditions: dict[str, Condition] = {}
        self._edition = 1
        self._told = 0

    def reassign(self, assignment: Assignment) -> None:
        """Take a newer assignment of the same application."""
        self._edition += 1
        before, self.assignment = self.assignment, assignment
        self.options = read_options(assignment.policy.sync_options)
        if before.uid != assignment.uid:
            self.judged = self._storage.judged(assignment.application)
        if before.ignore_differences != assignment.ignore_differences:
            compare = self._settings.current.compare
            stale = self._hidden_otherwise(compare, compare, before.ignore_differences)
            self._settings.register(assignment.tracking_name, assignment.ignore_differences)
            self.ignores = compare.rules(assignment.ignore_differences)
            self.keep_judged(dict.fromkeys(stale))
            self.targets = None
        if _what(before) != _what(assignment):
            self.targets = None
            # What failed was to bring about something else.
            self.clear("SyncError")

    # --- the system-wide settings

    @property
    def compare_options(self) -> CompareOptions:
        return self._settings.current.compare.options

    def outdated(self, settings: SystemSettings) -> list[ResourceKey]:
        """Return what has to be judged anew once other system-wide settings are in force."""
        return self._hidden_otherwise(self._settings.current.compare, settings.compare)

    def resettle(self, before: SystemSettings, outdated: list[ResourceKey]) -> None:
        """Other settings are in force; the verdicts on what is outdated by them are gone from the disk already."""
        now = self._settings.current
        if (before.compare, before.filter, before.problems) == (now.compare, now.filter, now.problems):
            return
        for key in outdated:
            self.judged.pop(key, None)
        self.ignores = self._settings.current.compare.rules(self.assignment.ignore_differences)
        # Everything is looked at again, and what is excluded now or no longer is another set of targets.
        self.targets = None
        self._edition += 1

    def _hidden_otherwise(
        self, before: CompareSettings, after: CompareSettings, own_before: Ignored | None = None
    ) -> list[ResourceKey]:
        """Return the objects with a verdict that was made with other fields hidden."""
        own = self.assignment.ignore_differences
        own_before = own if own_before is None else own_before
        if (before, own_before) == (after, own):
            return []
        if before.options != after.options:
            return list(self.judged)
        rules = [
            (before.rules(own_before), after.rules(own)),
            (before.update_rules(own_before), after.update_rules(own)),
        ]
        return [k for k in self.judged if any(_hidden(a, k) != _hidden(b, k) for a, b in rules)]

    def load(self, targets: Targets) -> None:
        """Begin to compare with these targets."""
        self.targets = targets
        self.pending = {key: None for key in targets.resources if not self.settled(key)}
        self.drifted.clear()
        self.clear("ComparisonError")
        self._note_ignores(targets)
        self._note("ExcludedResourceWarning", targets.excluded, ", ", _EXCLUDED)
        self._note("RenderWarning", targets.misspelt, "; ")
        self._states = None
        self._edition += 1

    def _note_ignores(self, targets: Targets) -> None:
        """Tell what is to be ignored and cannot be, and of the system-wide settings what else cannot be read."""
        told = []
        unserved = self._unserved_ignores(targets) if self.ignores.unsupported else {}
        if unserved:
            words = "; ".join(islice(unserved, NAMED))
            told.append(f"ignoreDifferences that cannot be served are not applied: {words}")
        problems = self._settings.current.problems
        if problems:
            told.append(f"system-wide settings that cannot be read have no effect: {'; '.join(problems[:NAMED])}")
        if told:
            self.condition("InvalidSpecError", "; ".join(told))
        else:
            self.clear("InvalidSpecError")

    def _unserved_ignores(self, targets: Targets) -> dict[str, None]:
        """Return, in words, what of the application's own entries is not served, and of the system-wide ones what is
        about something of this application, or about nobody knows what."""
        own = compile_ignores(self.assignment.ignore_differences).unsupported
        about = [u for key in targets.resources for u in self.ignores.for_object(key).unsupported]
        of_rules = {id(u) for rule in self.ignores.rules for u in rule.ignores.unsupported}
        of_none = [u for u in self.ignores.unsupported if id(u) not in of_rules]
        return dict.fromkeys(f"{u.expression}: {u.reason}" for u in (*own, *about, *of_none))

    def _note(self, type: str, found: Sequence[object], between: str, words: str = "") -> None:
        """Tell of some of what was found; nothing more where there is none any more."""
        if not found:
            self.clear(type)
            return
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        self.condition(type, f"{between.join(map(str, found[:NAMED]))}{more}{words}")

    # --- one object

    def targeted(self, key: ResourceKey) -> bool:
        return self.targets is not None and key in self.targets.resources

    def settled(self, key: ResourceKey) -> bool:
        """Say whether a targeted object is what was judged to be as assigned: nobody needs to be asked again."""
        assert self.targets is not None
        target = self.targets.resources[key]
        record = self._live.records.get(key)
        judged = self.judged.get(key)
        return (
            record is not None
            and judged is not None
            and not record.live.deleting
            and judged.digest == target.digest
            and judged.content_hash == record.live.judged_hash
        )

    def watched_hash(self, key: ResourceKey, verdict: Verdict) -> bytes:
        """Return the hash a verdict holds for: of the object as the watch has it, which may be in another version of
        the kind than the one that is assigned."""
        record = self._live.records.get(key)
        if record is not None and record.live.resource_version == verdict.resource_version:
            return record.live.judged_hash
        return verdict.content_hash

    def keep_judged(self, judged: Mapping[ResourceKey, Judged | None]) -> None:
        """Keep verdicts, in memory and on disk; None forgets one."""
        self.believe(judged)
        if judged:
            self._storage.save_judged(self.assignment.application, judged)

    def believe(self, judged: Mapping[ResourceKey, Judged | None]) -> None:
        """Keep verdicts in memory; None forgets one."""
        for key, verdict in judged.items():
            if verdict is None:
                self.judged.pop(key, None)
            else:
                self.judged[key] = verdict

    def update(self, *keys: ResourceKey) -> None:
        """See how some objects stand now."""
        states = self._states
        if states is None:
            self._edition += 1
            return
        for key in keys:
            before, state = states.get(key), self._state_of(key)
            if state == before:
                continue
            self._edition += 1
            if state is None:
                del states[key]
            else:
                states[key] = state

    @property
    def states(self) -> dict[ResourceKey, ResourceState]:
        """How all objects stand that are not fine."""
        if self._states is None:
            keys: Iterable[ResourceKey] = ()
            if self.targets is not None:
                surplus = self._live.keys_of(self.assignment.tracking_name) - self.targets.resources.keys()
                keys = (*self.targets.resources, *surplus)
            found = ((key, self._state_of(key)) for key in keys)
            self._states = {key: state for key, state in found if state is not None}
        return self._states

    def _state_of(self, key: ResourceKey) -> ResourceState | None:
        """Return what there is to tell of an object, None when it is fine."""
        if self.targets is None:
            return None
        target = self.targets.resources.get(key)
        if target is None:
            return self._surplus_state(key)
        out, version = SyncStatus.OUT_OF_SYNC, target.version
        record = self._live.records.get(key)
        health = record.health if record is not None else None
        status, message = (health.status, health.message) if health is not None else (None, "")
        owner = self.shared.get(key)
        if owner is not None:
            return ResourceState(key, version, out, None, f"belongs to application {owner}")
        if key not in self.targets.kinds:
            return ResourceState(key, version, out, HealthStatus.MISSING, "the cluster does not serve this kind")
        if record is not None and record.live.deleting:
            return ResourceState(key, version, out, status, message or "being deleted")
        verdict = self.drifted.get(key)
        if verdict is not None and verdict.missing:
            return ResourceState(key, version, out, HealthStatus.MISSING, "not there")
        if verdict is not None:
            return ResourceState(key, version, out, status, message, drift=verdict.drift)
        if key in self.pending or not self.settled(key):
            return ResourceState(key, version, SyncStatus.UNKNOWN, status, message or "not compared yet")
        if status is None or status is HealthStatus.HEALTHY:
            return None
        return ResourceState(key, version, SyncStatus.SYNCED, status, message)

    def _surplus_state(self, key: ResourceKey) -> ResourceState | None:
        record = self._live.records.get(key)
        name = self.assignment.tracking_name
        if record is None or record.live.application != name or record.live.is_hook:
            return None
        if not self._to_be_pruned(record.live):
            return None
        status = record.health.status if record.health is not None else None
        text = "no longer assigned; a sync with pruning removes it"
        if record.live.deleting:
            text = "no longer assigned; it is being deleted"
        counts = record.live.extraneous_counts
        out, version = SyncStatus.OUT_OF_SYNC, record.live.version
        return ResourceState(key, version, out, status, text, requires_pruning=True, counts=counts)

    def _to_be_pruned(self, live: Live) -> bool:
        assert self.targets is not None
        # Only of a namespace or a definition others have a say.
        others = provision(live.key, live.traits) is not None
        name = self.assignment.tracking_name
        found = self._live.of_application(name) if others else [live]
        pairs = surplus(name, self.targets.resources.keys(), found, hooks=self.targets.hooks.keys())
        return any(p.key == live.key and p.action is Action.PRUNE for p in pairs)

    # --- the whole

    @property
    def as_assigned(self) -> bool:
        """Whether everything was judged, and found as assigned."""
        return (
            self.targets is not None
            and self.listed
            and not self.pending
            and not self.drifted
            and all(s.sync is SyncStatus.SYNCED for s in self.states.values() if s.counts)
        )

    @property
    def troubled(self) -> bool:
        """Whether there is something to tell people of."""
        return bool(self._conditions)

    def news(self) -> bool:
        """Say whether there may be something to tell since this was asked last."""
        news, self._told = self._told != self._edition, self._edition
        return news

    def condition(self, type: str, message: str) -> None:
        known = self._conditions.get(type)
        if known is None or known.message != message:
            self._edition += 1
            self._conditions[type] = Condition(type, message, self._clock.now_ms())

    def clear(self, type: str) -> None:
        if self._conditions.pop(type, None) is not None:
            self._edition += 1

    def record_synced(self, manifest_set: str, revision: Revision) -> None:
        """The application was synced in full."""
        self.synced = (manifest_set, revision)
        self._edition += 1
        self._storage.save_synced(self.assignment.application, manifest_set, encode(revision))

    def be_listed(self, listed: bool) -> None:
        """Note whether all objects of the kinds in question are known."""
        self._edition += self.listed is not listed
        self.listed = listed

    def operate(self, operation: OperationState) -> None:
        """Note how an operation stands, or how the last one ended."""
        self.operation = operation
        self._edition += 1

    def status(self) -> ApplicationStatus:
        """Return how the application stands, with the digest of that."""
        assignment = self.assignment
        comparable = self.targets is not None and self.listed
        any_live = bool(self._live.keys_of(assignment.tracking_name))
        states = self.states
        health, reason = overall_health(states, any_live=any_live, comparable=comparable)
        status = ApplicationStatus(
            application=assignment.application,
            uid=assignment.uid,
            generation=assignment.generation,
            sync=overall_sync(states, comparable=comparable),
            health=health,
            health_message=reason,
            manifest_set=assignment.manifest_set.digest,
            synced_manifest_set=self.synced[0],
            synced_revision=self.synced[1],
            resources=details(states),
            not_fine=len(states),
            total=self._total(states.values()),
            operation=self.operation,
            conditions=self._told_conditions(),
        )
        return sealed(status, self._clock.now_ms())

    def _total(self, states: Iterable[ResourceState]) -> int:
        """Count what is assigned, and what is to be pruned: what is not fine is among them."""
        assigned = len(self.targets.resources) if self.targets is not None else 0
        return assigned + sum(state.requires_pruning for state in states)

    def _told_conditions(self) -> tuple[Condition, ...]:
        if self.shared:
            text = "; ".join(f"{key} belongs to {owner}" for key, owner in sorted(self.shared.items())[:10])
            self.condition("SharedResourceWarning", text)
        else:
            self.clear("SharedResourceWarning")
        return tuple(self._conditions[t] for t in sorted(self._conditions))


def _hidden(rules: IgnoreRules, key: ResourceKey) -> tuple[object, ...]:
    ignores = rules.for_object(key)
    return ignores.pointers, ignores.expressions, ignores.managers


def _what(assignment: Assignment) -> tuple[str, int, str]:
    """Return what targets are made from."""
    return assignment.manifest_set.digest, assignment.manifest_set.resources, assignment.namespace
