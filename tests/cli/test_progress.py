"""How far an operation is, told from what clusters report."""

from __future__ import annotations

from typing import Any

import pytest

from hub.cli.progress import State, Tracker, Wanted, is_over, lacking
from tests.cli import samples

ALL = Wanted(sync=True, health=True, operation=True)
OURS = "ours"


def states(tracker: Tracker, *rows: dict[str, object]) -> list[tuple[str, State]]:
    return [(progress.cluster, progress.state) for progress in tracker.look(rows)]


@pytest.mark.parametrize(
    ("phase", "state"),
    [
        ("Running", State.RUNNING),
        ("Terminating", State.RUNNING),
        ("Succeeded", State.SUCCEEDED),
        ("Failed", State.FAILED),
        ("Error", State.FAILED),
    ],
)
def test_our_operation_as_the_agent_tells_it(phase: str, state: State) -> None:
    row = samples.row(operation=samples.operation(OURS, phase))
    assert states(Tracker(OURS, [], []), row) == [("edge-1", state)]


def test_running_says_how_far() -> None:
    row = samples.row(operation=samples.operation(OURS, "Running", done=2, total=7, attempt=3, message="wave 1"))
    assert Tracker(OURS, [], []).look([row])[0].text == "2 of 7, attempt 3, wave 1"
    row = samples.row(operation=samples.operation(OURS, "Terminating", done=0, total=0))
    assert Tracker(OURS, [], []).look([row])[0].text == "terminating"


def test_running_where_nobody_is_connected_says_so() -> None:
    row = samples.row(liveness="Unreachable", operation=samples.operation(OURS, "Running", done=2, total=7))
    [progress] = Tracker(OURS, [], []).look([row])
    assert (progress.state, progress.text) == (State.RUNNING, "not connected now; what was known last is: 2 of 7")


def test_an_earlier_operation_says_nothing_about_ours() -> None:
    row = samples.row(operation=samples.operation("before"))
    assert states(Tracker(OURS, [], [row]), row) == [("edge-1", State.WAITING)]
    # Nor does one that nobody knew of when ours was asked for: it may have been under way to us.
    other = samples.row(operation=samples.operation("self-heal-1", "Running"))
    assert states(Tracker(OURS, [], [row]), other) == [("edge-1", State.WAITING)]


def test_an_operation_after_ours_was_seen_has_replaced_it() -> None:
    before = samples.row(operation=samples.operation("before"))
    tracker = Tracker(OURS, [], [before])
    running = samples.row(operation=samples.operation(OURS, "Running"))
    after = samples.row(operation=samples.operation("next", "Running", kind="rollback", initiated_by="bob"))
    assert states(tracker, running) == [("edge-1", State.RUNNING)]
    assert states(tracker, after) == [("edge-1", State.REPLACED)]
    assert tracker.look([after])[0].text == "by rollback of bob"
    # A row from before, which may arrive late, has not.
    assert states(tracker, before) == [("edge-1", State.WAITING)]


def test_an_operation_that_was_asked_for_later_has_replaced_one_that_has_not_begun() -> None:
    before = samples.row(operation=samples.operation("before", "Running"))
    tracker = Tracker(OURS, [], [before], "2030-01-01T12:00:00.000005+00:00")
    assert tracker.look([before])[0].text == "for the end of the sync of ada that is under way"
    bobs = samples.operation("bobs", "Running", initiated_by="bob")
    # To what was asked for earlier ours is the next one.
    for at in (None, "2030-01-01T12:00:00.000004+00:00"):
        assert states(tracker, samples.row(operation=bobs, operation_requested_at=at)) == [("edge-1", State.WAITING)]
    later = samples.row(operation=bobs, operation_requested_at="2030-01-01T12:00:00.000006+00:00")
    assert states(tracker, later) == [("edge-1", State.REPLACED)]
    assert tracker.look([later])[0].text == "by sync of bob, asked for later, before it began"
    own = samples.row(operation=samples.operation(OURS), operation_requested_at="2030-01-01T12:00:00.000005+00:00")
    assert states(tracker, own) == [("edge-1", State.SUCCEEDED)]


def test_a_cluster_that_the_application_leaves_is_not_asked() -> None:
    leaving = samples.row("a", deleting=True, liveness="NeverConnected", operation=None)
    tracker = Tracker(OURS, [], [])
    assert states(tracker, leaving, samples.row("b", operation=None)) == [("b", State.WAITING)]
    assert not is_over(tracker.look([leaving]))


def test_a_cluster_that_is_away_is_not_waited_for() -> None:
    row = samples.row(liveness="Unreachable", operation=None)
    assert states(Tracker(OURS, [], []), row) == [("edge-1", State.AWAY)]
    # What it told before it went is told on.
    done = samples.row(liveness="Unreachable", operation=samples.operation(OURS))
    assert states(Tracker(OURS, [], []), done) == [("edge-1", State.SUCCEEDED)]


def test_an_assignment_that_is_refused_has_failed() -> None:
    row = samples.row(refusal="bad-signature: unknown key", operation=None)
    assert Tracker(OURS, [], []).look([row])[0].text == "the agent refused the assignment: bad-signature: unknown key"


def test_only_the_clusters_asked_for_by_name() -> None:
    rows = [samples.row(name, operation=None) for name in ("c", "a", "b")]
    assert [cluster for cluster, _ in states(Tracker(OURS, ["c", "a"], []), *rows)] == ["a", "c"]


def test_it_is_over_when_every_cluster_is() -> None:
    done = samples.row("a", operation=samples.operation(OURS))
    running = samples.row("b", operation=samples.operation(OURS, "Running"))
    tracker = Tracker(OURS, [], [])
    assert is_over(tracker.look([done]))
    assert not is_over(tracker.look([done, running]))
    assert not is_over(tracker.look([])), "on no cluster, nothing has been done"


@pytest.mark.parametrize(
    ("values", "lack"),
    [
        ({}, ""),
        ({"operation": None}, ""),
        ({"liveness": "Unreachable"}, "not connected"),
        ({"refusal": "bad"}, "the agent refused the assignment: bad"),
        ({"deleting": True}, "being removed from this cluster"),
        ({"observed_generation": 3}, "has not reported on its newest assignment"),
        ({"operation": samples.operation(phase="Running")}, "sync is running 1 of 3"),
        ({"operation": samples.operation(phase="Failed")}, ""),
        ({"sync": "OutOfSync"}, "OutOfSync"),
        ({"health": "Degraded", "message": "0 of 2"}, "Degraded: 0 of 2"),
        ({"health": "Suspended"}, "Suspended"),
    ],
)
def test_what_is_lacking(values: dict[str, Any], lack: str) -> None:
    assert lacking(samples.row(**values), ALL) == lack


def test_only_what_is_waited_for_is_lacking() -> None:
    row = samples.row(sync="OutOfSync", health="Degraded", operation=samples.operation(phase="Running"))
    assert lacking(row, Wanted(sync=False, health=True, operation=False)) == "Degraded"
    assert lacking(row, Wanted(sync=True, health=False, operation=False)) == "OutOfSync"
    assert lacking(row, Wanted(sync=False, health=False, operation=False)) == ""
