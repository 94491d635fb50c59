"""What a sync deletes and when, and that it is nothing of anybody else's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agent.engine.reconcile import Action, Live
from tests.engine.plans import (
    HOW,
    KEYS,
    MINE,
    POST,
    POST_DELETE,
    PRE,
    PRE_DELETE,
    SYNC,
    TRAITS,
    WIDGET,
    World,
    every_task,
    hook,
    live,
    plan_of,
    shown,
    target,
    with_kind,
    worlds,
)


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


def test_what_has_become_a_hook_is_not_pruned() -> None:
    for phases in ((PRE,), (SYNC,), (POST_DELETE,), ()):
        plan = plan_of(hook("Job/n/a", *phases), there=[live("Job/n/a")])
        assert not [task for task in plan.tasks if task.pair.action is Action.PRUNE]
    assert plan_of(hook("Job/n/a", POST_DELETE), there=[live("Job/n/a")], ends=True).total == 2


def test_without_pruning_everything_is_left() -> None:
    plan = plan_of(there=[live("Secret/n/b"), live("Secret/n/a", 0, "Prune=false")], prune=False)
    assert shown(plan.waves) == [] and [pair.key.name for pair in plan.left] == ["a", "b"]


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


# --- whatever is there


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


@given(worlds(), HOW, st.data())
def test_what_is_not_tracked_changes_no_plan(world: World, how: dict[str, Any], data: st.DataObject) -> None:
    """What others have, or nobody, is not even seen, where nothing of its name is assigned."""
    taken = {o.key for o in world.there} | world.targets.keys() | world.hooks.keys()
    keys = data.draw(st.lists(KEYS.filter(lambda key: key not in taken), max_size=4, unique=True))
    owners, traits = st.sampled_from(["other", ""]), TRAITS
    more = [Live(k, "v1", "uid", "1", b"h1", data.draw(owners), with_kind(k, data.draw(traits))) for k in keys]
    assert replace(world, there=(*world.there, *more)).plan(**how) == world.plan(**how)
