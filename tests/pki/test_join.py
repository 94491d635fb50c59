from __future__ import annotations

import asyncio
import re

import pytest

from hub.errors import Invalid, StoreUnavailable, TooManyRequests
from hub.pki.enrolment import read_enrol_body, read_recover_body
from hub.pki.join import PUBLIC_MESSAGE, JoinRefused
from hub.pki.refusals import Caller
from tests.pki.memory_store import MemoryStore
from tests.pki.support import CALLER, AgentKey, Clock, HubTrust

UID = "0f5e1c2a-77aa-4b43-9d7a-3f1f8f2e6c11"


async def refused(hub: HubTrust, token: str, key: AgentKey | None = None) -> JoinRefused:
    with pytest.raises(JoinRefused) as caught:
        await hub.enrolments.enrol(token, (key or AgentKey()).request(), CALLER)
    assert caught.value.message == PUBLIC_MESSAGE and "rotate-token" in PUBLIC_MESSAGE
    assert hub.reasons()[-1] == caught.value.reason
    return caught.value


async def test_token_names_its_cluster_and_only_its_hash_is_stored(hub: HubTrust, store: MemoryStore) -> None:
    token = await hub.tokens.issue(UID)
    assert re.fullmatch(r"esc1\.0f5e1c2a\.[A-Za-z0-9_-]{43}", token)
    assert token.rpartition(".")[2] not in repr(store.tokens)


async def test_token_gives_its_cluster_a_certificate_once(hub: HubTrust) -> None:
    token = await hub.tokens.issue(UID)
    issued = await hub.enrolments.enrol(token, AgentKey().request(), CALLER)
    assert hub.peer(issued.pem).cluster == UID
    assert hub.reasons() == ["AgentJoined"]
    assert (await refused(hub, token)).reason == "JoinTokenReused"


async def test_of_many_agents_that_use_a_token_at_once_one_joins(hub: HubTrust, store: MemoryStore) -> None:
    token = await hub.tokens.issue(UID)
    outcomes = await asyncio.gather(
        *(hub.enrolments.enrol(token, AgentKey().request(), CALLER) for _ in range(8)), return_exceptions=True
    )
    refusals = [outcome for outcome in outcomes if isinstance(outcome, JoinRefused)]
    assert len(refusals) == 7 and {refusal.reason for refusal in refusals} == {"JoinTokenReused"}
    assert len(store.certificates) == 1
    assert all(record.revoked_at is None for record in store.certificates.values())


async def test_agent_whose_answer_was_lost_asks_again_with_its_key_and_nobody_else_can(hub: HubTrust) -> None:
    token, key = await hub.tokens.issue(UID), AgentKey()
    lost = await hub.enrolments.enrol(token, key.request(), CALLER)
    again = await hub.enrolments.enrol(token, key.request(), CALLER)
    assert {hub.peer(lost.pem).cluster, hub.peer(again.pem).cluster} == {UID}
    assert (await refused(hub, token)).reason == "JoinTokenReused"


async def test_request_repeated_while_the_first_still_runs_leaves_both_certificates_good(hub: HubTrust) -> None:
    token, key = await hub.tokens.issue(UID), AgentKey()
    issued = await asyncio.gather(*(hub.enrolments.enrol(token, key.request(), CALLER) for _ in range(4)))
    for certificate in issued:
        assert hub.peer(certificate.pem).cluster == UID


async def test_token_survives_a_store_that_was_away(hub: HubTrust, store: MemoryStore) -> None:
    earlier = await hub.join(UID, AgentKey())
    token, key = await hub.tokens.issue(UID), AgentKey()
    for method in ("get_join_token", "use_join_token", "revoke_certificates", "add_certificate"):
        store.failing = {method}
        with pytest.raises(StoreUnavailable):
            await hub.enrolments.enrol(token, key.request(), CALLER)
    store.failing = {"add_events"}
    assert hub.peer((await hub.enrolments.enrol(token, key.request(), CALLER)).pem).cluster == UID
    assert earlier.record.serial in hub.revocations


async def test_token_expires_after_a_day(hub: HubTrust, clock: Clock) -> None:
    used, unused = await hub.tokens.issue(UID), await hub.tokens.issue("other")
    key = AgentKey()
    await hub.enrolments.enrol(used, key.request(), CALLER)
    clock.advance(hours=24)
    assert (await refused(hub, unused)).reason == "JoinTokenExpired"
    assert (await refused(hub, used, key)).reason == "JoinTokenExpired"


async def test_new_token_replaces_the_unused_one(hub: HubTrust) -> None:
    first, second = await hub.tokens.issue(UID), await hub.tokens.issue(UID)
    assert (await refused(hub, first)).reason == "JoinTokenUnknown"
    await hub.enrolments.enrol(second, AgentKey().request(), CALLER)


async def test_token_made_to_name_another_cluster_is_refused_and_not_used_up(hub: HubTrust) -> None:
    token = await hub.tokens.issue(UID)
    assert (await refused(hub, token.replace("0f5e1c2a", "11111111"))).reason == "JoinTokenForAnotherCluster"
    await hub.enrolments.enrol(token, AgentKey().request(), CALLER)


@pytest.mark.parametrize(
    "token", ["", "esc1", "esc1..", "esc2.a." + "x" * 43, "esc1.a." + "x" * 42, "esc1.a." + "x" * 43 + "\n", "ü" * 60]
)
async def test_text_that_is_no_token_is_refused(hub: HubTrust, token: str) -> None:
    assert (await refused(hub, token)).reason == "JoinTokenMalformed"


async def test_bad_request_does_not_use_the_token_up(hub: HubTrust) -> None:
    token = await hub.tokens.issue(UID)
    with pytest.raises(Invalid):
        await hub.enrolments.enrol(token, b"junk", CALLER)
    await hub.enrolments.enrol(token, AgentKey().request(), CALLER)


async def test_joining_again_revokes_what_the_cluster_had_and_tells_the_gateways(hub: HubTrust) -> None:
    first = await hub.join(UID, AgentKey())
    assert hub.announced == []
    second = await hub.join(UID, AgentKey())
    assert hub.announced == [UID]
    assert first.record.serial in hub.revocations and second.record.serial not in hub.revocations


async def test_secret_stands_in_no_event(hub: HubTrust, store: MemoryStore) -> None:
    token = await hub.tokens.issue(UID)
    secret = token.rpartition(".")[2]
    await refused(hub, f"esc1.other.{secret}")
    await refused(hub, token + "x")
    assert secret not in repr(store.events)


async def test_caller_cannot_write_what_it_likes_into_events(hub: HubTrust, store: MemoryStore) -> None:
    with pytest.raises(JoinRefused):
        await hub.enrolments.enrol("x", AgentKey().request(), Caller("a\nb\x1b[2J" + "c" * 500, "v\r\n" * 99))
    message = store.events[-1].message
    assert message.isprintable() and len(message) < 250


async def test_refusals_written_are_limited_by_the_hour(hub: HubTrust, store: MemoryStore, clock: Clock) -> None:
    for _ in range(130):
        with pytest.raises(JoinRefused):
            await hub.enrolments.enrol("x", AgentKey().request(), CALLER)
    assert len(store.events) == 120
    clock.advance(hours=1)
    await refused(hub, "x")


async def test_agent_in_a_loop_gets_so_many_certificates_an_hour(hub: HubTrust, clock: Clock) -> None:
    key = AgentKey()
    peer = hub.peer((await hub.join(UID, key)).pem)
    for _ in range(59):
        await hub.enrolments.renew(peer, key.request())
    with pytest.raises(TooManyRequests) as limited:
        await hub.enrolments.renew(peer, key.request())
    assert limited.value.retry_after > 0
    await hub.join("another", AgentKey())
    clock.advance(hours=1)
    await hub.enrolments.renew(peer, key.request())


@pytest.mark.parametrize(
    "body", [None, [], "x", {}, {"token": 1, "csr": "x"}, {"token": "x" * 201, "csr": ""}, {"token": "x", "csr": "ü"},
             {"token": "x", "csr": "x" * 8193}, {"token": "x", "csr": "x", "agent_version": "x" * 65}]
)  # fmt: skip
def test_bodies_that_are_not_as_agreed_are_refused(body: object) -> None:
    with pytest.raises(Invalid):
        read_enrol_body(body)
    with pytest.raises(Invalid):
        read_recover_body(body)


def test_bodies_as_agreed() -> None:
    assert read_enrol_body({"token": "t", "csr": "c", "agent_version": "1"}) == ("t", b"c", "1")
    assert read_recover_body({"certificate": "x", "csr": "c"}) == (b"x", b"c", "")
