"""The gateway's calls beside the stream: blobs, renewal and answers, bounded and refused with words."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import grpc
import pytest

from escadre.v1 import agent_pb2 as pb
from hub.domain.manifest import digest_of
from hub.errors import StoreUnavailable, TooManyRequests
from hub.fleet import gateway as module
from hub.fleet.desk import Desk, Question
from hub.server import Hub
from tests.fleet.handmade import MIB, Client, Clients, chunks, enrol
from tests.fleet.parts import SHOP
from tests.pki.support import AgentKey


async def test_blobs_come_in_the_order_asked_for_in_chunks(clients: Clients, hub: Hub) -> None:
    client = await clients.join("paris")
    contents = [b"", b"small", bytes(range(256)) * 5000, *(b"%d" % n for n in range(300))]
    await hub.store.put_blobs({digest_of(c): c for c in contents})
    got = await client.fetch(bytes.fromhex(digest_of(c)) for c in contents)
    assert max(len(chunk.content) for chunk in got) <= module.CHUNK_BYTES
    whole: list[bytes] = [b""]
    for chunk in got:
        whole[-1] += chunk.content
        if chunk.last:
            assert chunk.digest.hex() == digest_of(whole[-1])
            whole.append(b"")
    assert whole[:-1] == contents


async def test_large_blobs_are_not_read_all_at_once(
    clients: Clients, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await clients.join("paris")
    contents = [bytes([n]) * MIB for n in range(24)]
    await hub.store.put_blobs({digest_of(c): c for c in contents})
    asked: list[int] = []
    read = hub.store.get_blobs

    async def counted(digests: Any) -> Any:
        asked.append(len(digests))
        return await read(digests)

    monkeypatch.setattr(hub.store, "get_blobs", counted)
    got = await client.fetch(bytes.fromhex(digest_of(c)) for c in contents)
    assert sum(len(chunk.content) for chunk in got) == 24 * MIB
    assert max(asked) <= 8 and sum(asked) == 24


@pytest.mark.parametrize("digest", [b"\1" * 32, b"", b"x" * 9000])
async def test_a_blob_the_hub_does_not_have_is_told_as_missing(clients: Clients, hub: Hub, digest: bytes) -> None:
    client = await clients.join("paris")
    await hub.store.put_blobs({digest_of(b"here"): b"here"})
    here, gone = await client.fetch([bytes.fromhex(digest_of(b"here")), digest])
    assert (here.content, here.last) == (b"here", True)
    assert gone.missing and gone.digest == digest


async def test_too_many_digests_at_once_are_refused(clients: Clients, hub: Hub) -> None:
    client = await clients.join("paris")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.fetch([b"\1" * 32] * (module.FETCH_LIMIT + 1))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert await client.fetch([]) == []


async def test_fetching_from_a_store_that_is_away_can_be_tried_again(
    clients: Clients, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await clients.join("paris")

    async def away(_: Any) -> Any:
        raise StoreUnavailable("the database does not answer")

    monkeypatch.setattr(hub.store, "get_blobs", away)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.fetch([b"\1" * 32])
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert caught.value.details() == "the database does not answer"


async def test_renewal_gives_a_certificate_of_the_same_cluster(clients: Clients, hub: Hub) -> None:
    identity = await enrol(hub, "paris")
    client = clients.dial(identity)
    key = AgentKey()
    reply = await client.stub.Renew(pb.RenewRequest(csr=key.request("another-cluster")), timeout=10)
    assert reply.trust.authorities
    issued = grpc.ssl_channel_credentials(identity.authorities, key.pem, _pem(reply.certificate))
    async with grpc.aio.secure_channel(f"localhost:{hub.agent_port}", issued) as channel:
        renewed = Client(channel, client.stub.__class__(channel))
        assert (await renewed.hello()).welcome.cluster == "paris"
        renewed.call.cancel()


def _pem(der: bytes) -> bytes:
    return ssl.DER_cert_to_PEM_cert(der).encode()


async def test_a_request_for_renewal_that_is_none_is_refused_with_words(clients: Clients, hub: Hub) -> None:
    client = clients.dial(await enrol(hub, "paris"))
    for csr in (b"", b"nonsense", b"x" * 100_000):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.stub.Renew(pb.RenewRequest(csr=csr), timeout=10)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT, caught.value.details()
    assert "RenewalRefused" in [e.reason for e in await hub.store.list_events()]


async def test_too_many_renewals_are_told_apart_from_a_fault(
    clients: Clients, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def many(*_: Any) -> Any:
        raise TooManyRequests("too many certificates", retry_after=60)

    monkeypatch.setattr(hub.trust.enrolments, "renew", many)
    client = clients.dial(await enrol(hub, "paris"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.stub.Renew(pb.RenewRequest(csr=b""), timeout=10)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_question_and_its_answer_go_over_the_real_wire(clients: Clients, hub: Hub) -> None:
    client, other = await clients.join("paris"), await clients.join("oslo")
    desk = Desk(hub.store, hub.bus, None)
    asking = asyncio.create_task(desk.ask(Question("uid-paris", SHOP, "diff", {})))
    query = await client.until("query")
    forged = pb.AnswerChunk(id=query.id, content=b"forged")
    await other.stub.Answer(chunks(forged), timeout=10)
    await client.stub.Answer(chunks(pb.AnswerChunk(id=query.id, content=b"x" * 3 * MIB)), timeout=10)
    assert await asking == b"x" * 3 * MIB


async def test_an_answer_beyond_the_limit_is_refused_with_words(
    clients: Clients, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.fleet.desk.ANSWER_LIMIT", 1000)
    client = await clients.join("paris")
    asking = asyncio.create_task(Desk(hub.store, hub.bus, None).ask(Question("uid-paris", SHOP, "tree", {})))
    query = await client.until("query")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.stub.Answer(chunks(pb.AnswerChunk(id=query.id, content=b"x" * 1001)), timeout=10)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    asking.cancel()
