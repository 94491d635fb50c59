from __future__ import annotations

from datetime import timedelta

import pytest

from hub.errors import Conflict, StoreUnavailable, Unauthenticated
from tests.pki.memory_store import MemoryStore
from tests.pki.support import CALLER, AgentKey, Clock, HubTrust


def states(store: MemoryStore) -> list[str]:
    return sorted(f"{a.kind} {a.state}" for a in store.authorities.values())


async def test_prepared_authority_is_made_known_and_signs_nothing(hub: HubTrust, clock: Clock) -> None:
    before, pin = hub.pki.trust_bundle(), hub.pki.pin
    await hub.pki.prepare_rotation()
    after = hub.pki.trust_bundle()
    assert set(before.authorities) < set(after.authorities) and len(after.authorities) == 2
    assert set(before.signing_keys) < set(after.signing_keys) and len(after.signing_keys) == 2
    assert after.digest() != before.digest()
    assert hub.pki.pin == pin
    assert hub.pki.sign(b"d" * 32)[1] == before.signing_keys[0].id


async def test_rotation_takes_its_steps_in_order(hub: HubTrust, clock: Clock, store: MemoryStore) -> None:
    for step in (hub.pki.activate_rotation, hub.pki.retire):
        with pytest.raises(Conflict, match=r"no rotation is prepared|no authority is retiring"):
            await step(force=True)
    await hub.pki.prepare_rotation()
    with pytest.raises(Conflict, match="prepared already"):
        await hub.pki.prepare_rotation()
    with pytest.raises(Conflict, match="not every replica knows"):
        await hub.pki.activate_rotation()
    clock.advance(minutes=6)
    await hub.pki.activate_rotation()
    assert states(store) == ["ca active", "ca retiring", "manifest-signing active", "manifest-signing retiring"]
    with pytest.raises(Conflict, match="not finished"):
        await hub.pki.prepare_rotation()
    await hub.pki.retire()
    assert states(store) == ["ca active", "ca retired", "manifest-signing active", "manifest-signing retired"]
    assert all(not a.private_key for a in store.authorities.values() if a.state == "retired")
    assert len(hub.pki.trust_bundle().authorities) == 1


async def test_old_certificates_hold_until_retired_and_new_ones_are_from_the_new_authority(
    hub: HubTrust, clock: Clock
) -> None:
    key, old_pin = AgentKey(), hub.pki.pin
    old = await hub.join("c-1", key)
    await hub.pki.prepare_rotation()
    await hub.pki.activate_rotation(force=True)
    assert hub.pki.pin != old_pin
    peer = hub.peer(old.pem)
    assert peer.cluster == "c-1"
    new = await hub.enrolments.renew(peer, key.request())
    assert new.certificate.issuer != old.certificate.issuer
    assert hub.peer(new.pem).cluster == "c-1"
    with pytest.raises(Conflict, match="1 certificates it signed are valid, the last until"):
        await hub.pki.retire()
    clock.advance(hours=23)
    renewed = await hub.enrolments.renew(hub.peer(new.pem), key.request())
    clock.advance(hours=2)
    await hub.pki.retire()
    assert hub.peer(renewed.pem).cluster == "c-1"


async def test_authority_is_not_retired_while_an_agent_away_could_still_come_back(hub: HubTrust, clock: Clock) -> None:
    await hub.join("gone-fishing", AgentKey())
    await hub.pki.prepare_rotation()
    await hub.pki.activate_rotation(force=True)
    clock.advance(days=10)
    with pytest.raises(Conflict, match=r"1 clusters have been away .*: gone-fishing"):
        await hub.pki.retire()
    clock.advance(days=22)
    await hub.pki.retire()


async def test_removed_cluster_keeps_no_authority_alive(hub: HubTrust, clock: Clock) -> None:
    await hub.join("removed", AgentKey())
    await hub.pki.prepare_rotation()
    await hub.pki.activate_rotation(force=True)
    await hub.revocations.revoke("removed")
    await hub.pki.retire()


async def test_forced_retirement_ends_what_the_old_authority_signed_but_the_record_still_lets_agents_back(
    hub: HubTrust,
) -> None:
    key = AgentKey()
    old = await hub.join("c-1", key)
    await hub.pki.prepare_rotation()
    await hub.pki.activate_rotation(force=True)
    await hub.pki.retire(force=True)
    with pytest.raises(Unauthenticated) as refused:
        hub.peer(old.pem)
    assert refused.value.code == "unknown-authority"
    back = await hub.enrolments.recover(old.pem, key.request(), CALLER)
    assert hub.peer(back.pem).cluster == "c-1"


async def test_another_replica_trusts_what_the_first_has_changed(
    hub: HubTrust, store: MemoryStore, clock: Clock
) -> None:
    other = await HubTrust(store, clock).start()
    await hub.pki.prepare_rotation()
    assert await other.pki.reload() and not await other.pki.reload()
    await hub.pki.activate_rotation(force=True)
    issued = await hub.join("c-1", AgentKey())
    # It has not read the activation yet, and knows the authority as the next one.
    assert other.peer(issued.pem).cluster == "c-1"
    assert await other.pki.reload()
    assert other.pki.pin == hub.pki.pin


@pytest.mark.parametrize("writes_done", [0, 1, 2, 3])
async def test_activation_cut_short_anywhere_leaves_one_that_signs_and_can_be_finished(
    hub: HubTrust, store: MemoryStore, clock: Clock, writes_done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_pin, old_key = hub.pki.pin, hub.pki.sign(b"d" * 32)[1]
    await hub.pki.prepare_rotation()
    put, left = store.put_authority, writes_done

    async def cut(authority: object) -> None:
        nonlocal left
        if left == 0:
            raise StoreUnavailable("gone")
        left -= 1
        await put(authority)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "put_authority", cut)
    with pytest.raises(StoreUnavailable):
        await hub.pki.activate_rotation(force=True)
    monkeypatch.undo()
    survivor = await HubTrust(store, clock).start()
    issued = await survivor.join("c-1", AgentKey())
    assert survivor.peer(issued.pem).cluster == "c-1"
    survivor.pki.sign(b"d" * 32)
    if any(a.state == "next" for a in store.authorities.values()):
        await survivor.pki.activate_rotation(force=True)
    await survivor.pki.retire(force=True)
    assert len(survivor.pki.trust_bundle().authorities) == 1
    assert len(survivor.pki.trust_bundle().signing_keys) == 1
    assert survivor.pki.pin != old_pin and survivor.pki.sign(b"d" * 32)[1] != old_key


async def test_what_people_are_shown(hub: HubTrust, clock: Clock) -> None:
    await hub.pki.prepare_rotation()
    shown = {(info.kind, info.state): info for info in hub.pki.describe()}
    assert shown["ca", "active"].pin == hub.pki.pin
    assert shown["ca", "next"].pin not in ("", hub.pki.pin)
    assert shown["manifest-signing", "active"].pin == ""
    not_after = shown["ca", "active"].not_after
    assert not_after is not None and not_after - clock() > timedelta(days=3640)
