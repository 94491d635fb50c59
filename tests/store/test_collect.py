"""What may be forgotten, and above all what may not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from hub.domain.access import Event, Session
from hub.domain.application import ApplicationId
from hub.domain.manifest import ManifestSetRef, digest_of
from hub.domain.pki import CERTIFICATE_KEPT, CertificateRecord, JoinToken
from hub.store.contract import RenderRecord
from hub.store.sql import SqlStore, blobs, collect
from tests.store.builders import (
    START,
    Clock,
    add_clusters,
    application,
    content,
    drift,
    manifest_set,
    operation,
    request,
)

SHOP = "argocd/shop"


async def put_set(store: SqlStore, *resources: bytes) -> tuple[ManifestSetRef, set[str]]:
    """Store a set with its resources; return its reference and the digests of all its blobs."""
    ref, contents = manifest_set(*resources)
    await store.put_blobs(contents)
    return ref, set(contents)


async def test_nothing_that_something_leads_to_is_removed(store: SqlStore, clock: Clock) -> None:
    await store.put_application(application())
    await add_clusters(store, "u1", "u2")
    assigned, assigned_blobs = await put_set(store, b"assigned", b"shared")
    operated, operated_blobs = await put_set(store, b"operated")
    deployed, deployed_blobs = await put_set(store, b"deployed", b"shared")
    rendered, rendered_blobs = await put_set(store, b"rendered")
    _, orphaned = await put_set(store, b"orphaned")
    await store.assign(
        [
            ("u1", content(manifest_set=assigned)),
            ("u2", content(manifest_set=assigned, operation=request("op", set_digest=operated.digest))),
        ]
    )
    await store.put_operations([("u1", SHOP, operation("op", manifest_set=deployed.digest))])
    await store.put_render(RenderRecord("key", rendered))
    kept = assigned_blobs | operated_blobs | deployed_blobs | rendered_blobs
    clock.advance(days=6)
    assert await store.collect(clock.now) == {"blobs": len(orphaned)}
    assert await store.have_blobs(kept | orphaned) == kept
    assert await store.collect(clock.now) == {}


async def test_what_deployments_were_made_from_stays_as_long_as_they(store: SqlStore, clock: Clock) -> None:
    await store.put_application(application())
    await add_clusters(store, "u1")
    documents = {digest_of(text): text for text in (b"first", b"asked", b"second", b"orphan")}
    first, asked, second, orphan = documents
    await store.put_blobs(documents)
    ref, _ = await put_set(store, b"a")
    await store.assign([("u1", content(manifest_set=ref, sources=first))])
    await store.put_operations([("u1", SHOP, operation("op", manifest_set=ref.digest))])
    newer, _ = await put_set(store, b"b")
    wanted = replace(request("r", set_digest=newer.digest), sources=asked)
    await store.assign([("u1", content(manifest_set=newer, sources=second, operation=wanted))])
    clock.advance(hours=2)
    await store.collect(clock.now)
    assert await store.have_blobs({first, asked, second, orphan}) == {first, asked, second}


async def test_blobs_follow_what_named_them(store: SqlStore, clock: Clock) -> None:
    await store.put_application(application())
    await add_clusters(store, "u1")
    first, first_blobs = await put_set(store, b"first", b"shared")
    second, second_blobs = await put_set(store, b"second", b"shared")
    await store.assign([("u1", content(manifest_set=first))])
    await store.assign([("u1", content(manifest_set=second))])
    clock.advance(hours=2)
    removed = await store.collect(clock.now)
    assert removed == {"assignment contents": 1, "blobs": 2}
    assert await store.have_blobs(first_blobs | second_blobs) == second_blobs
    await store.remove_application(ApplicationId("argocd", "shop"))
    await store.collect(clock.now)
    assert await store.have_blobs(second_blobs) == set()


async def test_what_was_put_within_the_hour_stays(store: SqlStore, clock: Clock) -> None:
    _, young = await put_set(store, b"young")
    clock.advance(minutes=59)
    assert await store.collect(clock.now) == {}
    clock.advance(minutes=2)
    assert await store.collect(clock.now) == {"blobs": len(young)}


async def test_putting_what_is_there_protects_it_anew(store: SqlStore, clock: Clock) -> None:
    ref, contents = manifest_set(b"a", b"b")
    await store.put_blobs(contents)
    clock.advance(days=1)
    await store.put_blobs(contents)
    assert await store.collect(clock.now) == {}
    # A put too soon to be written down leaves enough of the hour for the caller to name what it put.
    clock.advance(seconds=blobs.RENEWED_AFTER.total_seconds() - 1)
    await store.put_blobs(contents)
    assert await store.collect(clock.advance(minutes=30)) == {}
    await store.put_render(RenderRecord("key", ref))
    assert await store.collect(clock.advance(days=2)) == {}
    assert await store.have_blobs(contents) == set(contents)


async def test_one_put_while_collecting_is_kept(store: SqlStore, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweep asks again: between the list of what goes and its removal, somebody put one of them."""
    _, contents = manifest_set(b"a", b"b")
    await store.put_blobs(contents)
    clock.advance(days=1)
    listed = collect._not_led_to
    loop = asyncio.get_running_loop()

    def and_then_somebody_puts(*arguments: object) -> list[str]:
        lost = listed(*arguments)  # type: ignore[arg-type]  # passed on as they came
        asyncio.run_coroutine_threadsafe(store.put_blobs(contents), loop).result(10)
        return lost

    monkeypatch.setattr(collect, "_not_led_to", and_then_somebody_puts)
    assert await store.collect(clock.now) == {}
    assert await store.have_blobs(contents) == set(contents)


async def test_a_set_that_cannot_be_read_keeps_everything(store: SqlStore, clock: Clock) -> None:
    """What it lists is unknown, and absence of information is never a delete."""
    ref, contents = manifest_set(b"a")
    await store.put_blobs({**contents, ref.digest: b"damaged"})
    _, orphaned = await put_set(store, b"orphaned")
    await store.put_render(RenderRecord("key", ref))
    clock.advance(days=1)
    assert await store.collect(clock.now) == {}
    assert await store.have_blobs([*contents, *orphaned]) == set(contents) | orphaned


async def test_renders_go_a_week_after_their_last_use(store: SqlStore, clock: Clock) -> None:
    await store.put_render(RenderRecord("used", None, "failed"))
    await store.put_render(RenderRecord("unused", None, "failed"))
    clock.advance(days=4)
    assert len(await store.get_renders(["used"])) == 1
    clock.advance(days=4)
    assert await store.collect(clock.now) == {"renders": 1}
    assert set(await store.get_renders(["used", "unused"])) == {"used"}


async def test_a_render_that_is_on_a_cluster_stays_as_long_as_it_is_there(store: SqlStore, clock: Clock) -> None:
    """What a chart made up would come out differently the next time."""
    await store.put_application(application())
    await add_clusters(store, "u1")
    first, _ = await put_set(store, b"made up")
    second, _ = await put_set(store, b"made up anew")
    await store.assign([("u1", content(manifest_set=first))])
    await store.put_render(RenderRecord("first", first))
    clock.advance(days=80)
    assert "renders" not in await store.collect(clock.now)
    assert set(await store.get_renders(["first"])) == {"first"}
    await store.assign([("u1", content(manifest_set=second))])
    clock.advance(days=8)
    # What is assigned no more goes first.
    assert "renders" not in await store.collect(clock.now)
    assert (await store.collect(clock.now))["renders"] == 1


async def test_a_render_in_use_is_not_handed_out_once_it_is_collected(store: SqlStore, clock: Clock) -> None:
    await store.put_render(RenderRecord("key", None, "failed"))
    clock.advance(days=8)
    found, removed = await asyncio.gather(store.get_renders(["key"]), store.collect(clock.now))
    # Either it was used in time and stays, or it is gone for both.
    assert (len(found), removed.get("renders", 0)) in ((1, 0), (0, 1))
    assert len(await store.get_renders(["key"])) == len(found)


async def test_history_over_the_limit(store: SqlStore, clock: Clock) -> None:
    await store.put_application(application(revision_history_limit=3))
    await add_clusters(store, "u1", "u2")
    await store.assign([("u1", content()), ("u2", content())])
    sets = []
    for number in range(5):
        ref, contents = await put_set(store, b"%d" % number)
        sets.append(contents)
        state = operation(f"op-{number}", minutes=number, manifest_set=ref.digest)
        await store.put_operations([("u1", SHOP, state)])
    await store.put_operations([("u2", SHOP, operation("op-0"))])
    clock.advance(hours=2)
    # Somebody may be rolling back to one of them right now, so their blobs stay until the next time.
    assert await store.collect(clock.now) == {"history": 2}
    assert [e.id for e in await store.history(SHOP, "u1")] == [5, 4, 3]
    assert len(await store.history(SHOP, "u2")) == 1
    assert await store.have_blobs(set().union(*sets)) == set().union(*sets)
    assert await store.collect(clock.now) == {"blobs": 4}
    assert await store.have_blobs(set().union(*sets)) == set().union(*sets[2:])
    await store.put_operations([("u1", SHOP, operation("op-9", minutes=9))])
    assert (await store.history(SHOP, "u1"))[0].id == 6


async def test_a_removed_clusters_history_outlives_it_by_a_month(store: SqlStore, clock: Clock) -> None:
    await store.put_application(application())
    await add_clusters(store, "u1")
    await store.assign([("u1", content())])
    await store.put_operations([("u1", SHOP, operation("op"))])
    await store.remove_cluster("u1", clock.now)
    await store.collect(clock.advance(days=29))
    assert len(await store.history(SHOP)) == 1
    await store.collect(clock.advance(days=2))
    assert await store.history(SHOP) == []


async def test_drifts_over_fifty(store: SqlStore, clock: Clock) -> None:
    await add_clusters(store, "u1", "u2")
    await store.assign([("u1", content()), ("u2", content())])
    await store.put_drifts(drift(f"d{number}", minutes=number) for number in range(60))
    await store.put_drifts(drift(f"d{number}", "u2", minutes=number) for number in range(50))
    assert await store.collect(clock.now) == {"drifts": 10}
    kept = [d for d in await store.drifts_of_application(SHOP, limit=200) if d.cluster == "u1"]
    assert [d.id for d in kept] == [f"d{number}" for number in range(59, 9, -1)]
    assert await store.collect(clock.now) == {}


async def test_operation_requests_over_twenty_and_of_nobody(store: SqlStore, clock: Clock) -> None:
    await store.put_application(application())
    for number in range(23):
        await store.record_operation_request(SHOP, request(f"r{number:02d}", minutes=number))
    await store.record_operation_request("argocd/gone", request("r"))
    assert await store.collect(clock.now) == {"operation requests": 3}
    assert len(await store.operation_requests(SHOP)) == 20
    assert await store.collect(clock.advance(days=2)) == {"operation requests": 1}
    assert len(await store.operation_requests(SHOP)) == 20


async def test_events_of_a_month_and_only_so_many(
    store: SqlStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ages = [31, 30.1, 29, 5, 4, 3, 2, 1]
    await store.add_events(Event(START - timedelta(days=age), "info", "Sync", f"{age}") for age in ages)
    assert await store.collect(clock.now) == {"events": 2}
    monkeypatch.setattr(collect, "KEPT_EVENTS", 4)
    monkeypatch.setattr(collect, "BATCH", 1)
    assert await store.collect(clock.now) == {"events": 2}
    assert [e.message for e in await store.list_events()] == ["1", "2", "3", "4"]


async def test_operations_push_nothing_else_out(store: SqlStore, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "KEPT_EVENTS", 3)
    await store.add_events([Event(START, "warning", "LoginRefused", "old")])
    reasons = ("OperationStarted", "OperationSucceeded")
    later = START + timedelta(minutes=1)
    await store.add_events(Event(later, "info", reason, f"{n}") for n in range(9) for reason in reasons)
    assert await store.collect(clock.advance(hours=1)) == {"events": 15}
    assert [e.reason for e in await store.list_events()].count("LoginRefused") == 1


async def test_what_has_ended(store: SqlStore, clock: Clock) -> None:
    now = clock.now
    for name, ends in (("past", now - timedelta(seconds=1)), ("future", now + timedelta(days=99))):
        await store.put_session(Session(name, "alice", ends, now))
        await store.put_join_token(JoinToken(name, f"cluster-{name}", ends, used_at=now))
        await store.add_certificate(CertificateRecord(name, "u1", now, ends - CERTIFICATE_KEPT, revoked_at=now))
    assert await store.collect(now) == {"sessions": 1, "join tokens": 1, "certificates": 1}
    assert await store.get_join_token("past") is None
    assert await store.get_join_token("future") is not None
    assert await store.get_certificate("past") is None
    assert await store.get_certificate("future") is not None
    assert await store.get_session("future") is not None


async def test_removed_applications_are_remembered_for_a_while(store: SqlStore, clock: Clock) -> None:
    await store.put_application(application())
    await store.remove_application(ApplicationId("argocd", "shop"))
    await store.collect(clock.advance(days=1))
    _, removed, _ = await store.applications_since(0)
    assert removed == [ApplicationId("argocd", "shop")]
    assert await store.collect(clock.advance(days=7)) == {"removed applications": 1}


async def test_many_batches(store: SqlStore, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "BATCH", 7)
    monkeypatch.setattr(collect, "SETS_AT_ONCE", 3)
    kept = set()
    for number in range(10):
        ref, contents = await put_set(store, b"kept-%d" % number)
        await store.put_render(RenderRecord(f"key-{number}", ref))
        kept |= contents
    _, lost = await put_set(store, *(b"lost-%d" % number for number in range(30)))
    assert await store.collect(clock.advance(days=1)) == {"blobs": len(lost)}
    assert await store.have_blobs(kept | lost) == kept


async def test_assigning_while_collecting_never_loses_a_content(store: SqlStore, clock: Clock) -> None:
    """Contents that nobody points at are removed while others are being pointed at again."""
    uids = [f"u{number}" for number in range(5)]
    await add_clusters(store, *uids)

    async def move(uid: str) -> None:
        for turn in range(10):
            await store.assign([(uid, content(namespace=f"n{turn % 2}"))])

    await asyncio.gather(*(move(uid) for uid in uids), *(store.collect(clock.now) for _ in range(5)))
    assert len(await store.assignments_of_application(SHOP)) == 5
