"""From pairs and hooks to the plan of an operation: phases, waves in them, and steps in those.

A sync goes PreSync → Sync → PostSync, a deletion PreDelete → Sync → PostDelete; SyncFail waits for a failure. In a
phase waves go up. In a wave everything is applied in kind order, one step a rank, so that all of one step may be done at
the same time; then what is no longer assigned is pruned, in reverse kind order: nothing goes for what could not come.

- Hooks stand in every phase they name, everything else in Sync.
- Waves of prunes are mirrored: what was applied last is pruned first. `PruneLast` puts a prune behind all waves.
- A Namespace comes no later than what is in it, and a CustomResourceDefinition no later than what is of its kind: they
  move up to the phase and wave of the first that needs them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final, NamedTuple

from agent.engine.order import kind_rank
from agent.engine.reconcile import Action, Pair, Target
from agent.engine.resource import GroupKind, ResourceKey
from agent.engine.traits import SyncPhase

SYNC_PHASES: Final = (SyncPhase.PRE_SYNC, SyncPhase.SYNC, SyncPhase.POST_SYNC)
_SYNC_HOOKS: Final = (*SYNC_PHASES, SyncPhase.SYNC_FAIL)
DELETION_HOOKS: Final = frozenset({SyncPhase.PRE_DELETE, SyncPhase.POST_DELETE})
_RANK: Final = {phase: rank for rank, phase in enumerate((SyncPhase.PRE_DELETE, *_SYNC_HOOKS))} | {
    SyncPhase.POST_DELETE: len(SyncPhase)
}
_NAMESPACE: Final = GroupKind("", "Namespace")


class TaskId(NamedTuple):
    """One object may have something to do in several phases."""

    phase: SyncPhase
    key: ResourceKey


@dataclass(frozen=True, slots=True)
class Task:
    """Something to do about one object, and when."""

    pair: Pair
    phase: SyncPhase
    wave: int
    hook: bool = False

    @property
    def key(self) -> ResourceKey:
        return self.pair.key

    @property
    def id(self) -> TaskId:
        return TaskId(self.phase, self.pair.key)


Steps = tuple[tuple[Task, ...], ...]
"""In order; the tasks of one step are independent of each other."""


@dataclass(frozen=True, slots=True)
class Wave:
    """What is done before the next wave may begin."""

    phase: SyncPhase
    number: int
    applies: Steps
    """Hooks among them."""
    prunes: Steps
    unchanged: tuple[Task, ...]
    """Objects that are as assigned already: nothing is done about them, but their health counts."""

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All that is to be done."""
        return tuple(task for steps in (self.applies, self.prunes) for step in steps for task in step)

    @property
    def has_hooks(self) -> bool:
        return any(task.hook for step in self.applies for task in step)


@dataclass(frozen=True, slots=True)
class Plan:
    waves: tuple[Wave, ...]
    on_failure: tuple[Wave, ...]
    """Of phase SyncFail."""
    left: tuple[Pair, ...]
    """Live, tracked, not assigned, and not to be pruned, with the reason."""

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All that is to be done, unless something fails."""
        return tuple(task for wave in self.waves for task in wave.tasks)

    @property
    def applies(self) -> tuple[Pair, ...]:
        """What is applied, in order, hooks left out."""
        return tuple(task.pair for task in self.tasks if task.pair.action is Action.APPLY and not task.hook)

    @property
    def confirmations(self) -> tuple[ResourceKey, ...]:
        """What is pruned only once somebody has confirmed it."""
        return tuple(task.key for task in self.tasks if task.pair.confirm)

    @property
    def total(self) -> int:
        return sum(len(wave.tasks) for wave in self.waves)

    @property
    def multi_step(self) -> bool:
        """Whether there is more than one wave, so that health decides about going on."""
        return len(self.waves) > 1


def make_plan(
    pairs: Iterable[Pair],
    hooks: Mapping[ResourceKey, Target] | None = None,
    *,
    prune: bool,
    prune_last: bool = False,
    only: frozenset[ResourceKey] | None = None,
    ends: bool = False,
    out_of_sync_only: bool = False,
) -> Plan:
    """Order what is to be done.

    `only` restricts the operation to some resources, and runs no hooks; `ends` says that the application is at its end;
    with `out_of_sync_only` objects that are as assigned do not count at all.
    """
    chosen = [p for p in pairs if only is None or p.key in only]
    prunes = [p for p in chosen if p.action is Action.PRUNE]
    tasks = [Task(p, SyncPhase.SYNC, _wave(p)) for p in chosen if p.action in (Action.APPLY, Action.NONE)]
    if only is None:
        tasks += _hook_tasks(hooks or {}, DELETION_HOOKS if ends else _SYNC_HOOKS)
    tasks = _with_needs_first(tasks)
    if prune:
        tasks += _prune_tasks(prunes, tasks, prune_last=prune_last)
    waves = _waves(tasks, out_of_sync_only=out_of_sync_only)
    left = [p for p in chosen if p.action is Action.LEAVE] + ([] if prune else prunes)
    return Plan(
        waves=tuple(w for w in waves if w.phase is not SyncPhase.SYNC_FAIL),
        on_failure=tuple(w for w in waves if w.phase is SyncPhase.SYNC_FAIL),
        left=tuple(sorted(left, key=lambda pair: pair.key)),
    )


def _wave(pair: Pair) -> int:
    source = pair.target or pair.live
    assert source is not None
    return source.traits.wave


def _hook_tasks(hooks: Mapping[ResourceKey, Target], phases: Iterable[SyncPhase]) -> list[Task]:
    return [
        Task(Pair(key, Action.APPLY, target, None), phase, target.traits.wave, hook=True)
        for key, target in hooks.items()
        for phase in phases
        if phase in (target.traits.hook or ())
    ]


def _with_needs_first(tasks: list[Task]) -> list[Task]:
    """Move namespaces and definitions up to the first wave that needs them."""
    namespaces: dict[str, tuple[int, int, SyncPhase]] = {}
    kinds: dict[GroupKind, tuple[int, int, SyncPhase]] = {}
    for task in tasks:
        if task.phase is SyncPhase.SYNC_FAIL:
            continue
        place = (_RANK[task.phase], task.wave, task.phase)
        key = task.key
        if key.namespace:
            namespaces[key.namespace] = min(place, namespaces.get(key.namespace, place))
        group_kind = GroupKind(key.group, key.kind)
        kinds[group_kind] = min(place, kinds.get(group_kind, place))

    def moved(task: Task) -> Task:
        target = task.pair.target
        if target is None:
            return task
        first = None
        if (task.key.group, task.key.kind) == _NAMESPACE:
            first = namespaces.get(task.key.name)
        elif target.traits.defines is not None:
            first = kinds.get(target.traits.defines)
        if first is None or first >= (_RANK[task.phase], task.wave, task.phase):
            return task
        return replace(task, phase=first[2], wave=first[1])

    return [moved(task) for task in tasks]


def _prune_tasks(prunes: list[Pair], tasks: list[Task], *, prune_last: bool) -> list[Task]:
    numbers = sorted({_wave(pair) for pair in prunes})
    mirrored = dict(zip(numbers, reversed(numbers), strict=True))
    found = [Task(pair, SyncPhase.SYNC, mirrored[_wave(pair)]) for pair in prunes]
    last = 1 + max([0, *(t.wave for t in (*tasks, *found) if t.phase is SyncPhase.SYNC)])
    return [replace(t, wave=last) if prune_last or _asks_to_be_last(t.pair) else t for t in found]


def _asks_to_be_last(pair: Pair) -> bool:
    return pair.live is not None and pair.live.traits.option("PruneLast") == "true"


def _waves(tasks: Iterable[Task], *, out_of_sync_only: bool) -> list[Wave]:
    def place(task: Task) -> tuple[int, int]:
        return _RANK[task.phase], task.wave

    def order(task: Task) -> tuple[int, int, int, str, ResourceKey]:
        return *place(task), _kind_rank(task), task.key.name, task.key

    waves = []
    counted = (t for t in tasks if not (out_of_sync_only and t.pair.action is Action.NONE))
    for _, group in groupby(sorted(counted, key=order), key=place):
        members = list(group)
        waves.append(
            Wave(
                phase=members[0].phase,
                number=members[0].wave,
                applies=_steps([t for t in members if t.pair.action is Action.APPLY]),
                prunes=_steps([t for t in reversed(members) if t.pair.action is Action.PRUNE]),
                unchanged=tuple(t for t in members if t.pair.action is Action.NONE),
            )
        )
    return waves


def _steps(tasks: list[Task]) -> Steps:
    return tuple(tuple(group) for _, group in groupby(tasks, key=_kind_rank))


def _kind_rank(task: Task) -> int:
    return kind_rank(GroupKind(task.key.group, task.key.kind))
