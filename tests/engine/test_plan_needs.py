"""Namespaces and definitions are there before what needs them, go after it, and stay while something of it does."""

from __future__ import annotations

import pytest
from hypothesis import given

from agent.engine.needs import needed, provision
from agent.engine.reconcile import Action, Live
from agent.engine.resource import ResourceKey
from agent.engine.tasks import Task
from tests.engine.plans import (
    FAIL,
    ODD,
    POST,
    PRE,
    RANKS,
    SYNC,
    WIDGET,
    World,
    definition,
    hook,
    key_of,
    live,
    plan_of,
    shown,
    target,
    worlds,
)


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


# --- whatever is there


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
