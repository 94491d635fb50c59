"""The gateway against clients made by hand: what they may not do, what it costs others, and how they are told."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest

from escadre.v1 import agent_pb2 as pb
from hub.domain.cluster import Liveness
from hub.domain.revision import Revision, SourceRevision
from hub.errors import StoreUnavailable
from hub.fleet import gateway as module
from hub.server import Hub
from tests.faults.waiting import answered, until
from tests.fleet.handmade import MIB, Clients, enrol
from tests.fleet.parts import SHOP, assign

FAILED = grpc.StatusCode.FAILED_PRECONDITION
REFUSED = grpc.StatusCode.UNAUTHENTICATED
NARROW = [("grpc.http2.lookahead_bytes", 64 * 1024), ("grpc.http2.bdp_probe", 0)]
"""Options of a connection that takes little before it is read from."""


def status(application: str = SHOP, **values: Any) -> pb.StatusReport:
    given: dict[str, Any] = {"uid": f"uid-of-{application}", "generation": 1, "sync": "Synced", "health": "Healthy"}
    return pb.StatusReport(sequence=1, applications=[pb.ApplicationStatus(application=application, **(given | values))])


async def reasons(hub: Hub) -> list[str]:
    return [event.reason for event in await hub.store.list_events()]


# --- who is it, and does it speak our language


async def test_an_agent_is_welcomed_by_the_name_its_certificate_stands_for(hub: Hub, clients: Clients) -> None:
    client = clients.dial(await enrol(hub, "paris"))
    capabilities = pb.Capabilities(kubernetes_version="v1.36.3", server="https://10.0.0.1:6443", digest=b"\1")
    welcome = (await client.hello(agent_version="9.9", simulated=True, capabilities=capabilities)).welcome
    assert (welcome.cluster, welcome.protocol, welcome.in_agreement) == ("paris", 1, False)
    assert welcome.heartbeat_seconds == 60.0 and welcome.session
    kinds = [(await client.next()).WhichOneof("body") for _ in range(2)]
    assert set(kinds) == {"inventory_request", "trust"}
    cluster = await answered(lambda: _connected(hub), "the connection in the store")
    assert (cluster.connection.session, cluster.connection.agent_version) == (welcome.session, "9.9")
    assert cluster.connection.simulated and cluster.server == "https://10.0.0.1:6443"
    assert cluster.capabilities.kubernetes_version == "v1.36.3"


async def _connected(hub: Hub, uid: str = "uid-paris") -> Any:
    found = await hub.store.get_cluster(uid)
    return found if found is not None and found.connection.liveness is Liveness.CONNECTED else None


async def test_the_first_message_must_be_hello(clients: Clients, hub: Hub) -> None:
    identity = await enrol(hub, "paris")
    for body in ({"heartbeat": pb.Heartbeat()}, {"status": status()}, {}):
        client = clients.dial(identity)
        client.open()
        await client.say(**body)
        assert await client.ended() == (FAILED, "the first message must be Hello")
    client = clients.dial(identity)
    client.open()
    await client.call.done_writing()
    assert await client.ended() == (FAILED, "the first message must be Hello")
    assert len(hub.registry) == 0


async def test_a_client_that_says_nothing_is_not_waited_for(
    clients: Clients, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HELLO_SECONDS", 0.1)
    client = clients.dial(await enrol(hub, "paris"))
    client.open()
    assert (await client.ended())[0] is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_protocol_too_old_is_named_and_a_newer_one_met_half_way(clients: Clients, hub: Hub) -> None:
    identity = await enrol(hub, "paris")
    client = clients.dial(identity)
    client.open()
    await client.say(hello=pb.Hello(protocol=0))
    code, words = await client.ended()
    assert code is FAILED and "paris speaks protocol 0" in words and "update the agent" in words
    assert (await clients.dial(identity).hello(protocol=99)).welcome.protocol == 1


async def test_who_has_no_certificate_of_this_authority_gets_no_connection(clients: Clients, hub: Hub) -> None:
    identity = await enrol(hub, "paris")
    bare = grpc.ssl_channel_credentials(identity.authorities)
    async with grpc.aio.secure_channel(f"localhost:{hub.agent_port}", bare) as channel:
        call = channel.unary_unary("/escadre.v1.AgentLink/Renew")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"", timeout=10)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert len(hub.registry) == 0


async def test_a_certificate_that_was_revoked_or_whose_cluster_is_gone_is_refused(clients: Clients, hub: Hub) -> None:
    revoked, removed = await enrol(hub, "paris"), await enrol(hub, "oslo")
    await hub.trust.revocations.revoke(revoked.cluster.uid)
    client = clients.dial(revoked)
    client.open()
    code, words = await client.ended()
    assert code is REFUSED and "revoked" in words
    assert "ConnectionRefused" in await reasons(hub)
    await hub.store.remove_cluster(removed.cluster.uid, datetime.now(UTC))
    client = clients.dial(removed)
    client.open()
    assert await client.ended() == (REFUSED, "this cluster was removed from the hub")
    for calls in (client.fetch([b"\1" * 32]), client.stub.Renew(pb.RenewRequest(csr=b""))):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await calls
        assert caught.value.code() is REFUSED


async def test_the_newer_stream_of_a_cluster_replaces_the_older(clients: Clients, hub: Hub) -> None:
    identity = await enrol(hub, "paris")
    old, new = clients.dial(identity), clients.dial(identity)
    await old.hello()
    await new.hello()
    assert (await old.until("goodbye")).reason == "replaced"
    assert (await old.ended())[0] is grpc.StatusCode.OK
    assert len(hub.registry) == 1
    assert await _connected(hub) or await answered(lambda: _connected(hub), "the newer one in the store")


# --- what is said on the stream


async def test_assignments_go_out_and_statuses_come_in(clients: Clients, hub: Hub) -> None:
    client = await clients.join("paris")
    await client.until("inventory_request")
    await client.say(inventory=pb.Inventory())
    await assign(hub.store, "uid-paris")
    await hub.bus.publish("assignments")
    assert [a.application for a in (await client.until("assignments")).items] == [SHOP]
    await client.say(status=status())
    assert (await client.until("status_receipt")).sequence == 1
    assert len(await hub.store.statuses_of_application(SHOP)) == 1


async def test_nonsense_ends_its_stream_and_no_other(clients: Clients, hub: Hub) -> None:
    good, bad = await clients.join("oslo"), await clients.join("paris")
    await assign(hub.store, "uid-paris", "uid-oslo")
    await hub.bus.publish("assignments")
    for client in (good, bad):
        await client.until("assignments")
    await bad.say(status=status(sync="Splendid"))
    goodbye = await bad.until("goodbye")
    assert goodbye.reason == "protocol" and "Splendid" in goodbye.message and goodbye.retry_after_seconds > 10
    assert "MalformedReport" in await reasons(hub)
    await good.say(status=status())
    assert (await good.until("status_receipt")).sequence == 1


@pytest.mark.parametrize(
    "body",
    [
        {"status": status(generation=2**64 - 1)},
        {"inventory": pb.Inventory(held=[pb.HeldAssignment(application=SHOP, generation=2**63)])},
        {"refusals": pb.Refusals(items=[pb.Refusal(application=SHOP, code="x", generation=2**64 - 1)])},
        {
            "refusals": pb.Refusals(
                items=[pb.Refusal(application=SHOP, code="stale-generation", generation=1, held_generation=2**63)]
            )
        },
    ],
)
async def test_generations_no_database_holds_are_refused(clients: Clients, hub: Hub, body: dict[str, Any]) -> None:
    await enrol(hub, "oslo")
    client = await clients.join("paris")
    await assign(hub.store, "uid-paris")
    await hub.bus.publish("assignments")
    await client.until("assignments")
    await client.say(**body)
    assert (await client.until("goodbye")).reason == "protocol"
    assert [a.generation for a in await assign(hub.store, "uid-paris", set_digest="b" * 64)] == [2]


async def test_a_flood_is_cut_off(clients: Clients, hub: Hub) -> None:
    client = await clients.join("paris")

    async def flood() -> None:
        for _ in range(5000):
            await client.say(heartbeat=pb.Heartbeat())

    flooding = asyncio.create_task(flood())
    assert "too many messages" in (await client.until("goodbye")).message
    await client.ended()
    await asyncio.gather(flooding, return_exceptions=True)
    await until(lambda: len(hub.registry) == 0, "the stream to end")
    assert "Flood" in await reasons(hub)


async def test_reports_without_waiting_for_receipts_are_cut_off(
    clients: Clients, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await clients.join("paris")

    async def stuck(_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(hub.reports, "_write", stuck)
    for _ in range(module.REPORTS_UNDER_WAY + 2):
        await client.say(status=pb.StatusReport(sequence=1))
    assert "without waiting" in (await client.until("goodbye")).message


async def test_a_message_beyond_the_limit_ends_its_stream_only(clients: Clients, hub: Hub) -> None:
    client, other = await clients.join("paris"), await clients.join("oslo")
    await client.call.write(pb.AgentMessage(hello=pb.Hello(agent_version="x" * (17 * MIB))))
    assert (await client.ended())[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    await until(lambda: len(hub.registry) == 1, "the stream to be forgotten")
    await other.say(status=pb.StatusReport(sequence=3))
    assert (await other.until("status_receipt")).sequence == 3


async def test_a_message_of_a_newer_agent_is_passed_over(clients: Clients, hub: Hub) -> None:
    client = await clients.join("paris")
    await client.say()
    await client.say(status=pb.StatusReport(sequence=3))
    assert (await client.until("status_receipt")).sequence == 3


async def test_a_store_that_is_away_ends_the_stream_with_words(
    clients: Clients, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await clients.join("paris")

    async def away(*_: Any) -> Any:
        raise StoreUnavailable("the database does not answer")

    monkeypatch.setattr(hub.store, "assignments_of_cluster", away)
    await client.say(inventory=pb.Inventory())
    goodbye = await client.until("goodbye")
    assert (goodbye.reason, goodbye.message) == ("unavailable", "the database does not answer")
    monkeypatch.setattr(hub.store, "get_cluster", away)
    again = clients.dial(await enrol(hub, "oslo"))
    again.open()
    assert await again.ended() == (grpc.StatusCode.UNAVAILABLE, "the database does not answer")


# --- one bad agent slows nobody


async def test_an_agent_that_never_reads_holds_nobody_up(clients: Clients, hub: Hub) -> None:
    stalled = clients.dial(await enrol(hub, "stalled"), options=NARROW)
    stalled.open()
    await stalled.say(hello=pb.Hello(protocol=1))
    others = [await clients.join(f"c{n}") for n in range(20)]
    uids = [f"uid-c{n}" for n in range(20)]
    await until(lambda: len(hub.registry) == 21, "all to be connected")
    began = asyncio.get_running_loop().time()
    big = {"revision": _large_revision()}
    for round in range(8):
        await assign(hub.store, "uid-stalled", *uids, set_digest=f"{round}" * 64, **big)
        await hub.bus.publish("assignments")
        arrived = await asyncio.gather(*(client.until("assignments") for client in others))
        assert all([a.generation for a in each.items] == [round + 1] for each in arrived)
    assert asyncio.get_running_loop().time() - began < 20
    session = hub.registry.of_cluster("uid-stalled")
    assert session is not None and len(session._mailbox) == 1, "it is stuck, and holds the newest value only"


def _large_revision() -> Any:
    return Revision((SourceRevision("https://git.example/shop.git", "c" * 40, message="m" * 256 * 1024),))


async def test_revocation_drops_even_a_stream_that_never_reads(
    clients: Clients, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GOODBYE_SECONDS", 0.2)
    client = clients.dial(await enrol(hub, "paris"), options=NARROW)
    client.open()
    await client.say(hello=pb.Hello(protocol=1))
    await until(lambda: (s := hub.registry.of_cluster("uid-paris")) and s.ready, "it to be greeted")
    for round in range(8):
        await assign(hub.store, "uid-paris", set_digest=f"{round}" * 64, revision=_large_revision())
        await hub.bus.publish("assignments")
        sequence = await hub.store.assignment_sequence()
        await until(lambda: hub.dispatcher and hub.dispatcher._sequence >= sequence, "it to be dispatched")  # noqa: B023
    session = hub.registry.of_cluster("uid-paris")
    assert session is not None and session._mailbox, "its writer is stuck"
    await hub.trust.revocations.revoke("uid-paris")
    await until(lambda: len(hub.registry) == 0, "the stream to be dropped", timeout=5)
    assert not await hub.store.statuses_of_application(SHOP)


async def test_revocation_says_goodbye_to_one_that_reads_and_hears_nothing_after(clients: Clients, hub: Hub) -> None:
    client, other = await clients.join("paris"), await clients.join("oslo")
    await hub.trust.revocations.revoke("uid-paris")
    assert (await client.until("goodbye")).reason == "revoked"
    await client.ended()
    assert [s.cluster for s in hub.registry] == ["uid-oslo"]
    await other.say(status=pb.StatusReport(sequence=3))
    assert (await other.until("status_receipt")).sequence == 3


async def test_a_hub_that_drains_says_when_to_come_back_and_takes_nobody_new(clients: Clients, hub: Hub) -> None:
    client, late = await clients.join("paris"), clients.dial(await enrol(hub, "oslo"))
    await late.channel.channel_ready()
    stopping = asyncio.create_task(hub.stop())
    goodbye = await client.until("goodbye")
    assert goodbye.reason == "draining" and 0 < goodbye.retry_after_seconds < 5
    late.open()
    # The gateway refuses it, or gRPC does, whose server may have been stopped by then.
    assert (await late.ended())[0] in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    await stopping


async def test_an_agent_that_goes_while_it_is_let_go_is_forgotten(clients: Clients, hub: Hub) -> None:
    """Its going cancels the stream's handler, which may be anywhere by then."""
    identities = [await enrol(hub, f"c{n}") for n in range(10)]
    for _ in range(5):
        opened = [clients.dial(identity) for identity in identities]
        for client in opened:
            await client.hello()
        for session in hub.registry:
            session.close("draining")
        for client in opened:
            await client.until("goodbye")
            client.call.cancel()
        await until(lambda: len(hub.registry) == 0, "all to be forgotten")
