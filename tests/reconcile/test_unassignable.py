"""What was asked for and cannot be assigned."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hub.domain.operation import OperationKind, OperationRequest, RequestFailure
from hub.reconcile.requests import settle
from hub.reconcile.unassignable import GONE, MOST_REASONS, NO_OTHER, NOWHERE, OTHERS, Found, conclude, postponed

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
APP = "argocd/web"


def request(id: str = "a", minutes: int = 0, **fields: Any) -> OperationRequest:
    return OperationRequest(id, OperationKind.SYNC, "ada", NOON + timedelta(minutes=minutes), **fields)


def found(*targets: str, **values: Any) -> Found:
    given: dict[str, Any] = {"settled": {}, "assigned": {}, "reasons": {}}
    return Found(targets, **(given | values))


def failures(requests: list[OperationRequest], what: Found) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    return {c.request.id: [(f.message, f.clusters) for f in c.failures] for c in conclude(APP, requests, what, NOON)}


def test_what_is_assigned_began_and_that_is_news_once() -> None:
    what = found("u1", assigned={"u1": request()})
    (news,) = conclude(APP, [request()], what, NOON)
    assert (news.application, news.began, news.failures) == (APP, True, ())
    assert conclude(APP, [request(began=True)], what, NOON) == []
    assert conclude(APP, [request(began=True)], found("u1", settled={"u1": request()}), NOON) == []


def test_a_cluster_that_cannot_be_assigned_fails_alone() -> None:
    what = found("u1", "u2", assigned={"u1": request()}, reasons={"u2": "no such path"})
    assert failures([request()], what) == {"a": [("no such path", ("u2",))]}


def test_a_cluster_that_came_later_did_not_fail() -> None:
    what = found("u1", "u2", settled={"u1": request()}, reasons={"u2": "no such path"}, passed={"u2": "a"})
    assert failures([request(began=True)], what) == {}


def test_one_reason_for_all_ends_it_everywhere() -> None:
    what = found("u1", "u2", reasons={"u1": "no such path", "u2": "no such path"})
    assert failures([request()], what) == {"a": [("no such path", ())]}


def test_different_reasons_are_told_each_and_clusters_that_join_do_not_begin_it() -> None:
    what = found("u1", "u2", reasons={"u1": "denied", "u2": "no such path"})
    told = failures([request()], what)["a"]
    assert told == [("denied", ("u1",)), ("no such path", ("u2",)), (NO_OTHER, ())]
    failed = request(failures=tuple(RequestFailure(message, NOON, uids) for message, uids in told))
    assert [failed.failure_on(uid).message for uid in ("u1", "u3")] == ["denied", NO_OTHER]  # type: ignore[union-attr]
    assert settle([failed], None, "u3", []) is None


def test_without_a_cluster_nothing_is_waited_for() -> None:
    assert failures([request()], found()) == {"a": [(NOWHERE, ())]}
    assert failures([request()], found(overall="no cluster pariss")) == {"a": [("no cluster pariss", ())]}
    assert failures([request(failures=(RequestFailure("x", NOON),))], found()) == {}


def test_what_ran_on_clusters_that_are_gone_did_not_fail() -> None:
    assert failures([request(began=True)], found()) == {}


def test_a_cluster_it_is_no_more_for_is_told() -> None:
    assert failures([request(clusters=("u9",))], found("u1")) == {"a": [(GONE, ())]}


def test_what_is_settled_replaced_or_failed_is_not_waited_for() -> None:
    newer = request("b", 5)
    assert failures([request()], found("u1", settled={"u1": newer})) == {}
    assert failures([request("stop", 1, terminate=True), request()], found("u1")) == {}
    assert failures([request(failures=(RequestFailure("x", NOON, ("u1",)),), began=True)], found("u1")) == {}
    assert failures([newer, request()], found("u1", reasons={"u1": "x"})) == {"b": [("x", ())]}


def test_reasons_are_bounded() -> None:
    uids = [f"u{n:03}" for n in range(200)]
    told = failures([request()], found(*uids, reasons={uid: f"{uid} {'x' * 5000}" for uid in uids}))["a"]
    assert len(told) == MOST_REASONS + 2
    assert told[-2][0] == OTHERS and len(told[-2][1]) == 200 - MOST_REASONS
    assert max(len(message) for message, _ in told) == 1000


def test_a_failure_counts_once_git_was_asked_after_the_request() -> None:
    concluded = conclude(APP, [request()], found("u1", reasons={"u1": "x"}), NOON)
    assert postponed(concluded, {"a"}) == (concluded, set())
    assert postponed(concluded, set()) == ([], {"a"})
    back = OperationRequest("back", OperationKind.ROLLBACK, "ada", NOON)
    concluded = conclude(APP, [back], found("u1", reasons={"u1": "no such entry"}), NOON)
    assert postponed(concluded, set()) == (concluded, set()), "going back means nothing that Git says"
    some = conclude(APP, [request()], found("u1", "u2", assigned={"u2": request()}, reasons={"u1": "x"}), NOON)
    ((kept,), early) = postponed(some, set())
    assert (kept.began, kept.failures, early) == (True, (), {"a"})
