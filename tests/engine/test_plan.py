"""What a sync does is decided before anything is done: every object once, in order, and nothing of anybody else's."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from agent.engine.order import kind_rank
from agent.engine.reconcile import Action, Judged, Live, Pair, Target, reconcile
from agent.engine.resource import GroupKind, ResourceKey
from agent.engine.tasks import Plan, make_plan

MINE = "app"

keys = st.builds(
    lambda gk, namespace, name: ResourceKey(gk[0], gk[1], namespace, name),
    st.sampled_from(
        [
            ("", "Namespace"),
            ("", "ConfigMap"),
            ("", "Secret"),
            ("apps", "Deployment"),
            ("apiextensions.k8s.io", "CustomResourceDefinition"),
            ("example.com", "Widget"),
        ]
    ),
    st.sampled_from(["", "one", "two"]),
    st.sampled_from("abcdef"),
)
digests = st.sampled_from(["d1", "d2"])
hashes = st.sampled_from([b"h1", b"h2"])
lives = st.builds(
    Live,
    keys,
    st.just("v1"),
    st.text(max_size=4),
    st.just("1"),
    hashes,
    st.sampled_from([MINE, MINE, "other", ""]),
    prunable=st.booleans(),
    is_hook=st.booleans(),
    deleting=st.booleans(),
)
targets = st.dictionaries(keys, digests).map(lambda found: {k: Target(k, "v1", d) for k, d in found.items()})
judgements = st.dictionaries(keys, st.builds(Judged, digests, hashes))


def one_each(found: list[Live]) -> list[Live]:
    return list({live.key: live for live in found}.values())


def all_of(plan: Plan) -> list[Pair]:
    steps = (*plan.applies, *plan.prunes, plan.unchanged, plan.left)
    return [pair for step in steps for pair in step]


@given(targets, st.lists(lives).map(one_each), judgements, st.booleans())
def test_every_object_has_one_place(
    assigned: dict[ResourceKey, Target], live: list[Live], judged: dict[ResourceKey, Judged], prune: bool
) -> None:
    plan = make_plan(reconcile(MINE, assigned, live, judged), prune=prune)
    placed = [pair.key for pair in all_of(plan)]
    surplus = {o.key for o in live if o.application == MINE and not o.is_hook and o.key not in assigned}
    assert sorted(placed) == sorted({*assigned, *surplus})
    assert {p.key for step in plan.applies for p in step} | {p.key for p in plan.unchanged} == set(assigned)
    assert plan.total == len(placed) - len(plan.unchanged) - len(plan.left)


@given(targets, st.lists(lives).map(one_each), judgements)
def test_only_what_is_tracked_and_not_assigned_is_pruned(
    assigned: dict[ResourceKey, Target], live: list[Live], judged: dict[ResourceKey, Judged]
) -> None:
    pairs = reconcile(MINE, assigned, live, judged)
    for pair in (p for step in make_plan(pairs, prune=True).prunes for p in step):
        assert pair.live is not None and pair.target is None
        assert pair.live.application == MINE and pair.live.prunable and not pair.live.is_hook
        assert pair.key not in assigned
    without = make_plan(pairs, prune=False)
    assert not without.prunes
    assert {p.key for p in without.left} == {p.key for p in pairs if p.action in (Action.PRUNE, Action.LEAVE)}


@given(targets, st.lists(lives).map(one_each), judgements)
def test_an_object_is_left_out_only_if_nothing_about_it_changed(
    assigned: dict[ResourceKey, Target], live: list[Live], judged: dict[ResourceKey, Judged]
) -> None:
    found = {o.key: o for o in live}
    for pair in make_plan(reconcile(MINE, assigned, live, judged), prune=True).unchanged:
        assert judged[pair.key] == Judged(assigned[pair.key].digest, found[pair.key].content_hash)
        assert not found[pair.key].deleting


@given(targets, st.lists(lives).map(one_each), judgements, st.randoms())
def test_the_same_state_gives_the_same_plan(
    assigned: dict[ResourceKey, Target], live: list[Live], judged: dict[ResourceKey, Judged], chance: random.Random
) -> None:
    plan = make_plan(reconcile(MINE, assigned, live, judged), prune=True)
    shuffled_targets, shuffled_live = list(assigned.items()), list(live)
    chance.shuffle(shuffled_targets)
    chance.shuffle(shuffled_live)
    again = make_plan(reconcile(MINE, dict(shuffled_targets), shuffled_live, judged), prune=True)
    assert (again.applies, again.prunes) == (plan.applies, plan.prunes)
    assert sorted(p.key for p in again.unchanged) == sorted(p.key for p in plan.unchanged)


@given(targets, st.lists(lives).map(one_each))
def test_applies_go_up_in_kind_order_and_prunes_down(assigned: dict[ResourceKey, Target], live: list[Live]) -> None:
    plan = make_plan(reconcile(MINE, assigned, live, {}), prune=True)

    def ranks(steps: tuple[tuple[Pair, ...], ...]) -> list[int]:
        for step in steps:
            assert len({kind_rank(GroupKind(p.key.group, p.key.kind)) for p in step}) == 1
        return [kind_rank(GroupKind(step[0].key.group, step[0].key.kind)) for step in steps]

    up, down = ranks(plan.applies), ranks(plan.prunes)
    assert up == sorted(set(up)) and down == sorted(set(down), reverse=True)


@given(targets, st.lists(lives).map(one_each), st.frozensets(keys))
def test_a_selective_plan_touches_only_what_it_names(
    assigned: dict[ResourceKey, Target], live: list[Live], only: frozenset[ResourceKey]
) -> None:
    pairs = reconcile(MINE, assigned, live, {})
    whole = {p.key: p for p in all_of(make_plan(pairs, prune=True))}
    chosen = all_of(make_plan(pairs, prune=True, only=only))
    assert {p.key for p in chosen} == whole.keys() & only
    assert all(whole[p.key] == p for p in chosen)
