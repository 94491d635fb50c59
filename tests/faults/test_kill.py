"""A hub or an agent that is killed between writing something down and saying so, or before: nothing is pruned that is
to stay, nothing that is to run once runs twice, and nothing is lost.

Real processes, each killed by SIGKILL at one point of the road from a commit to its receipt, and started again.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from tests.faults.killing import MortalAgent, MortalHub, Point, Stage
from tests.faults.staging import staged
from tests.faults.subject import Subject
from tests.faults.witness import settings
from tests.fleet.kit import Repository

STORAGE = "agent.storage:Storage."
LOOP = "agent.syncer.application:ApplicationLoop."
RUNNER = "agent.syncer.operation:Runner."
PRUNER = "agent.syncer.pruning:Pruner."
STORE = "hub.store.sql.store:SqlStore."

before, after = partial(Point, "before"), partial(Point, "after")

# --- the agent

ARRIVING = [before(STORAGE + "save_assignments"), after(STORAGE + "save_assignments")]
BEGINNING = [
    before(STORAGE + "save_operation"),
    # Inside the transaction, which goes with the process.
    after(STORAGE + "save_operation"),
    before("agent.syncer.operation:kinds_of"),
    before(RUNNER + "_apply_one"),
]
WORKING = [
    after(RUNNER + "_apply_one"),
    after(RUNNER + "_apply_one", nth=3),
    before(PRUNER + "_delete"),
    after(PRUNER + "_delete"),
    before(LOOP + "_end"),
    after(LOOP + "_end"),
]
DONE = [
    after(LOOP + "_run"),
    before("agent.hubclient.link:_report"),
    before(STORAGE + "mark_operations_reported"),
    after(STORAGE + "mark_operations_reported"),
]
DRIFTED = [
    before(STORAGE + "save_drift"),
    after(STORAGE + "save_drift"),
    after(RUNNER + "_apply_one"),
    before(LOOP + "_end"),
    after(LOOP + "_run"),
    before(STORAGE + "forget_drifts"),
    after(STORAGE + "forget_drifts"),
]
REQUESTED_ONCE = [*ARRIVING, after(LOOP + "_run"), before(STORAGE + "mark_operations_reported")]
REQUESTED_AGAIN = [after(RUNNER + "_apply_one"), after(PRUNER + "_delete"), before(LOOP + "_end")]
LEAVING = [
    before(PRUNER + "_delete"),
    after(PRUNER + "_delete"),
    before(STORAGE + "bury"),
    after(STORAGE + "bury"),
]
AGENT = [*ARRIVING, *BEGINNING, *WORKING, *DONE, *DRIFTED, *LEAVING]
"""What a sync asked for goes through is among these."""

# --- the hub

FIRST_FETCH = [before("hub.source.mirror:_point"), after("hub.source.mirror:_point")]
RENDERING = [
    after("hub.source.mirror:Mirror.fetch"),
    after(STORE + "put_blobs"),
    after(STORE + "put_render"),
]
ASSIGNING = [
    # Inside the transaction.
    after("hub.store.sql.assignments:_assign"),
    # Before it is dispatched.
    after(STORE + "assign"),
    after(STORE + "put_refresh_states"),
]
REPORTED = [
    before(STORE + "put_statuses"),
    before(STORE + "put_operations"),
    after(STORE + "put_operations"),
    before("hub.fleet.session:Session.put_control", given="receipt"),
]
REQUESTED = [
    before(STORE + "record_operation_request"),
    after(STORE + "record_operation_request"),
    after(STORE + "assign"),
]
TAKEN_IN = [before(STORE + "put_drifts"), after(STORE + "put_drifts")]
DELETING = [
    after(STORE + "put_application"),
    after(STORE + "assign"),
    before(STORE + "unassign"),
    after(STORE + "unassign"),
    after(STORE + "remove_application"),
]
HUB = [*FIRST_FETCH, *RENDERING, *ASSIGNING, *REPORTED, *REQUESTED, *TAKEN_IN, *DELETING]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A hub with one agent, which every test finds and leaves as it should be."""
    with staged(tmp_path_factory.mktemp("kill"), HUB, AGENT) as stage:
        yield stage


@pytest.fixture(scope="module")
def subjects(stage: Stage) -> list[Subject]:
    """One that is synced by itself, and one that somebody has to sync."""
    repository = Repository(stage.root / "repository")
    found = [Subject(stage, repository, "web"), Subject(stage, repository, "hand", automated=False)]
    for subject in found:
        subject.open()
    return found


@pytest.fixture
def web(stage: Stage, subjects: list[Subject]) -> Subject:
    stage.up()
    return subjects[0]


@pytest.fixture
def hand(stage: Stage, subjects: list[Subject]) -> Subject:
    stage.up()
    return subjects[1]


def by_name(point: Point) -> str:
    return str(point)


def check_all(stage: Stage, subjects: list[Subject]) -> None:
    for subject in subjects:
        subject.check()
    ours = ("doomed-", *(f"{subject.name}-only-" for subject in subjects))
    assert all(name.startswith(ours) for name in stage.cluster.witness.deleted)
    stage.wait(lambda: len({str(side) for side in stage.inventories()}) == 1, "the inventories to agree")
    stage.check_disks()


# --- a commit


def commit(stage: Stage, subjects: list[Subject], web: Subject, program: MortalHub | MortalAgent, point: Point) -> None:
    """Have one deployed that a program dies of."""
    web.deploys(web.write())
    stage.die(program, point, web.refresh)
    check_all(stage, subjects)


@pytest.mark.parametrize("point", [*ARRIVING, *BEGINNING, *DONE], ids=by_name)
def test_a_commit_is_applied_once_by_an_agent_that_is_killed(
    stage: Stage, subjects: list[Subject], web: Subject, point: Point
) -> None:
    commit(stage, subjects, web, stage.agent, point)
    assert web.applied() == {1}


@pytest.mark.parametrize("point", WORKING, ids=by_name)
def test_a_commit_is_gone_on_with_by_an_agent_that_is_killed(
    stage: Stage, subjects: list[Subject], web: Subject, point: Point
) -> None:
    commit(stage, subjects, web, stage.agent, point)
    assert web.applied() <= {1, 2}


@pytest.mark.parametrize("point", [*RENDERING, *ASSIGNING, *REPORTED], ids=by_name)
def test_a_commit_reaches_the_cluster_once_when_the_hub_is_killed(
    stage: Stage, subjects: list[Subject], web: Subject, point: Point
) -> None:
    commit(stage, subjects, web, stage.hub, point)
    assert web.applied() == {1}


BOTH = [
    (after(LOOP + "_run"), before(STORE + "put_operations")),
    (before(STORAGE + "mark_operations_reported"), after(STORE + "put_statuses")),
]


@pytest.mark.parametrize(("first", "then"), BOTH, ids=by_name)
def test_a_commit_is_told_once_when_the_hub_is_killed_by_what_a_killed_agent_tells(
    stage: Stage, subjects: list[Subject], web: Subject, first: Point, then: Point
) -> None:
    web.deploys(web.write())
    stage.agent.fuse.light(first)
    web.refresh()
    stage.agent.fuse.expect_death(stage.agent.wait)
    stage.die(stage.hub, then, stage.agent.start)
    check_all(stage, subjects)
    assert web.applied() <= {1, 2}


@pytest.mark.parametrize("point", FIRST_FETCH, ids=by_name)
def test_a_repository_is_fetched_for_the_first_time_though_the_hub_is_killed(
    stage: Stage, subjects: list[Subject], web: Subject, point: Point
) -> None:
    name = f"first-{len(subjects)}"
    fresh = Subject(stage, Repository(stage.root / name), name)
    fresh.deploys(fresh.write())
    stage.die(stage.hub, point, fresh.create)
    subjects.append(fresh)
    check_all(stage, subjects)
    assert fresh.applied() == {1}


# --- a sync that somebody asked for


def make_out_of_sync(hand: Subject) -> str:
    revision = hand.write()
    hand.refresh()

    def there() -> bool:
        state = hand.state
        return bool(state["sync"] == "OutOfSync" and state["observed_generation"] == state["generation"])

    hand.stage.wait(there, "the commit to be seen")
    return revision


@pytest.mark.parametrize("point", [*REQUESTED_ONCE, *REQUESTED_AGAIN], ids=by_name)
def test_a_requested_sync_runs_once_on_an_agent_that_is_killed(
    stage: Stage, subjects: list[Subject], hand: Subject, point: Point
) -> None:
    hand.deploys(make_out_of_sync(hand))
    stage.die(stage.agent, point, hand.sync)
    check_all(stage, subjects)
    assert hand.applied() <= ({1} if point in REQUESTED_ONCE else {1, 2})


@pytest.mark.parametrize("point", REQUESTED, ids=by_name)
def test_a_requested_sync_runs_once_when_the_hub_is_killed(
    stage: Stage, subjects: list[Subject], hand: Subject, point: Point
) -> None:
    hand.deploys(make_out_of_sync(hand))
    stage.die(stage.hub, point, hand.sync)
    if point == REQUESTED[0]:
        # Nobody was told that it would be done: it is not, and may be asked for again.
        assert len(hand.requests()) == len(hand.history) - 1
        hand.sync()
    check_all(stage, subjects)
    assert hand.applied() == {1}


# --- drift


def hack(web: Subject) -> None:
    web.drifts += 1
    web.stage.cluster.edit(settings(web.kept[0]), {"data": {"k": "hacked"}})


@pytest.mark.parametrize("point", DRIFTED, ids=by_name)
def test_drift_is_healed_and_told_once_by_an_agent_that_is_killed(
    stage: Stage, subjects: list[Subject], web: Subject, point: Point
) -> None:
    stage.die(stage.agent, point, lambda: hack(web))
    stage.wait(lambda: stage.cluster.witness.data(web.kept[0]) == web.data, "the healing")
    stage.wait(lambda: all_healed(web), "the drift to be told")
    check_all(stage, subjects)


@pytest.mark.parametrize("point", TAKEN_IN, ids=by_name)
def test_drift_is_told_once_when_the_hub_is_killed(
    stage: Stage, subjects: list[Subject], web: Subject, point: Point
) -> None:
    stage.die(stage.hub, point, lambda: hack(web))
    stage.wait(lambda: all_healed(web), "the drift to be told")
    check_all(stage, subjects)


def all_healed(web: Subject) -> bool:
    drifts = web.stage.desk.get(f"applications/{web.name}/drifts")["items"]
    return len(drifts) >= web.drifts and all(d["healed_at"] for d in drifts)


# --- a deletion


@pytest.fixture
def doomed(stage: Stage, web: Subject) -> Subject:
    """An application with nothing before it but its end."""
    subject = Subject(stage, web.repository, f"doomed-{len(stage.cluster.witness.deleted)}")
    subject.open()
    return subject


def check_gone(stage: Stage, doomed: Subject) -> None:
    stage.wait(lambda: stage.desk.is_gone(f"applications/{doomed.name}"), "the application to be gone")
    names = {*doomed.kept, doomed.fleeting}
    assert stage.cluster.witness.uids(names) == {}
    assert sorted(n for n in stage.cluster.witness.deleted if n in names) == sorted(names)


@pytest.mark.parametrize("point", LEAVING, ids=by_name)
def test_a_deletion_is_carried_out_by_an_agent_that_is_killed(
    stage: Stage, subjects: list[Subject], doomed: Subject, point: Point
) -> None:
    stage.die(stage.agent, point, doomed.delete)
    check_gone(stage, doomed)
    check_all(stage, subjects)


@pytest.mark.parametrize("point", DELETING, ids=by_name)
def test_a_deletion_is_carried_out_when_the_hub_is_killed(
    stage: Stage, subjects: list[Subject], doomed: Subject, point: Point
) -> None:
    stage.die(stage.hub, point, doomed.delete)
    check_gone(stage, doomed)
    check_all(stage, subjects)
    reasons = {event["reason"] for event in stage.desk.get("events?limit=500")["items"]}
    assert not reasons & {"ForeignReport", "UnknownApplications", "MalformedReport"}
