"""Whoever asks for too much of anything: cut off with words that help, recorded within bounds, and the others served
meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from escadre.v1 import agent_pb2 as pb
from hub.fleet import gateway
from hub.fleet.quotas import LIMITS, MIB, Bucket
from tests.faults.town import Town, flooding
from tests.faults.waiting import answered, until
from tests.fleet.handmade import Client, Identity

TOO_MUCH = grpc.StatusCode.RESOURCE_EXHAUSTED


async def flooder(town: Town) -> tuple[Client, Identity]:
    await town.fleet.add_cluster("c9")
    identity = await town.certificate("c9")
    return town.clients.dial(identity), identity


async def test_streams_without_end(town: Town) -> None:
    """Each new one takes the place of the one before: too many of them are refused, and the others served."""
    client, _ = await flooder(town)
    outcomes: set[Any] = set()

    async def connect() -> None:
        call = client.stub.Connect()
        # One that was refused before that takes no message.
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
            await call.write(pb.AgentMessage(hello=pb.Hello(protocol=1)))
            if (await call.read()) is not grpc.aio.EOF:
                call.cancel()
                return
        outcomes.add((await call.code(), await call.details()))

    async with flooding(connect):
        ((code, words),) = await until(lambda: outcomes, "it to be refused")
        await town.goes_on()
    assert code is TOO_MUCH and "in use elsewhere" in words and len(outcomes) <= 2
    assert "Connect" in (await town.recorded("Flood", "c9"))["message"]
    assert len(await town.events("Flood")) <= 20
    await until(lambda: len(town.fleet.hub.registry) <= 3, "streams to end")


async def test_a_hello_beyond_measure(town: Town) -> None:
    client, _ = await flooder(town)
    client.open()
    kinds = [f"example.com/v1/{'x' * 200}{n}" for n in range(gateway.HELLO_BYTES // 200)]
    await client.say(hello=pb.Hello(protocol=1, capabilities=pb.Capabilities(api_versions=kinds)))
    code, words = await client.ended()
    assert code is grpc.StatusCode.INVALID_ARGUMENT and "a Hello of" in words
    await town.recorded("MalformedReport", "c9")
    found = await town.fleet.hub.store.find_cluster("c9")
    assert found is not None and not found.capabilities.api_versions
    await town.goes_on()


async def test_messages_without_end(town: Town) -> None:
    client, _ = await flooder(town)
    await client.hello()

    async def talk() -> None:
        for _ in range(5000):
            await client.say(heartbeat=pb.Heartbeat())

    talking = asyncio.create_task(talk())
    assert "more than 200 a second" in (await client.until("goodbye")).message
    await asyncio.gather(talking, return_exceptions=True)
    await town.recorded("Flood", "c9")
    # Coming again is no new beginning.
    again = town.clients.dial(await town.certificate("c9"))
    await again.hello()
    talking = asyncio.create_task(_talk(again, 1500))
    assert "more than 200 a second" in (await again.until("goodbye")).message
    await asyncio.gather(talking, return_exceptions=True)
    await town.goes_on()


async def _talk(client: Client, times: int) -> None:
    for _ in range(times):
        await client.say(heartbeat=pb.Heartbeat())


async def test_drift_reports_by_the_thousand(town: Town) -> None:
    """Of an application of one's own: believed, within bounds."""
    await town.fleet.stop_agent("c1")
    town.quota(await town.uid("c1")).size = Bucket(rate=MIB / 4, burst=2 * MIB)
    client = town.clients.dial(await town.certificate("c1"))
    await client.hello()
    await client.until("inventory_request")
    said = 0
    while (message := await _report_drifts(client, said)).WhichOneof("body") != "goodbye":
        said += 1
        assert said < 200
    assert "KiB a second" in message.goodbye.message
    await town.recorded("Flood", "c1")
    await town.goes_on("c0")


async def _report_drifts(client: Client, number: int) -> pb.HubMessage:
    key = pb.ResourceKey(kind="ConfigMap", name="settings")
    drifts = [
        pb.DriftReport(id=f"{number}-{n}", application="argocd/web", key=key, kind="modified", seen_ms=n + 1)
        for n in range(2000)
    ]
    await client.say(status=pb.StatusReport(sequence=number + 1, drifts=drifts))
    while True:
        message = await client.next()
        if message.WhichOneof("body") in ("goodbye", "status_receipt"):
            return message


async def test_inventories_nobody_asked_for(town: Town) -> None:
    """Each would be compared with all that is assigned."""
    client, _ = await flooder(town)
    await client.hello()
    await client.until("inventory_request")
    held = [pb.HeldAssignment(application=f"argocd/{n}", uid="u", generation=1) for n in range(1000)]
    for _ in range(5):
        await client.say(inventory=pb.Inventory(held=held))
    assert "nobody asked for" in (await client.until("goodbye")).message
    await town.recorded("UnknownApplications", "c9")
    await town.recorded("MalformedReport", "c9")
    await town.goes_on()


async def test_blobs_in_a_loop(town: Town) -> None:
    client, _ = await flooder(town)
    outcomes: set[Any] = set()

    async def fetch() -> None:
        try:
            outcomes.add((await client.fetch([bytes(32)] * 1000))[0].missing)
        except grpc.aio.AioRpcError as error:
            outcomes.add(error.code())

    async with flooding(fetch):
        await until(lambda: TOO_MUCH in outcomes, "it to be refused")
        await town.goes_on()
    assert outcomes == {True, TOO_MUCH}, "fetching itself is no offence"
    await town.recorded("Flood", "c9")


async def test_blobs_that_are_fetched_and_not_taken(town: Town) -> None:
    """Each holds a part of the store's content in memory."""
    blob = b"x" * MIB
    digest = hashlib.sha256(blob).digest()
    await town.fleet.hub.store.put_blobs({digest.hex(): blob})
    client, _ = await flooder(town)
    at_once = LIMITS["FetchBlobs"].at_once
    calls = [client.stub.FetchBlobs(pb.FetchBlobsRequest(digests=[digest] * 1000)) for _ in range(2 * at_once)]
    codes = [asyncio.ensure_future(call.code()) for call in calls]
    await until(lambda: sum(code.done() for code in codes) == at_once, "those beyond the limit to be refused")
    assert {code.result() for code in codes if code.done()} == {TOO_MUCH}
    await town.goes_on()
    for call in calls:
        call.cancel()
    await asyncio.gather(*codes, return_exceptions=True)

    async def served() -> bool:
        try:
            return not (await client.fetch([bytes(32)]))[0].content
        except grpc.aio.AioRpcError:
            return False

    await answered(served, "the places to be free again")


async def test_renewals_in_a_loop(town: Town) -> None:
    client, identity = await flooder(town)
    request = x509.load_pem_x509_csr(identity.key.request()).public_bytes(Encoding.DER)
    outcomes: set[Any] = set()

    async def renew() -> None:
        try:
            await client.stub.Renew(pb.RenewRequest(csr=request), timeout=10)
            outcomes.add("renewed")
        except grpc.aio.AioRpcError as error:
            outcomes.add(error.code())

    async with flooding(renew):
        await until(lambda: TOO_MUCH in outcomes, "it to be refused")
        await town.goes_on()
    issued = await town.fleet.hub.store.list_certificates(not_after=datetime.now(UTC))
    assert sum(r.cluster == identity.cluster.uid for r in issued) <= 61
    await town.recorded("Flood", "c9")


async def test_answers_to_nobodys_question(town: Town) -> None:
    client, _ = await flooder(town)
    outcomes: set[Any] = set()

    async def chunks() -> AsyncIterator[pb.AnswerChunk]:
        while True:
            yield pb.AnswerChunk(id="made up", content=b"x" * MIB)

    async def answer() -> None:
        try:
            outcomes.add(type(await client.stub.Answer(chunks(), timeout=10)))
        except grpc.aio.AioRpcError as error:
            outcomes.add(error.code())

    async with flooding(answer):
        await until(lambda: TOO_MUCH in outcomes, "it to be refused")
        await town.goes_on()
    await town.recorded("Flood", "c9")


async def test_passwords_in_a_loop(town: Town) -> None:
    outcomes: list[int] = []

    async def guess() -> None:
        body = {"username": "admin", "password": f"guess number {len(outcomes)}"}
        outcomes.append((await town.web.post("/api/v1/session", json=body)).status_code)

    async with flooding(guess):
        await until(lambda: len(outcomes) > 30, "the guesses")
        await town.goes_on()
    assert set(outcomes) == {401, 429} and outcomes.count(401) < 15
    failed = [e for e in await town.fleet.hub.store.list_events() if e.reason == "LoginFailed"]
    assert len(failed) == outcomes.count(401) and all("127.0.0.1" in e.message for e in failed)
