from __future__ import annotations

import copy
import time
from typing import Any

import pytest
from hypothesis import given

from agent.engine.assignment import IgnoreDifference
from agent.engine.diff import MAX_DIFF_CHARS, unified_diff
from agent.engine.ignore import compile_ignores
from agent.engine.resource import ResourceKey
from tests.engine.strategies import objects

KEY = ResourceKey("apps", "Deployment", "shop", "web")


def deployment(replicas: int = 2, **fields: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "7", "managedFields": [{}]},
        "spec": {"replicas": replicas, **fields},
        "status": {"replicas": replicas},
    }


def test_from_live_to_assigned() -> None:
    assert unified_diff(deployment(2), deployment(5), KEY) == (
        "--- live: Deployment.apps/shop/web\n"
        "+++ assigned: Deployment.apps/shop/web\n"
        "@@ -4,4 +4,4 @@\n"
        "   name: web\n"
        "   namespace: shop\n"
        " spec:\n"
        "-  replicas: 5\n"
        "+  replicas: 2\n"
    )


def test_to_be_created() -> None:
    text = unified_diff(deployment(), None, KEY)
    assert text.startswith("--- /dev/null\n+++ assigned: Deployment.apps/shop/web\n")
    assert "+  replicas: 2\n" in text
    assert not any(noise in text for noise in ("uid", "resourceVersion", "managedFields", "status"))


def test_to_be_pruned() -> None:
    text = unified_diff(None, deployment(), KEY)
    assert text.startswith("--- live: Deployment.apps/shop/web\n+++ /dev/null\n")
    assert "-  replicas: 2\n" in text


def test_nothing() -> None:
    assert unified_diff(deployment(), deployment(), KEY) == ""
    assert unified_diff(None, None, KEY) == ""


def test_ignored_fields_are_not_shown() -> None:
    entry = IgnoreDifference("apps", "Deployment", json_pointers=("/spec/replicas",))
    ignore = compile_ignores([entry]).for_object(KEY)
    assert unified_diff(deployment(2), deployment(5), KEY, ignore=ignore) == ""
    text = unified_diff(deployment(2, paused=True), deployment(5), KEY, ignore=ignore)
    assert "paused" in text and "replicas" not in text


def test_secrets_are_masked() -> None:
    key = ResourceKey("", "Secret", "shop", "s")
    one, other = ({"apiVersion": "v1", "kind": "Secret", "data": {"a": v, "b": "c2FtZQ=="}} for v in ("b25l", "dHdv"))
    text = unified_diff(one, other, key)
    assert "-  a: +++++++++\n" in text.replace('"', "") and "+  a: ++++++++\n" in text.replace('"', "")
    for shown in (text, unified_diff(one, None, key), unified_diff(None, one, key)):
        assert not any(v in shown for v in ("b25l", "dHdv", "c2FtZQ"))


def test_a_difference_behind_a_cut_still_shows() -> None:
    text = unified_diff(deployment(x="a" * 50_000 + "1"), deployment(x="a" * 50_000 + "2"), KEY)
    assert "50" in text and len(text) < 25_000
    long = [f"l{i}" for i in range(30_000)]
    assert "more lines" in unified_diff(deployment(x=[*long, "1"]), deployment(x=[*long, "2"]), KEY)


def test_the_text_is_bounded() -> None:
    text = unified_diff(deployment(x=["a" * 9000 + str(i) for i in range(1000)]), None, KEY)
    assert len(text) < MAX_DIFF_CHARS + 1000
    assert text.endswith("too long to show\n")


@pytest.mark.parametrize(
    ("assigned", "live"),
    [
        ([f"a{i}" for i in range(15_000)], [f"b{i}" for i in range(15_000)]),
        ([f"a{i % 90}" for i in range(15_000)], [f"a{i % 91}" for i in range(15_000)]),
        ([f"a{i % 3000}" for i in range(15_000)], [f"a{i % 3001}" for i in range(15_000)]),
    ],
    ids=["all different", "few lines again and again", "many lines again and again"],
)
def test_long_objects_take_no_long_time(assigned: list[str], live: list[str]) -> None:
    started = time.process_time()
    assert unified_diff(deployment(x=assigned), deployment(x=live), KEY)
    assert time.process_time() - started < 5


@given(objects(), objects())
def test_changes_nothing(assigned: dict[str, Any], live: dict[str, Any]) -> None:
    before = copy.deepcopy((assigned, live))
    unified_diff(assigned, live, KEY)
    assert (assigned, live) == before
