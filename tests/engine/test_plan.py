"""What a sync does is decided before anything is done: every object once, in its phase and wave."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.order import sort_key
from agent.engine.reconcile import Action, Judged, Target, reconcile, surplus
from agent.engine.resource import GroupKind, ResourceKey
from agent.engine.tasks import DELETION_HOOKS, TaskId, make_plan
from agent.engine.traits import SyncPhase, Traits
from tests.engine.plans import (
    FAIL,
    HOW,
    KEYS,
    MINE,
    ODD,
    POST,
    POST_DELETE,
    PRE,
    PRE_DELETE,
    RANKS,
    SYNC,
    WIDGET,
    World,
    definition,
    every_task,
    hook,
    key_of,
    live,
    plan_of,
    shown,
    target,
    worlds,
)


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


# --- whatever is there


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
