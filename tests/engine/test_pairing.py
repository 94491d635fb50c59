from __future__ import annotations

import time
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.pairing import align, pair_items
from tests.engine.strategies import json_values


def ports(*texts: str) -> list[dict[str, Any]]:
    return [{"containerPort": int(t[:-3]), "protocol": t[-3:]} for t in texts]


@pytest.mark.parametrize(
    ("assigned", "live", "pairs"),
    [
        pytest.param(
            [{"name": "web"}, {"name": "log"}],
            [{"name": "proxy"}, {"name": "log"}, {"name": "web"}],
            [(0, 2), (1, 1), (None, 0)],
            id="by name",
        ),
        pytest.param(
            ports("53UDP", "53TCP"), ports("53TCP", "80TCP"), [(0, None), (1, 0), (None, 1)], id="by port and protocol"
        ),
        pytest.param(
            [{"name": "data", "mountPath": "/a"}, {"name": "data", "mountPath": "/b"}],
            [{"name": "data", "mountPath": "/b"}],
            [(0, None), (1, 0)],
            id="by mount path where names are not unique",
        ),
        pytest.param([{"type": "cpu", "n": 1}], [{"type": "mem"}, {"type": "cpu"}], [(0, 1), (None, 0)], id="by type"),
        pytest.param(
            [{"kind": "User", "name": "ann"}, {"kind": "Group", "name": "ann"}],
            [{"kind": "Group", "name": "ann"}],
            [(0, None), (1, 0)],
            id="subjects by kind and name",
        ),
        pytest.param(
            ["a", "b", "c"], ["x", "a", "b", "c"], [(None, 0), (0, 1), (1, 2), (2, 3)], id="plain, one in front"
        ),
        pytest.param(["a", "b", "c"], ["a", "x", "c"], [(0, 0), (1, 1), (2, 2)], id="plain, one replaced"),
        pytest.param(["a", "b", "c"], ["a", "c"], [(0, 0), (1, None), (2, 1)], id="plain, one gone"),
        pytest.param([{"x": 1}, {"x": 2}], [{"x": 2}], [(0, None), (1, 0)], id="maps without a name"),
        pytest.param([{"name": 1.5}], [{"name": True}], [(0, 0)], id="names that are none"),
        pytest.param([{"name": "a"}, 3], [{"name": "a"}], [(0, 0), (1, None)], id="not all of them maps"),
        pytest.param([], [1], [(None, 0)], id="all live only"),
        pytest.param([], [], [], id="nothing"),
    ],
)
def test_pairs(assigned: list[Any], live: list[Any], pairs: list[Any]) -> None:
    assert pair_items(assigned, live) == pairs


@given(st.lists(json_values(4), max_size=6), st.lists(json_values(4), max_size=6))
def test_every_item_appears_once(assigned: list[Any], live: list[Any]) -> None:
    pairs = pair_items(assigned, live)
    assert sorted(i for i, _ in pairs if i is not None) == list(range(len(assigned)))
    assert sorted(j for _, j in pairs if j is not None) == list(range(len(live)))
    assert (None, None) not in pairs


@given(st.permutations("abcdefg"), st.sets(st.sampled_from("abcdefg")))
def test_the_longest_run_that_stayed_in_order_is_kept(live: list[str], gone: set[str]) -> None:
    assigned = [x for x in "abcdefg" if x not in gone]
    pairs = align(assigned, live)
    positions = [j for _, j in pairs if j is not None]
    assert positions == sorted(positions)
    kept = sum(i is not None and j is not None and assigned[i] == live[j] for i, j in pairs)
    runs = (run for size in range(len(assigned) + 1) for run in combinations(assigned, size))
    assert kept == max(len(run) for run in runs if [x for x in live if x in run] == list(run))


@given(st.lists(json_values(4), max_size=6))
def test_equal_lists_are_paired_item_by_item(items: list[Any]) -> None:
    assert pair_items(items, items) == [(i, i) for i in range(len(items))]


@pytest.mark.parametrize(
    ("assigned", "live"),
    [
        ([str(i) for i in range(20_000)], [str(-i) for i in range(20_000)]),
        (["a"] * 20_000, ["b", *["a"] * 20_000, "c"]),
        ([i % 2 for i in range(20_000)], [i % 3 for i in range(19_999)]),
        ([{"name": str(i)} for i in range(20_000)], [{"name": str(i)} for i in range(20_000, 0, -1)]),
    ],
    ids=["all different", "all alike", "repeating", "named"],
)
def test_long_lists_take_no_long_time(assigned: list[Any], live: list[Any]) -> None:
    started = time.process_time()
    pair_items(assigned, live)
    assert time.process_time() - started < 2
