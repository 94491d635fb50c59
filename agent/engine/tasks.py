"""From pairs and hooks to the plan of an operation: phases, waves in them, and steps in those.

A sync goes PreSync → Sync → PostSync, a deletion PreDelete → Sync → PostDelete; SyncFail waits for a failure. In a
phase waves go up. In a wave what is no longer assigned is pruned first, in reverse kind order, as Argo CD does: what
comes may want the host name or the port of what goes. Then everything is applied in kind order. One step is one rank,
and may be done all at once.

- Hooks stand in every phase they name, everything else in Sync.
- Waves of prunes are mirrored: what was applied last is pruned first. `PruneLast` puts a prune behind all waves.
- A Namespace comes no later than what is in it, and a CustomResourceDefinition no later than what is of its kind: they
  move up to the phase and wave of the first that needs them. They go no earlier than it, and wait for confirmation if
  any of it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from agent.engine.needs import Provision, needed, provision
from agent.engine.order import kind_rank
from agent.engine.reconcile import Action, Live, Pair, Target
from agent.engine.resource import GroupKind, ResourceKey
from agent.engine.traits import SyncPhase

SYNC_PHASES: Final = (SyncPhase.PRE_SYNC, SyncPhase.SYNC, SyncPhase.POST_SYNC)
_SYNC_HOOKS: Final = (*SYNC_PHASES, SyncPhase.SYNC_FAIL)
DELETION_HOOKS: Final = frozenset({SyncPhase.PRE_DELETE, SyncPhase.POST_DELETE})
_RANK: Final = {phase: rank for rank, phase in enumerate((SyncPhase.PRE_DELETE, *_SYNC_HOOKS))} | {
    SyncPhase.POST_DELETE: len(SyncPhase)
}
_PHASES: Final = {rank: phase for phase, rank in _RANK.items()}


Place = tuple[int, int]
"""A phase's rank and a wave: what is compared to say what comes first."""


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
    id: TaskId = field(init=False, repr=False, compare=False)
    """Made once: it is asked for at every step of every task."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", TaskId(self.phase, self.pair.key))

    @property
    def key(self) -> ResourceKey:
        return self.pair.key


Steps = tuple[tuple[Task, ...], ...]
"""In order; the tasks of one step are independent of each other."""


@dataclass(frozen=True, slots=True)
class Wave:
    """What is done before the next wave may begin."""

    phase: SyncPhase
    number: int
    prunes: Steps
    applies: Steps
    """Hooks among them."""
    unchanged: tuple[Task, ...]
    """Objects that are as assigned already: nothing is done about them, but their health counts."""

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All that is to be done, in order."""
        return tuple(task for steps in (self.prunes, self.applies) for step in steps for task in step)

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
    pairs = list(pairs)
    chosen = _confirmed_together([p for p in pairs if only is None or p.key in only], pairs)
    prunes = [p for p in chosen if p.action is Action.PRUNE]
    tasks = [Task(p, SyncPhase.SYNC, _wave(p)) for p in chosen if p.action in (Action.APPLY, Action.NONE)]
    if only is None:
        tasks += _hook_tasks(hooks or {}, DELETION_HOOKS if ends else _SYNC_HOOKS)
    going = _prune_tasks(prunes, tasks, prune_last=prune_last) if prune else []
    waves = _waves([*_with_needs_first(tasks), *going], out_of_sync_only=out_of_sync_only)
    left = [p for p in chosen if p.action is Action.LEAVE] + ([] if prune else prunes)
    return Plan(
        waves=tuple(w for w in waves if w.phase is not SyncPhase.SYNC_FAIL),
        on_failure=tuple(w for w in waves if w.phase is SyncPhase.SYNC_FAIL),
        left=tuple(sorted(left, key=lambda pair: pair.key)),
    )


def _source(pair: Pair) -> Target | Live:
    """Return what says what is asked for: what is assigned, or what is there where nothing is."""
    source = pair.target or pair.live
    assert source is not None
    return source


def _wave(pair: Pair) -> int:
    return _source(pair).traits.wave


def _hook_tasks(hooks: Mapping[ResourceKey, Target], phases: Iterable[SyncPhase]) -> list[Task]:
    return [
        Task(Pair(key, Action.APPLY, target, None), phase, target.traits.wave, hook=True)
        for key, target in hooks.items()
        for phase in phases
        if phase in (target.traits.hook or ())
    ]


def _with_needs_first(tasks: list[Task]) -> list[Task]:
    """Move namespaces and definitions up to the first wave that needs them."""
    first = _places(tasks, min)
    if not first:
        return tasks
    own: dict[ResourceKey, Place] = {}
    for task in tasks:
        # A hook of several phases moves with the first of them; one for a failure waits for a failure.
        if task.phase is not SyncPhase.SYNC_FAIL and _provision(task.pair) is not None:
            own[task.key] = min(_place(task), own.get(task.key, _place(task)))

    def moved(task: Task) -> Task:
        wanted = _provision(task.pair)
        if wanted is None or wanted not in first or own.get(task.key) != _place(task):
            return task
        place = first[wanted]
        return task if place >= _place(task) else replace(task, phase=_PHASES[place[0]], wave=place[1])

    return [moved(task) for task in tasks]


def _places(tasks: list[Task], choose: Callable[[Place, Place], Place]) -> dict[Provision, Place]:
    """Return the place chosen of all that need what one of the tasks provides."""
    provided = {_provision(task.pair) for task in tasks} - {None}
    found: dict[Provision, Place] = {}
    for task in tasks if provided else ():
        if task.phase is SyncPhase.SYNC_FAIL:
            continue
        place = _place(task)
        for need in needed(task.key):
            if need in provided:
                found[need] = choose(place, found.get(need, place))
    return found


def _provision(pair: Pair) -> Provision | None:
    return provision(pair.key, _source(pair).traits)


def _prune_tasks(prunes: list[Pair], tasks: list[Task], *, prune_last: bool) -> list[Task]:
    numbers = sorted({_wave(pair) for pair in prunes})
    mirrored = dict(zip(numbers, reversed(numbers), strict=True))
    found = [Task(pair, SyncPhase.SYNC, mirrored[_wave(pair)]) for pair in prunes]
    last = 1 + max([0, *(t.wave for t in (*tasks, *found) if t.phase is SyncPhase.SYNC)])
    return _with_needs_last([replace(t, wave=last) if prune_last or _asks_to_be_last(t.pair) else t for t in found])


def _confirmed_together(chosen: list[Pair], pairs: list[Pair]) -> list[Pair]:
    """Have namespaces and definitions wait for confirmation while anything does that would go with them."""
    unconfirmed = {need for p in pairs if p.confirm and p.action is Action.PRUNE for need in needed(p.key)}
    if not unconfirmed:
        return chosen
    together = (p.action is Action.PRUNE and _provision(p) in unconfirmed for p in chosen)
    return [replace(p, confirm=True) if waits else p for p, waits in zip(chosen, together, strict=True)]


def _with_needs_last(prunes: list[Task]) -> list[Task]:
    """Keep namespaces and definitions until what is in them or of them has gone."""
    last = _places(prunes, max)

    def moved(task: Task) -> Task:
        wanted = _provision(task.pair)
        place = last.get(wanted) if wanted is not None else None
        return task if place is None else replace(task, wave=max(task.wave, place[1]))

    return [moved(task) for task in prunes] if last else prunes


def _asks_to_be_last(pair: Pair) -> bool:
    return pair.live is not None and pair.live.traits.option("PruneLast") == "true"


def _place(task: Task) -> Place:
    return _RANK[task.phase], task.wave


def _waves(tasks: list[Task], *, out_of_sync_only: bool) -> list[Wave]:
    defined = {_source(task.pair).traits.defines for task in tasks} - {None}

    def rank(task: Task) -> int:
        kind = GroupKind(task.key.group, task.key.kind)
        return kind_rank(kind, custom=kind in defined)

    # (phase, wave, kind, name), and the rest of the key so that no two are alike.
    counted = [t for t in tasks if not (out_of_sync_only and t.pair.action is Action.NONE)]
    ranked = sorted((((*_place(t), rank(t), t.key.name, t.key), t) for t in counted), key=itemgetter(0))
    waves = []
    for _, group in groupby(ranked, key=lambda entry: entry[0][:2]):
        members = [(order[2], task) for order, task in group]
        waves.append(
            Wave(
                phase=members[0][1].phase,
                number=members[0][1].wave,
                prunes=_steps([(r, t) for r, t in reversed(members) if t.pair.action is Action.PRUNE]),
                applies=_steps([(r, t) for r, t in members if t.pair.action is Action.APPLY]),
                unchanged=tuple(t for _, t in members if t.pair.action is Action.NONE),
            )
        )
    return waves


def _steps(ranked: list[tuple[int, Task]]) -> Steps:
    return tuple(tuple(task for _, task in group) for _, group in groupby(ranked, key=itemgetter(0)))
