"""One agent's mailbox: newest values only, bounded, and in an order the agent can follow."""

from __future__ import annotations

import asyncio

import pytest

from escadre.v1 import agent_pb2 as pb
from hub.fleet.quotas import Bucket
from hub.fleet.session import ASSIGNMENTS_PER_MESSAGE, BLOBS_PER_MESSAGE
from tests.fleet.parts import assigned, blobs, items, kinds, sent, session

RECEIPT = pb.HubMessage(status_receipt=pb.StatusReceipt(sequence=1))
WELCOME = pb.HubMessage(welcome=pb.Welcome(protocol=1))
TRUST = pb.HubMessage(trust=pb.TrustBundle())


def encoded(*contents: bytes) -> bytes:
    message: bytes = pb.Assignments(blobs=[pb.Blob(digest=c[:1] * 32, content=c) for c in contents]).SerializeToString()
    return message


async def test_only_the_newest_assignment_of_an_application_is_sent() -> None:
    it = session()
    for generation in (1, 3, 2):
        it.put_assignments([assigned(generation=generation), assigned("argocd/other", generation)])
    messages = await sent(it)
    assert kinds(messages) == ["assignments"]
    assert items(messages) == {"argocd/shop": 3, "argocd/other": 3}
    assert it.assigned == {"argocd/shop", "argocd/other"}


async def test_an_agent_that_does_not_read_costs_one_value_a_key() -> None:
    it = session()
    for generation in range(1, 500):
        it.put_assignments([assigned(generation=generation)])
        it.put_control("receipt", pb.HubMessage(status_receipt=pb.StatusReceipt(sequence=generation)))
        it.put_control("heartbeat", pb.HubMessage(heartbeat=pb.Heartbeat(sent_ms=generation)))
    messages = await sent(it)
    assert kinds(messages) == ["status_receipt", "heartbeat", "assignments"]
    assert (messages[0].status_receipt.sequence, messages[1].heartbeat.sent_ms) == (499, 499)
    assert items(messages) == {"argocd/shop": 499}


async def test_many_assignments_are_cut_into_messages_and_blobs_go_with_the_first() -> None:
    it = session()
    it.put_blobs("set", encoded(b"x"))
    it.put_assignments([assigned(f"argocd/a{n:03}") for n in range(2 * ASSIGNMENTS_PER_MESSAGE + 1)])
    messages = await sent(it)
    assert [len(m.assignments.items) for m in messages] == [50, 50, 1]
    assert len(items(messages)) == 2 * ASSIGNMENTS_PER_MESSAGE + 1
    assert [len(m.assignments.blobs) for m in messages] == [1, 0, 0]


async def test_blobs_beyond_the_limit_are_left_for_the_agent_to_fetch() -> None:
    it = session()
    half = b"a" * (BLOBS_PER_MESSAGE // 2)
    for number in range(4):
        it.put_blobs(f"set {number}", encoded(bytes([number]) + half[:-200]))
    it.put_assignments([assigned()])
    messages = await sent(it)
    assert len(blobs(messages)) == 2
    it.put_assignments([assigned(generation=2)])
    assert not blobs(await sent(it)), "what was left out does not come late"


async def test_blobs_wait_for_their_assignments() -> None:
    it = session()
    it.put_blobs("set", encoded(b"x"))
    it.put_control("receipt", RECEIPT)
    assert kinds(await sent(it)) == ["status_receipt"]
    it.put_assignments([assigned()])
    assert len(blobs(await sent(it))) == 1


async def test_welcome_comes_before_whatever_came_before_it() -> None:
    it = session(ready=False)
    it.put_control("inventory", pb.HubMessage(inventory_request=pb.InventoryRequest()))
    it.put_assignments([assigned()])
    assert await sent(it) == []
    it.put_control("trust", TRUST)
    it.ready = True
    it.put_first("welcome", WELCOME)
    assert kinds(await sent(it)) == ["welcome", "inventory_request", "trust", "assignments"]


async def test_goodbye_is_the_last_word_and_the_only_one() -> None:
    it = session()
    it.put_assignments([assigned()])
    it.put_control("receipt", RECEIPT)
    it.close("revoked", "gone")
    assert not it.said_goodbye, "a writer in the middle of something has to come back for it"
    it.put_control("receipt", RECEIPT)
    it.put_first("welcome", WELCOME)
    it.put_assignments([assigned(generation=2)])
    messages = await sent(it)
    assert kinds(messages) == ["goodbye"] and it.said_goodbye
    assert (messages[0].goodbye.reason, messages[0].goodbye.message) == ("revoked", "gone")


async def test_the_first_reason_to_close_counts() -> None:
    it = session()
    it.close("revoked", "the certificate was revoked")
    it.close("silent", retry_after=5)
    assert it.closing == "revoked"
    assert (await sent(it))[0].goodbye.reason == "revoked"


async def test_a_session_is_overdue_only_after_it_was_closed() -> None:
    it = session()
    waiting = asyncio.create_task(it.overdue(0.0))
    await asyncio.sleep(0)
    assert not waiting.done()
    it.close("draining")
    await asyncio.wait_for(waiting, 5)


async def test_nothing_to_send_is_waited_for() -> None:
    it = session()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(it.outgoing(), 0.01)


def test_a_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    bucket = Bucket(rate=2.0, burst=3.0)
    assert [bucket.take(10.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(10.5), bucket.take(10.5)] == [True, False]
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
