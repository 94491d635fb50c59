"""What agents tell is in the store before they are told so, and no agent's nonsense is in another's way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from escadre.v1 import agent_pb2 as pb
from hub.domain.application import Deletion
from hub.errors import HubError, Invalid, StoreUnavailable
from hub.fleet import chronicle
from hub.fleet import reports as module
from hub.fleet.convert import Malformed
from hub.fleet.incidents import Incidents
from hub.fleet.reports import Reports
from hub.fleet.session import Session
from hub.store.bus import InProcessBus
from hub.store.sql import SqlStore
from tests.faults.waiting import answered, until
from tests.fleet.parts import SHOP, assign, kinds, running, sent, session, watched
from tests.store.builders import add_clusters

OTHER = "argocd/other"
UID = "uid-of-" + SHOP
TOMBSTONE = Deletion(True, "foreground", "ada", datetime(2026, 3, 1, tzinfo=UTC))


@pytest.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqlStore]:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.02)
    store = SqlStore(f"sqlite:///{tmp_path}/escadre.db")
    await store.open()
    await add_clusters(store, "u1", "u2", "u3")
    await assign(store, "u1", "u2", "u3")
    yield store
    await store.close()


class Desk:
    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.watched = watched(store)
        self.bus = InProcessBus()
        self.finished: list[tuple[str, str, str]] = []
        self.reports = Reports(
            self.watched,
            self.bus,
            Incidents(store),
            lambda cluster, application, state: self.finished.append((cluster, application, state.id)),
        )

    async def stored(self) -> dict[str, int]:
        return {s.cluster: s.generation for s in await self.store.statuses_of_application(SHOP)}


@pytest.fixture
def desk(store: SqlStore) -> Desk:
    return Desk(store)


def agent(cluster: str = "u1") -> Session:
    return session(cluster, assigned={SHOP})


def status(application: str = SHOP, generation: int = 1, **values: Any) -> pb.ApplicationStatus:
    given: dict[str, Any] = {"uid": "uid-of-" + application, "sync": "Synced", "health": "Healthy"}
    return pb.ApplicationStatus(application=application, generation=generation, **(given | values))


def report(sequence: int, *statuses: pb.ApplicationStatus, **values: Any) -> pb.StatusReport:
    return pb.StatusReport(sequence=sequence, applications=statuses, **values)


def operation(id: str, application: str = SHOP) -> pb.OperationState:
    return pb.OperationState(
        id=id, application=application, kind="sync", phase="Succeeded", manifest_set=b"\1" * 32, finished_ms=1
    )


def drift(id: str, application: str = SHOP) -> pb.DriftReport:
    key = pb.ResourceKey(kind="ConfigMap", name="settings")
    return pb.DriftReport(id=id, application=application, key=key, kind="modified", seen_ms=1)


async def receipt(of: Session) -> int:
    messages = await sent(of)
    assert kinds(messages) == ["status_receipt"]
    return messages[0].status_receipt.sequence


async def test_a_report_is_acknowledged_when_it_is_stored_and_others_are_told(desk: Desk) -> None:
    it = agent()
    async with desk.bus.subscribe("statuses") as told, running(desk.reports.run()):
        content = report(7, status(), drifts=[drift("d1")], finished_operations=[operation("o1")])
        desk.reports.take(it, content)
        assert await receipt(it) == 7
        assert await told.next(timeout=5)
    assert await desk.stored() == {"u1": 1}
    assert [d.id for d in await desk.store.drifts_of_application(SHOP)] == ["d1"]
    assert [h.operation for h in await desk.store.history(SHOP)] == ["o1"]
    assert desk.finished == [("u1", SHOP, "o1")]
    found = await desk.store.get_assignment("u1", SHOP)
    assert found is not None and found.acknowledged_generation == 1
    assert it.reports_under_way == 0 and desk.reports.statuses_written == 1


async def test_an_agent_that_contradicts_itself_is_taken_at_its_last_word(desk: Desk) -> None:
    it, last = agent(), operation("o1")
    told = status(operation=last), status(deleted=True)
    desk.reports.take(it, report(1, *told, finished_operations=[last]))
    async with running(desk.reports.run()):
        assert await receipt(it) == 1
    assert desk.finished == [("u1", SHOP, "o1")] and await desk.stored() == {}


async def test_what_gathers_while_one_batch_is_written_is_one_write(desk: Desk) -> None:
    agents = [agent(cluster) for cluster in ("u1", "u2", "u3")]
    for sequence in range(1, 5):
        for it in agents:
            desk.reports.take(it, report(sequence, status(generation=sequence)))
    async with running(desk.reports.run()):
        assert [await receipt(it) for it in agents] == [4, 4, 4]
    assert await desk.stored() == {"u1": 4, "u2": 4, "u3": 4}
    assert desk.watched.calls["put_statuses"] == 1
    assert desk.reports.statuses_written == 3, "the newest of each"


async def test_receipts_wait_while_others_report_but_not_for_ever(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = agent("u1"), agent("u2")
    desk.reports.take(one, report(1, status()))

    async def more(statuses: object) -> None:
        await put(statuses)
        if desk.watched.calls["put_statuses"] < 3:
            desk.reports.take(two, report(desk.watched.calls["put_statuses"], status()))

    put = desk.watched.put_statuses
    monkeypatch.setattr(desk.watched, "put_statuses", more, raising=False)
    async with running(desk.reports.run()):
        assert await receipt(one) == 1
        assert desk.watched.calls["put_statuses"] == 3, "those that were waiting were taken in first"
        assert await receipt(two) == 2
        monkeypatch.setattr("hub.fleet.reports.RECEIPT_SECONDS", -1.0)
        desk.watched.calls["put_statuses"] = 0
        desk.reports.take(one, report(2, status()))
        assert await receipt(one) == 2
        assert desk.watched.calls["put_statuses"] == 1


async def test_what_is_not_assigned_to_a_cluster_is_refused_and_recorded(desk: Desk) -> None:
    it = agent()
    foreign = report(
        1,
        status(),
        status("argocd/" + "x" * 9000),
        drifts=[drift("d1", OTHER)],
        finished_operations=[operation("o1", OTHER)],
    )
    async with running(desk.reports.run()):
        desk.reports.take(it, foreign)
        assert await receipt(it) == 1
    assert await desk.stored() == {"u1": 1}
    assert not await desk.store.drifts_of_application(OTHER) and not desk.finished
    (event,) = await desk.store.list_events()
    assert (event.reason, event.cluster) == ("ForeignReport", "u1")
    assert len(event.message) < 500


async def test_a_deletion_that_is_told_again_is_no_foreign_report(desk: Desk) -> None:
    """The hub was killed before it could give the receipt, and knows of no assignment any more."""
    it = agent()
    async with running(desk.reports.run()):
        desk.reports.take(it, report(1, status(OTHER, deleted=True)))
        assert await receipt(it) == 1
    assert await desk.store.list_events() == []


async def test_a_report_cannot_name_another_cluster(desk: Desk) -> None:
    one, two = agent("u1"), agent("u2")
    async with running(desk.reports.run()):
        desk.reports.take(one, report(1, status(generation=3), drifts=[drift("same id")]))
        desk.reports.take(two, report(1, status(generation=5), drifts=[drift("same id")]))
        await receipt(one)
        await receipt(two)
    assert await desk.stored() == {"u1": 3, "u2": 5}
    assert {d.cluster for d in await desk.store.drifts_of_application(SHOP)} == {"u1", "u2"}


async def test_a_store_that_fails_for_a_while_loses_nothing(desk: Desk) -> None:
    it = agent()
    desk.watched.failures = {
        "put_statuses": [StoreUnavailable("away")] * 3,
        "put_drifts": [StoreUnavailable("away")] * 2,
    }
    async with running(desk.reports.run()):
        content = report(1, status(), drifts=[drift("d1")], finished_operations=[operation("o1")])
        desk.reports.take(it, content)
        await until(lambda: desk.watched.calls["put_statuses"] >= 2, "a second attempt")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(it.outgoing(), 0.001)
        desk.reports.take(it, report(2, status(generation=2)))
        assert await receipt(it) in (1, 2)
        await answered(lambda: _is(desk, {"u1": 2}), "the newer one too")
    assert [d.id for d in await desk.store.drifts_of_application(SHOP)] == ["d1"]
    assert desk.finished == [("u1", SHOP, "o1")], "counted once, however often it was written"


async def _is(desk: Desk, expected: dict[str, int]) -> bool:
    return await desk.stored() == expected


async def test_what_one_agent_sends_that_cannot_be_stored_is_in_nobodys_way(desk: Desk) -> None:
    def wrong(name: str, argument: Any) -> HubError | None:
        bad = name == "put_statuses" and any(s.cluster == "u2" for s in argument)
        return Invalid("a value does not fit") if bad else None

    desk.watched.wrong = wrong
    one, two, three = agents = [agent(cluster) for cluster in ("u1", "u2", "u3")]
    for it in agents:
        desk.reports.take(it, report(1, status()))
    async with running(desk.reports.run()):
        assert await receipt(one) == await receipt(three) == 1
        (goodbye,) = await sent(two)
        assert goodbye.goodbye.reason == "protocol" and goodbye.goodbye.retry_after_seconds > 1
        desk.reports.take(one, report(2, status(generation=2)))
        assert await receipt(one) == 2
    assert await desk.stored() == {"u1": 2, "u3": 1}


@pytest.mark.parametrize(
    "message",
    [
        report(1, status(sync="Fine")),
        report(1, status(health="Splendid")),
        report(1, status(generation=2**63)),
        report(1, status(observed_ms=2**62)),
        report(1, status(observed_ms=-(2**62))),
        report(1, finished_operations=[pb.OperationState(id="o", application=SHOP, kind="sync", phase="Fine")]),
        report(1, drifts=[pb.DriftReport(id="d", application=SHOP, seen_ms=2**62)]),
    ],
)
async def test_nonsense_is_malformed_and_not_acknowledged(desk: Desk, message: pb.StatusReport) -> None:
    it = agent()
    with pytest.raises(Malformed):
        desk.reports.take(it, message)
    async with running(desk.reports.run()):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(it.outgoing(), 0.02)


async def test_refusals_are_kept_and_stale_ones_given_back(desk: Desk) -> None:
    it = agent()
    refusals = [
        pb.Refusal(application=SHOP, generation=1, code="stale-generation", message="m" * 9000, held_generation=4),
        pb.Refusal(application=OTHER, generation=1, code="stale-generation", held_generation=4),
    ]
    async with running(desk.reports.run()):
        assert [r.application for r in desk.reports.refuse(it, refusals)] == [SHOP]
        await answered(lambda: _refused(desk), "the refusal in the store")
    with pytest.raises(Malformed):
        desk.reports.refuse(it, [pb.Refusal(application=SHOP, generation=2**64 - 1, code="bad-signature")])


async def _refused(desk: Desk) -> bool:
    found = await desk.store.get_assignment("u1", SHOP)
    assert found is not None and len(found.refusal) <= 500
    return found.refusal.startswith("stale-generation: mmm")


async def test_a_tombstone_that_was_carried_out_ends_the_assignment(desk: Desk) -> None:
    await assign(desk.store, "u1", "u2", deletion=TOMBSTONE)
    it = agent()
    async with desk.bus.subscribe("statuses") as told, running(desk.reports.run()):
        desk.reports.take(it, report(1, status()))
        desk.reports.take(it, report(2, status(deleted=True)))
        assert await receipt(it) == 2
        assert await told.next(timeout=5)
    assert [a.cluster for a in await desk.store.assignments_of_application(SHOP) if a.content.deletion] == ["u2"]
    assert await desk.stored() == {}


@pytest.mark.parametrize("uid", [UID, "an older application of the name"])
async def test_no_agent_ends_an_assignment_that_is_no_tombstone_for_it(desk: Desk, uid: str) -> None:
    if uid != UID:
        await assign(desk.store, "u1", deletion=TOMBSTONE)
    it = agent()
    async with running(desk.reports.run()):
        desk.reports.take(it, report(1, status(uid=uid, deleted=True)))
        assert await receipt(it) == 1
    assert await desk.store.get_assignment("u1", SHOP) is not None


async def test_a_hub_that_drains_writes_what_has_gathered(desk: Desk) -> None:
    desk.reports.take(agent(), report(1, status()))
    await desk.reports.flush()
    assert await desk.stored() == {"u1": 1}
    desk.reports.take(agent(), report(1, status(generation=2)))
    desk.watched.failures = {"put_statuses": [StoreUnavailable("away")]}
    await desk.reports.flush()
    assert await desk.stored() == {"u1": 1}, "the agent tells it again"


# --- what is told of operations


def ran(id: str, phase: str, started: int = 1) -> pb.OperationState:
    ended = {"finished_ms": started + 1} if phase in ("Succeeded", "Failed") else {}
    who = {"initiated_by": "ada", "started_ms": started}
    return pb.OperationState(id=id, application=SHOP, kind="sync", phase=phase, **who, **ended)  # type: ignore[arg-type]


async def told(desk: Desk) -> list[tuple[str, str]]:
    """Cluster and reason, oldest first."""
    return [(e.cluster, e.reason) for e in reversed(await desk.store.list_events(application=SHOP))]


async def test_operations_are_told_once_on_each_cluster(desk: Desk) -> None:
    one, two = agent("u1"), agent("u2")
    async with running(desk.reports.run()):
        desk.reports.take(one, report(1, status(operation=ran("a", "Running"))))
        assert await receipt(one) == 1
        assert await told(desk) == [("u1", "OperationStarted")]
        end = report(2, status(operation=ran("a", "Succeeded")), finished_operations=[ran("a", "Succeeded")])
        for sequence in (2, 3):
            end.sequence = sequence
            desk.reports.take(one, end)
            assert await receipt(one) == sequence
        # Over before anything was told of it, and another under way by then.
        desk.reports.take(
            two, report(1, status(operation=ran("c", "Running", 5)), finished_operations=[ran("b", "Failed")])
        )
        assert await receipt(two) == 1
    events = await told(desk)
    assert [reason for cluster, reason in events if cluster == "u1"] == ["OperationStarted", "OperationSucceeded"]
    of_two = [reason for cluster, reason in events if cluster == "u2"]
    assert of_two == ["OperationStarted", "OperationFailed", "OperationStarted"]


async def test_another_gateway_does_not_tell_what_was_told(desk: Desk) -> None:
    content = report(1, status(operation=ran("a", "Succeeded")), finished_operations=[ran("a", "Succeeded")])
    for reports in (desk.reports, Reports(desk.store, desk.bus, Incidents(desk.store))):
        it = agent()
        async with running(reports.run()):
            reports.take(it, content)
            assert await receipt(it) == 1
    assert await told(desk) == [("u1", "OperationStarted"), ("u1", "OperationSucceeded")]


async def test_a_store_that_fails_for_a_while_is_told_each_event_once(desk: Desk) -> None:
    it = agent()
    desk.watched.failures = {"put_statuses": [StoreUnavailable("away")] * 3, "add_events": [StoreUnavailable("away")]}
    async with running(desk.reports.run()):
        desk.reports.take(it, report(1, status(operation=ran("a", "Succeeded"))))
        assert await receipt(it) == 1
    assert await told(desk) == [("u1", "OperationStarted"), ("u1", "OperationSucceeded")]


async def test_one_cluster_tells_only_so_much(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chronicle, "PER_HOUR", 5)
    desk = Desk(desk.store)
    many = [ran(f"o{n}", "Succeeded", n) for n in range(1, 20)]
    one, two = agent("u1"), agent("u2")
    async with running(desk.reports.run()):
        desk.reports.take(one, report(1, finished_operations=many))
        assert await receipt(one) == 1
        desk.reports.take(two, report(1, status(operation=ran("a", "Succeeded"))))
        assert await receipt(two) == 1
    events = await told(desk)
    assert [cluster for cluster, _ in events].count("u1") == 5
    assert ("u2", "OperationSucceeded") in events
    (dropped,) = [e for e in await desk.store.list_events() if e.reason == "OperationEventsDropped"]
    assert dropped.cluster == "u1" and "more than 5 events" in dropped.message
