"""What a sync does is decided before anything is done: every object once, in order, and nothing of anybody else's."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.needs import NAMESPACE, needed, provision
from agent.engine.order import sort_key
from agent.engine.reconcile import Action, Judged, Live, Pair, Target, reconcile, surplus
from agent.engine.resource import GroupKind, ResourceKey
from agent.engine.tasks import DELETION_HOOKS, Plan, Task, TaskId, Wave, make_plan
from agent.engine.traits import CRD, PLAIN, SyncPhase, Traits

MINE = "app"
WIDGET = GroupKind("example.org", "Widget")
ODD = GroupKind("odd.k8s.io", "Secret")
"""A custom kind that nothing in its name tells from the early ones."""
PRE, SYNC, POST, FAIL = SyncPhase.PRE_SYNC, SyncPhase.SYNC, SyncPhase.POST_SYNC, SyncPhase.SYNC_FAIL
PRE_DELETE, POST_DELETE = SyncPhase.PRE_DELETE, SyncPhase.POST_DELETE


# --- by example


def key_of(text: str) -> ResourceKey:
    """Read "Kind/name", "Kind/namespace/name", or either with a group: "example.org:Kind/name"."""
    group, _, rest = text.rpartition(":")
    kind, *namespace, name = rest.split("/")
    group = group or {"Deployment": "apps", "Job": "batch", "CustomResourceDefinition": CRD.group}.get(kind, "")
    return ResourceKey(group, kind, namespace[0] if namespace else "", name)


def target(text: str, wave: int = 0, **traits: object) -> Target:
    return Target(key_of(text), "v1", "digest", traits=Traits(wave=wave, **traits))  # type: ignore[arg-type]


def hook(text: str, *phases: SyncPhase, wave: int = 0) -> Target:
    return target(text, wave, hook=frozenset(phases))


def live(text: str, wave: int = 0, *options: str, application: str = MINE, **traits: object) -> Live:
    asked = Traits(wave=wave, sync_options=options, **traits)  # type: ignore[arg-type]
    return Live(key_of(text), "v1", "uid", "1", b"hash", application, asked)


def definition(name: str = "widgets.example.org", wave: int = 0, kind: GroupKind = WIDGET) -> Target:
    return target(f"CustomResourceDefinition/{name}", wave, defines=kind)


def plan_of(
    *targets: Target, there: Iterable[Live] = (), ends: bool = False, judged: Iterable[str] = (), **how: object
) -> Plan:
    resources = {t.key: t for t in targets if not t.traits.is_hook}
    hooks = {t.key: t for t in targets if t.traits.is_hook}
    known = {key_of(text): Judged("digest", b"hash") for text in judged}
    pairs = reconcile(MINE, resources, there, known, hooks=hooks, ends=ends)
    return make_plan(pairs, hooks, **{"prune": True, "ends": ends, **how})  # type: ignore[arg-type]


def shown(waves: Iterable[Wave]) -> list[str]:
    """Return what is done, in order: "Sync 0: +Secret/a +Secret/b -Secret/c"."""
    lines = []
    for wave in waves:
        tasks = [f"{'-' if t.pair.action is Action.PRUNE else '+'}{t.key.kind}/{t.key.name}" for t in wave.tasks]
        same = [f"={t.key.kind}/{t.key.name}" for t in wave.unchanged]
        lines.append(f"{wave.phase} {wave.number}: {' '.join(tasks + same)}")
    return lines


def test_an_application_without_waves_is_one_wave() -> None:
    plan = plan_of(target("Deployment/n/a"), target("Secret/n/b"), target("Secret/n/a"), target("Namespace/n"))
    assert shown(plan.waves) == ["Sync 0: +Namespace/n +Secret/a +Secret/b +Deployment/a"]
    assert [len(step) for step in plan.waves[0].applies] == [1, 2, 1]
    assert not plan.multi_step and plan.total == 4


def test_waves_go_up_within_a_phase() -> None:
    plan = plan_of(
        target("Secret/n/zero"),
        target("Namespace/late", 2),
        target("Deployment/n/first", -3),
        hook("Job/n/check", POST, wave=-5),
        hook("Job/n/migrate", PRE, wave=1),
        hook("Job/n/copy", PRE, wave=-1),
        hook("Job/n/seed", SYNC, wave=2),
    )
    assert shown(plan.waves) == [
        "PreSync -1: +Job/copy",
        "PreSync 1: +Job/migrate",
        "Sync -3: +Deployment/first",
        "Sync 0: +Secret/zero",
        "Sync 2: +Namespace/late +Job/seed",
        "PostSync -5: +Job/check",
    ]
    assert plan.multi_step


def test_a_hook_of_several_phases_runs_in_each() -> None:
    plan = plan_of(hook("Job/n/a", PRE, POST, FAIL), target("Secret/n/s"))
    assert shown(plan.waves) == ["PreSync 0: +Job/a", "Sync 0: +Secret/s", "PostSync 0: +Job/a"]
    assert shown(plan.on_failure) == ["SyncFail 0: +Job/a"]
    assert plan.total == 3 and [pair.key.name for pair in plan.applies] == ["s"]


@pytest.mark.parametrize("phases", [(), (PRE_DELETE,), (POST_DELETE,)])
def test_hooks_that_this_is_no_time_for(phases: tuple[SyncPhase, ...]) -> None:
    plan = plan_of(hook("Job/n/a", *phases), target("Secret/n/s"))
    assert shown((*plan.waves, *plan.on_failure)) == ["Sync 0: +Secret/s"]


def test_prunes_come_before_applies_in_reverse() -> None:
    there = [live("Secret/n/old"), live("Deployment/n/old"), live("Secret/n/older")]
    plan = plan_of(target("Deployment/n/new"), there=there)
    assert shown(plan.waves) == ["Sync 0: -Deployment/old -Secret/older -Secret/old +Deployment/new"]
    assert [len(step) for step in plan.waves[0].prunes] == [1, 2]


def test_waves_of_prunes_are_mirrored() -> None:
    there = [live("Secret/n/a", -1), live("Secret/n/b", 0), live("Secret/n/c", 0), live("Secret/n/d", 7)]
    plan = plan_of(target("Secret/n/new", 3), there=there)
    assert shown(plan.waves) == [
        "Sync -1: -Secret/d",
        "Sync 0: -Secret/c -Secret/b",
        "Sync 3: +Secret/new",
        "Sync 7: -Secret/a",
    ]


def test_prune_last() -> None:
    there = [live("Secret/n/a", -4), live("Secret/n/b", 1, "PruneLast=true"), live("Secret/n/c", 2)]
    assert shown(plan_of(target("Secret/n/new", 1), hook("Job/n/h", POST, wave=9), there=there).waves) == [
        "Sync -4: -Secret/c",
        "Sync 1: +Secret/new",
        "Sync 2: -Secret/a",
        "Sync 3: -Secret/b",
        "PostSync 9: +Job/h",
    ]
    assert shown(plan_of(target("Secret/n/new", -5), there=there, prune_last=True).waves) == [
        "Sync -5: +Secret/new",
        "Sync 3: -Secret/c -Secret/b -Secret/a",
    ]
    assert shown(plan_of(there=[live("Secret/n/a", -4)], prune_last=True).waves) == ["Sync 1: -Secret/a"]


def test_a_namespace_comes_before_what_is_in_it() -> None:
    plan = plan_of(
        hook("Job/n/migrate", PRE, wave=-2), target("Namespace/n", 5), target("Namespace/m", 5), target("Secret/m/s", 1)
    )
    assert shown(plan.waves) == ["PreSync -2: +Namespace/n +Job/migrate", "Sync 1: +Namespace/m +Secret/s"]


def test_a_namespace_that_comes_early_stays_there() -> None:
    plan = plan_of(target("Namespace/n", -5), target("Secret/n/s"), hook("Job/n/undo", FAIL, wave=-9))
    assert shown(plan.waves) == ["Sync -5: +Namespace/n", "Sync 0: +Secret/s"]


def test_a_definition_comes_before_what_is_of_its_kind() -> None:
    plan = plan_of(definition(wave=3), target("example.org:Widget/n/w", -1), target("Secret/n/s", -1))
    assert shown(plan.waves) == ["Sync -1: +Secret/s +CustomResourceDefinition/widgets.example.org +Widget/w"]
    plan = plan_of(definition(kind=ODD), target("odd.k8s.io:Secret/n/a"), target("Secret/n/z"))
    assert shown(plan.waves) == ["Sync 0: +Secret/z +CustomResourceDefinition/widgets.example.org +Secret/a"]


def test_of_a_hook_only_the_first_phase_moves_and_never_one_for_a_failure() -> None:
    plan = plan_of(hook("Namespace/n", SYNC, POST, FAIL), hook("Job/n/a", PRE))
    assert shown(plan.waves) == ["PreSync 0: +Namespace/n +Job/a", "PostSync 0: +Namespace/n"]
    assert shown(plan.on_failure) == ["SyncFail 0: +Namespace/n"]
    plan = plan_of(hook("Namespace/n", FAIL), target("Secret/n/s"))
    assert shown(plan.waves) == ["Sync 0: +Secret/s"]


def test_namespaces_and_definitions_go_last() -> None:
    there = [
        live("Namespace/n", 9),
        live("Secret/n/a", 0),
        live("Secret/n/b", 1, "PruneLast=true"),
        live("CustomResourceDefinition/widgets", 5, defines=WIDGET),
        live("example.org:Widget/m/w", 1),
    ]
    assert shown(plan_of(there=there).waves) == [
        "Sync 5: -Widget/w -CustomResourceDefinition/widgets",
        "Sync 9: -Secret/a",
        "Sync 10: -Secret/b -Namespace/n",
    ]


def test_what_goes_with_its_namespace_is_confirmed_with_it() -> None:
    plan = plan_of(there=[live("Namespace/n"), live("Namespace/m"), live("Secret/n/a", 0, "Prune=confirm")])
    assert plan.confirmations == (key_of("Secret/n/a"), key_of("Namespace/n"))
    only = frozenset({key_of("Namespace/n")})
    plan = plan_of(there=[live("Namespace/n"), live("Secret/n/a", 0, "Prune=confirm")], only=only)
    assert plan.confirmations == (key_of("Namespace/n"),)


@pytest.mark.parametrize(
    ("left", "reason"),
    [
        (live("Secret/n/a", 0, "Prune=false"), "its sync option Prune=false says to leave it"),
        (live("Secret/n/a", kept=True), "helm.sh/resource-policy says to keep it"),
    ],
)
def test_a_namespace_is_left_with_what_is_left_in_it(left: Live, reason: str) -> None:
    plan = plan_of(there=[live("Namespace/n"), live("Secret/n/b"), left])
    assert shown(plan.waves) == ["Sync 0: -Secret/b"]
    assert {str(pair.key): pair.reason for pair in plan.left} == {
        "Namespace/n": "Secret/n/a stays, and would go with it",
        "Secret/n/a": reason,
    }


def test_a_namespace_or_a_definition_is_left_while_something_of_it_is_assigned() -> None:
    there = [live("Namespace/n"), live("Namespace/m"), live("CustomResourceDefinition/widgets", defines=WIDGET)]
    plan = plan_of(target("Secret/n/a"), target("example.org:Widget/n/w"), hook("Job/m/h", PRE), there=there)
    assert shown(plan.waves) == ["PreSync 0: +Job/h", "Sync 0: +Secret/a +Widget/w"]
    assert [pair.key.kind for pair in plan.left] == ["Namespace", "Namespace", "CustomResourceDefinition"]


def test_what_has_become_a_hook_is_not_pruned() -> None:
    for phases in ((PRE,), (SYNC,), (POST_DELETE,), ()):
        plan = plan_of(hook("Job/n/a", *phases), there=[live("Job/n/a")])
        assert not [task for task in plan.tasks if task.pair.action is Action.PRUNE]
    assert plan_of(hook("Job/n/a", POST_DELETE), there=[live("Job/n/a")], ends=True).total == 2


def test_the_end_of_an_application() -> None:
    there = [
        live("Namespace/n", 5),
        live("Secret/n/a", 1),
        live("Secret/n/b", 2),
        live("Job/n/done", hook=frozenset({PRE})),
        live("Job/n/after", hook=frozenset({POST_DELETE})),
        live("Secret/m/kept", 0, "Delete=false"),
        live("CustomResourceDefinition/widgets", defines=WIDGET),
    ]
    hooks = (hook("Job/n/before", PRE_DELETE, wave=3), hook("Job/m/after", POST_DELETE), hook("Job/n/sync", PRE, SYNC))
    plan = plan_of(*hooks, there=there, ends=True)
    assert shown(plan.waves) == [
        "PreDelete 3: +Job/before",
        "Sync 1: -Secret/b",
        "Sync 2: -Secret/a",
        "Sync 5: -Job/done -Namespace/n",
        "PostDelete 0: +Job/after",
    ]
    assert not plan.on_failure
    assert [pair.key.name for pair in plan.left] == ["kept", "widgets"]


def test_a_selective_sync_runs_no_hooks() -> None:
    only = frozenset({key_of("Secret/n/a"), key_of("Secret/n/old")})
    targets = (target("Secret/n/a", 4), target("Secret/n/b"), hook("Job/n/h", PRE, FAIL))
    plan = plan_of(*targets, there=[live("Secret/n/old"), live("Secret/n/older")], only=only)
    assert shown(plan.waves) == ["Sync 0: -Secret/old", "Sync 4: +Secret/a"]
    assert not plan.on_failure


def test_what_is_as_assigned_counts_for_waves_unless_only_the_rest_is_synced() -> None:
    targets, there = (target("Secret/n/a"), target("Secret/n/b", 1)), [live("Secret/n/a"), live("Secret/n/b", 1)]
    plan = plan_of(*targets, there=there, judged=["Secret/n/a"])
    assert shown(plan.waves) == ["Sync 0: =Secret/a", "Sync 1: +Secret/b"]
    assert plan.multi_step and plan.total == 1
    plan = plan_of(*targets, there=there, judged=["Secret/n/a"], out_of_sync_only=True)
    assert shown(plan.waves) == ["Sync 1: +Secret/b"]
    assert not plan.multi_step


def test_without_pruning_everything_is_left() -> None:
    plan = plan_of(there=[live("Secret/n/b"), live("Secret/n/a", 0, "Prune=false")], prune=False)
    assert shown(plan.waves) == [] and [pair.key.name for pair in plan.left] == ["a", "b"]


# --- whatever is there


GROUP_KINDS = [NAMESPACE, GroupKind("", "Secret"), GroupKind("apps", "Deployment"), GroupKind("batch", "Job")]
KEYS = (
    st.builds(
        lambda gk, namespace, name: ResourceKey(gk.group, gk.kind, "" if gk == NAMESPACE else namespace, name),
        st.sampled_from([*GROUP_KINDS, WIDGET, ODD]),
        st.sampled_from(["", "a", "b"]),
        st.sampled_from("abc"),
    )
    | st.sampled_from("ab").map(lambda name: ResourceKey(*NAMESPACE, "", name))
    | st.sampled_from("ab").map(lambda name: ResourceKey(*CRD, "", name))
)
WAVES = st.integers(-2, 2)
PHASES = st.frozensets(st.sampled_from(SyncPhase), max_size=3)
OPTIONS = st.sampled_from([(), (), (), ("PruneLast=true",), ("Prune=false",), ("Delete=false",), ("Prune=confirm",)])
TRAITS = st.just(PLAIN) | st.builds(Traits, WAVES, st.none() | PHASES, st.just(frozenset()), OPTIONS)


def with_kind(key: ResourceKey, traits: Traits) -> Traits:
    """Return traits as an object of that key has them."""
    if (key.group, key.kind) == CRD:
        return replace(traits, defines=WIDGET if key.name == "a" else ODD)
    return traits


@dataclass(frozen=True)
class World:
    """What is assigned, what is there, and what is known of it."""

    targets: Mapping[ResourceKey, Target]
    hooks: Mapping[ResourceKey, Target]
    there: tuple[Live, ...]
    judged: Mapping[ResourceKey, Judged]
    ends: bool

    def pairs(self) -> list[Pair]:
        return reconcile(MINE, self.targets, self.there, self.judged, hooks=self.hooks, ends=self.ends)

    def plan(self, *, prune: bool = True, prune_last: bool = False, **how: object) -> Plan:
        return make_plan(self.pairs(), self.hooks, prune=prune, prune_last=prune_last, ends=self.ends, **how)  # type: ignore[arg-type]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    assigned = {
        key: Target(key, "v1", draw(st.sampled_from(["d1", "d2"])), traits=with_kind(key, draw(TRAITS)))
        for key in draw(st.lists(KEYS, max_size=8, unique=True))
    }
    ends = draw(st.booleans())
    there = tuple(
        Live(
            key,
            "v1",
            "uid",
            "1",
            draw(st.sampled_from([b"h1", b"h2"])),
            draw(st.sampled_from([MINE, MINE, MINE, "other", ""])),
            with_kind(key, draw(TRAITS)),
            draw(st.booleans()),
        )
        for key in draw(
            st.lists(KEYS | st.sampled_from(sorted(assigned)) if assigned else KEYS, max_size=8, unique=True)
        )
    )
    judged = draw(st.dictionaries(KEYS, st.builds(Judged, st.just("d1"), st.just(b"h1")), max_size=4))
    hooks = {key: t for key, t in assigned.items() if t.traits.is_hook}
    return World({} if ends else {k: t for k, t in assigned.items() if k not in hooks}, hooks, there, judged, ends)


def every_task(plan: Plan) -> list[tuple[Wave, Task]]:
    return [(wave, task) for wave in (*plan.waves, *plan.on_failure) for task in (*wave.tasks, *wave.unchanged)]


@given(worlds(), st.booleans())
def test_everything_has_its_place_and_only_one(world: World, prune: bool) -> None:
    plan = world.plan(prune=prune)
    ids = [task.id for _, task in every_task(plan)]
    assert len(ids) == len(set(ids))
    gone = surplus(MINE, world.targets, world.there, hooks=world.hooks, ends=world.ends)
    plain = [t.key for _, t in every_task(plan) if not t.hook] + [pair.key for pair in plan.left]
    assert sorted(plain) == sorted([*world.targets, *(pair.key for pair in gone)])
    phases = DELETION_HOOKS if world.ends else {PRE, SYNC, POST, FAIL}
    expected = {TaskId(p, key) for key, h in world.hooks.items() for p in h.traits.hook or () if p in phases}
    assert {t.key for _, t in every_task(plan) if t.hook} == {id.key for id in expected}
    assert sum(t.hook for _, t in every_task(plan)) == len(expected)
    for wave, task in every_task(plan):
        assert (wave.phase, wave.number) == (task.phase, task.wave)
        assert wave.phase in ({PRE_DELETE, SYNC, POST_DELETE} if world.ends else {PRE, SYNC, POST, FAIL})
    assert plan.total == len(plan.tasks)


HOW = st.fixed_dictionaries(
    {"prune": st.booleans(), "prune_last": st.booleans(), "out_of_sync_only": st.booleans()},
    optional={"only": st.frozensets(KEYS)},
)
"""However a plan may be asked for."""


@given(worlds(), HOW)
def test_however_it_is_asked_for_a_plan_is_whole(world: World, how: dict[str, Any]) -> None:
    plan, pairs = world.plan(**how), world.pairs()
    only = how.get("only")
    chosen = [p for p in pairs if only is None or p.key in only]
    counted = [p for p in chosen if not (how["out_of_sync_only"] and p.action is Action.NONE)]
    plain = [t.key for _, t in every_task(plan) if not t.hook] + [pair.key for pair in plan.left]
    assert sorted(plain) == sorted(p.key for p in counted)
    assert only is None or not [t for _, t in every_task(plan) if t.hook]
    pruned = [t for _, t in every_task(plan) if t.pair.action is Action.PRUNE]
    assert {t.key for t in pruned} == {p.key for p in chosen if p.action is Action.PRUNE and how["prune"]}
    assert all(t.pair.live is not None and t.pair.live.application == MINE for t in pruned)
    for _, task in every_task(plan):
        assert task.pair.action is not Action.LEAVE and (task.pair.target or task.pair.live) is not None
    assert list(plan.left) == sorted(plan.left, key=lambda pair: pair.key)


@given(worlds(), st.booleans())
def test_only_what_is_tracked_and_not_assigned_is_pruned(world: World, prune_last: bool) -> None:
    for task in (t for _, t in every_task(world.plan(prune_last=prune_last)) if t.pair.action is Action.PRUNE):
        found = task.pair.live
        assert found is not None and task.pair.target is None and task.phase is SYNC
        assert found.application == MINE and found.key not in world.targets
        assert found.traits.option("Prune") != "false"
        assert world.ends or (not found.is_hook and found.key not in world.hooks)
        assert not world.ends or (found.traits.option("Delete") != "false" and found.traits.defines is None)
    without = world.plan(prune=False)
    assert not [t for t in without.tasks if t.pair.action is Action.PRUNE]
    expected = {p.key for p in world.pairs() if p.action in (Action.PRUNE, Action.LEAVE)}
    assert {pair.key for pair in without.left} == expected


@given(worlds())
def test_an_object_is_as_assigned_only_if_nothing_about_it_changed(world: World) -> None:
    found = {o.key: o for o in world.there}
    for task in (task for wave in world.plan().waves for task in wave.unchanged):
        assert world.judged[task.key] == Judged(world.targets[task.key].digest, found[task.key].content_hash)
        assert not found[task.key].deleting


@given(worlds(), HOW, st.randoms(use_true_random=False))
def test_the_same_state_gives_the_same_plan(world: World, how: dict[str, Any], chance: random.Random) -> None:
    def shuffled(mapping: Mapping[ResourceKey, Target]) -> dict[ResourceKey, Target]:
        return dict(chance.sample(sorted(mapping.items(), key=lambda item: item[0]), len(mapping)))

    there = tuple(chance.sample(world.there, len(world.there)))
    other = replace(world, targets=shuffled(world.targets), hooks=shuffled(world.hooks), there=there)
    assert other.plan(**how) == world.plan(**how)


@given(worlds(), HOW, st.data())
def test_what_is_not_tracked_changes_no_plan(world: World, how: dict[str, Any], data: st.DataObject) -> None:
    """What others have, or nobody, is not even seen, where nothing of its name is assigned."""
    taken = {o.key for o in world.there} | world.targets.keys() | world.hooks.keys()
    keys = data.draw(st.lists(KEYS.filter(lambda key: key not in taken), max_size=4, unique=True))
    owners, traits = st.sampled_from(["other", ""]), TRAITS
    more = [Live(k, "v1", "uid", "1", b"h1", data.draw(owners), with_kind(k, data.draw(traits))) for k in keys]
    assert replace(world, there=(*world.there, *more)).plan(**how) == world.plan(**how)


RANKS = [PRE_DELETE, PRE, SYNC, POST, POST_DELETE]


@given(worlds(), st.booleans())
def test_phases_and_waves_go_up_and_kinds_in_them(world: World, prune_last: bool) -> None:
    plan = world.plan(prune_last=prune_last)
    places = [(RANKS.index(wave.phase), wave.number) for wave in plan.waves]
    assert places == sorted(set(places))
    assert {wave.phase for wave in plan.on_failure} <= {FAIL}
    for wave in plan.waves:
        for steps, sign in ((wave.applies, 1), (wave.prunes, -1)):
            keys = [task.key for step in steps for task in step][::sign]
            plain = [key for key in keys if (key.group, key.kind) != ODD]
            assert plain == sorted(plain, key=sort_key)


def expected_wave(task: Task) -> int:
    source = task.pair.target or task.pair.live
    assert source is not None
    return source.traits.wave


@given(worlds())
def test_what_others_need_is_there_first_and_goes_last(world: World) -> None:
    plan = world.plan()
    order = [t for wave in plan.waves for t in (*wave.unchanged, *wave.tasks)]
    places = {task.id: (RANKS.index(task.phase), task.wave, i) for i, task in enumerate(order)}
    firsts: dict[ResourceKey, Task] = {}
    for task in order:
        firsts.setdefault(task.key, task)
    for task in order:
        source = task.pair.target or task.pair.live
        assert source is not None
        what = provision(task.key, source.traits)
        if what is None or firsts[task.key] is not task:
            continue
        of_it = [t for t in order if what in needed(t.key)]
        prunes = [t for t in of_it if t.pair.action is Action.PRUNE]
        if task.pair.action is Action.PRUNE:
            assert all(places[t.id] < places[task.id] for t in prunes)
            assert task.pair.confirm or not any(t.pair.confirm for t in prunes)
            # Nothing that stays goes with it.
            staying = {*world.targets, *(pair.key for pair in plan.left if pair.reason)}
            assert not [key for key in staying if what in needed(key)]
        else:
            others = [t for t in of_it if t not in prunes and t.pair.action is not Action.NONE]
            done = task.pair.action is Action.NONE
            assert all(places[t.id][:2] >= places[task.id][:2] for t in others)
            assert done or all(places[t.id] > places[task.id] for t in others)
    for task in order:
        source = task.pair.target
        if source is not None and provision(task.key, source.traits) is None:
            assert task.wave == expected_wave(task), "nothing else is moved"
            assert task.hook or task.phase is SYNC


@given(worlds(), st.frozensets(KEYS))
def test_a_selective_plan_touches_only_what_it_names(world: World, only: frozenset[ResourceKey]) -> None:
    whole = {t.key: t.pair for _, t in every_task(world.plan()) if not t.hook} | {p.key: p for p in world.plan().left}
    plan = world.plan(only=only)
    chosen = [t.pair for _, t in every_task(plan)] + list(plan.left)
    assert {pair.key for pair in chosen} == whole.keys() & only
    assert all(whole[pair.key] == pair for pair in chosen)


@given(worlds())
def test_what_is_out_of_sync_is_planned_alike_without_the_rest(world: World) -> None:
    whole, rest = world.plan(), world.plan(out_of_sync_only=True)
    assert rest.tasks == whole.tasks and rest.on_failure == whole.on_failure and rest.left == whole.left
    assert not [task for wave in rest.waves for task in wave.unchanged]


def test_five_thousand_objects_are_planned_in_no_time() -> None:
    """Of the processor, and the best of three: others may be busy."""
    kinds = [GroupKind("apps", "Deployment"), GroupKind("", "Secret"), WIDGET, GroupKind("", "Service")]
    targets = {t.key: t for t in (*(target(f"Namespace/n{i}", 9) for i in range(50)), definition(wave=3))}
    for i in range(4000):
        key = ResourceKey(*kinds[i % 4], f"n{i % 50}", f"object-{i}")
        targets[key] = Target(key, "v1", "digest", traits=Traits(wave=i % 7 - 3))
    hooks = {h.key: h for h in (hook(f"Job/n1/h{i}", PRE, POST, wave=i % 5) for i in range(100))}
    there = [live(f"Secret/n{i % 50}/old-{i}", i % 7) for i in range(1000)]
    spent = []
    for _ in range(3):
        before = time.process_time()
        plan = make_plan(reconcile(MINE, targets, there, {}, hooks=hooks), hooks, prune=True)
        spent.append(time.process_time() - before)
    assert plan.total == 5251
    assert min(spent) < 0.2, spent
