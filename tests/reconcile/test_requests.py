"""What people asked for, settled for one cluster."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hub.domain.application import Deletion, SyncPolicy
from hub.domain.assignment import AssignmentContent
from hub.domain.manifest import ManifestSetRef
from hub.domain.operation import HistoryEntry, OperationKind, OperationRequest
from hub.domain.revision import Revision
from hub.reconcile.requests import Wanted, complete, passed_over, settle

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def request(id: str, minutes: int = 0, **fields: object) -> OperationRequest:
    kind = fields.pop("kind", OperationKind.SYNC)
    return OperationRequest(id, kind, "ada", NOON + timedelta(minutes=minutes), **fields)  # type: ignore[arg-type]


def entry(id: int, digest: str) -> HistoryEntry:
    return HistoryEntry(id, "argocd/app", "c1", f"op{id}", digest, Revision(), "ada", NOON, NOON)


def test_nothing_asked_leaves_nothing() -> None:
    assert settle([], None, "c1", []) is None


def test_a_request_for_all_clusters_is_wanted_here() -> None:
    wanted = settle([request("a")], None, "c1", [])
    assert isinstance(wanted, Wanted) and wanted.request.id == "a"


def test_a_request_for_another_cluster_is_not() -> None:
    assert settle([request("a", clusters=("c2",))], None, "c1", []) is None


def content(*, deletion: Deletion | None = None, passed_over: str = "") -> AssignmentContent:
    made = ManifestSetRef("set-1", 1)
    content = AssignmentContent("argocd/app", "uid", "default", "", made, Revision(), SyncPolicy())
    return replace(content, deletion=deletion, passed_over=passed_over)


def test_a_request_that_has_begun_is_not_for_a_cluster_that_comes_later() -> None:
    begun = [request("a", began=True)]
    assert passed_over("c1", begun, None) == "a"
    assert settle(begun, None, "c1", [], "a") is None
    # That stays so as long as it is the newest, and ends with the next one.
    assert passed_over("c1", begun, content(passed_over="a")) == "a"
    newer = [request("b", 1), *begun]
    assert passed_over("c1", newer, content(passed_over="a")) == ""
    wanted = settle(newer, None, "c1", [], "")
    assert isinstance(wanted, Wanted) and wanted.request.id == "b"


def test_a_request_is_for_the_clusters_that_there_are_when_it_begins() -> None:
    assert passed_over("c1", [request("a")], None) == ""
    assert passed_over("c1", [], None) == ""
    # One that was there, and waits for what Git says: it began elsewhere.
    assert passed_over("c1", [request("a", began=True)], content()) == ""


def test_a_cluster_that_comes_back_while_the_application_leaves_it_has_come_later_too() -> None:
    leaving = content(deletion=Deletion(False, "foreground", "controller", NOON))
    assert passed_over("c1", [request("a", began=True)], leaving) == "a"


def test_what_is_settled_stays_as_it_is_whatever_is_rendered_later() -> None:
    settled = complete(request("a"), ManifestSetRef("set-1", 1), Revision())
    assert settle([request("a")], settled, "c1", []) is settled


def test_the_newest_request_wins_and_an_older_one_does_not_come_back() -> None:
    settled = complete(request("b", 5), ManifestSetRef("set-1", 1), Revision())
    assert settle([request("a", 1)], settled, "c1", []) is settled
    wanted = settle([request("c", 9), request("b", 5)], settled, "c1", [])
    assert isinstance(wanted, Wanted) and wanted.request.id == "c"


def test_terminate_marks_the_operation_that_was_asked_for_before_it() -> None:
    settled = complete(request("a"), ManifestSetRef("set-1", 1), Revision())
    ended = settle([request("stop", 1, terminate=True), request("a")], settled, "c1", [])
    assert isinstance(ended, OperationRequest) and ended.id == "a" and ended.terminate


def test_terminate_asked_before_an_operation_does_not_end_it() -> None:
    settled = complete(request("b", 5), ManifestSetRef("set-1", 1), Revision())
    assert settle([request("stop", 1, terminate=True)], settled, "c1", []) is settled


def test_rollback_means_the_entry_before_the_newest_unless_one_is_named() -> None:
    history = [entry(3, "set-3"), entry(2, "set-2"), entry(1, "set-1")]
    before = settle([request("r", kind=OperationKind.ROLLBACK)], None, "c1", history)
    named = settle([request("r", kind=OperationKind.ROLLBACK, history_id=1)], None, "c1", history)
    assert isinstance(before, Wanted) and before.history == history[1]
    assert isinstance(named, Wanted) and named.history == history[2]


def test_rollback_without_such_an_entry_is_a_problem_with_words() -> None:
    wanted = settle([request("r", kind=OperationKind.ROLLBACK, history_id=9)], None, "c1", [entry(1, "set-1")])
    assert isinstance(wanted, Wanted) and "9" in wanted.problem
