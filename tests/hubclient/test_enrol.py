"""Joining, renewing and coming back, over real TLS with the hub's own code at the other end."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from agent.errors import ConfigError, EnrolmentError, StorageError
from agent.hubclient import files
from agent.hubclient.enrol import Enroller
from agent.hubclient.identity import Identity
from agent.hubclient.keys import ChildKeys
from hub.errors import Conflict
from hub.pki.certificates import to_pem
from tests.hubclient.https_hub import HttpsHub, http_answer, https_hub
from tests.pki.memory_store import MemoryStore
from tests.pki.support import AgentKey, Clock, HubTrust
from tests.pki.tls import METHOD, gateway

UID = "0f5e1c2a-77aa-4b43-9d7a-3f1f8f2e6c11"


async def join(served: HttpsHub, enroller: Enroller, directory: Path, token: str = "") -> Identity:
    token = token or await served.hub.tokens.issue(UID)
    return await enroller.enrol(directory, hub=served.address, ca_pin=served.hub.pki.pin, token=token)


async def refused(served: HttpsHub, enroller: Enroller, directory: Path, token: str = "") -> EnrolmentError:
    with pytest.raises(EnrolmentError) as caught:
        await join(served, enroller, directory, token)
    assert Identity.load(directory) is None
    return caught.value


async def who_am_i(identity: Identity) -> str:
    async with grpc.aio.secure_channel(identity.gateway(), identity.channel_credentials()) as channel:
        answer: bytes = await channel.unary_unary(METHOD)(b"", timeout=20)
    return answer.decode()


@pytest.mark.parametrize("keys", ["child", "local"])
async def test_joined_agent_is_on_disk_and_speaks_for_its_cluster(
    served: HttpsHub, enroller: Enroller, tmp_path: Path, keys: str
) -> None:
    directory = tmp_path / "data"
    if keys == "child":
        enroller = replace(enroller, keys=ChildKeys())
    async with gateway(served.hub) as port:
        served.gateway = f"localhost:{port}"
        identity = await join(served, enroller, directory)
        assert await who_am_i(identity) == UID
        again = Identity.load(directory)
        assert again is not None and again.link == identity.link
        assert await who_am_i(again) == UID
    assert (identity.link.cluster, identity.link.hub) == ("prod-1", served.address)
    assert served.seen == ["/agent/v1/authorities", "/agent/v1/enrol"]
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in directory.iterdir()}
    kept = (files.KEY, files.CERTIFICATE, files.AUTHORITIES, files.SIGNING_KEYS, files.LINK)
    assert modes == dict.fromkeys(kept, 0o600)


async def test_agent_believes_what_its_hub_signed_and_nothing_else(
    served: HttpsHub, enroller: Enroller, tmp_path: Path, clock: Clock
) -> None:
    identity = await join(served, enroller, tmp_path)
    digest = b"\x07" * 32
    signature, key_id = served.hub.pki.sign(digest)
    assert identity.verify(digest.hex(), signature.hex(), key_id)
    assert not identity.verify((b"\x08" * 32).hex(), signature.hex(), key_id)
    assert not identity.verify(digest.hex(), signature.hex(), "another")
    foreign = await HubTrust(MemoryStore(clock), clock).start()
    assert not identity.verify(digest.hex(), foreign.pki.sign(digest)[0].hex(), key_id)
    for junk in ("", "zz", signature.hex()[:-2], signature.hex() + "00"):
        assert not identity.verify(digest.hex(), junk, key_id)


async def test_both_ends_compute_the_same_trust_digest(served: HttpsHub, enroller: Enroller, tmp_path: Path) -> None:
    await served.hub.pki.prepare_rotation()
    identity = await join(served, enroller, tmp_path)
    assert identity.trust_digest() == served.hub.pki.trust_bundle().digest().hex()


async def test_with_another_pin_nothing_is_sent(served: HttpsHub, enroller: Enroller, tmp_path: Path) -> None:
    with pytest.raises(EnrolmentError, match=r"no authority of the hub at .* has the pin") as caught:
        await enroller.enrol(tmp_path, hub=served.address, ca_pin="sha256:" + "0" * 64, token="esc1.a.b")
    assert not caught.value.retryable
    assert served.seen == ["/agent/v1/authorities"]


async def test_token_is_not_sent_to_who_only_shows_the_hubs_authority(
    hub: HubTrust, clock: Clock, enroller: Enroller, tmp_path: Path
) -> None:
    impostor = await HubTrust(MemoryStore(clock), clock).start()
    async with https_hub(impostor) as served:
        served.change = lambda reply: reply.update(hub.enrolments.authorities())
        with pytest.raises(EnrolmentError, match="something answers in its place") as caught:
            await enroller.enrol(tmp_path, hub=served.address, ca_pin=hub.pki.pin, token="esc1.a.b")
    assert not caught.value.retryable
    assert served.seen == ["/agent/v1/authorities"]


async def test_hub_under_a_name_its_certificate_lacks_is_refused_with_what_to_do(
    hub: HubTrust, enroller: Enroller, tmp_path: Path
) -> None:
    async with https_hub(hub, "127.0.0.2") as served:
        with pytest.raises(EnrolmentError, match=r"not for 127\.0\.0\.2: use a name it has"):
            await enroller.enrol(tmp_path, hub=f"127.0.0.2:{served.port}", ca_pin=hub.pki.pin, token="esc1.a.b")
    assert served.seen == ["/agent/v1/authorities"]


async def test_hubs_refusal_is_passed_on(served: HttpsHub, enroller: Enroller, tmp_path: Path) -> None:
    error = await refused(served, enroller, tmp_path, "esc1.abc." + "x" * 43)
    assert not error.retryable and "rotate-token" in str(error)
    assert "x" * 43 not in str(error)


async def test_clock_wrong_on_either_side_is_said(clock: Clock, enroller: Enroller, tmp_path: Path) -> None:
    clock.advance(days=-60)
    past = await HubTrust(MemoryStore(clock), clock).start()
    async with https_hub(past) as served:
        error = await refused(served, enroller, tmp_path)
    assert error.retryable and "check the clocks" in str(error)


async def test_hub_that_is_away_is_worth_another_try(served: HttpsHub, enroller: Enroller, tmp_path: Path) -> None:
    with pytest.raises(EnrolmentError, match="cannot be reached") as caught:
        await enroller.enrol(tmp_path, hub="localhost:1", ca_pin=served.hub.pki.pin, token="esc1.a.b")
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("answer", "retryable", "message"),
    [
        (
            http_answer(503, {"error": {"message": "the\x1b[2J database is away"}}),
            True,
            r"the\[2J database is away",
        ),
        (http_answer(429, {"error": {"message": "slowly"}}), True, "slowly"),
        (http_answer(500, b"<html>"), True, "did not say why"),
        (http_answer(403, {"error": {"message": 7}}), False, "did not say why"),
        (http_answer(403, {"error": "x"}), False, "did not say why"),
        (http_answer(302, b""), False, "as no hub does"),
        (http_answer(404, {}), False, "check the address"),
        (http_answer(200, b"<html>"), False, "as no hub does"),
        (http_answer(200, b"[" * 100_000), False, "as no hub does"),
        (http_answer(200, b"x" * 300_000), False, "more than 262144 bytes"),
        (http_answer(200, {}), False, "not understood|as a hub does"),
        (http_answer(200, []), False, "not understood|as a hub does"),
        (b"not http at all\r\n\r\n", True, "cannot be reached"),
        (b"HTTP/1.1 200 X\r\n" + b"A: b\r\n" * 200 + b"\r\n", True, "cannot be reached"),
        (b"HTTP/1.1 200 X\r\nContent-Length: 999\r\n\r\n{}", True, "cannot be reached"),
        (b"", True, "cannot be reached"),
    ],
)
@pytest.mark.parametrize("path", ["/agent/v1/authorities", "/agent/v1/enrol"])
async def test_answers_that_are_not_as_agreed(
    served: HttpsHub, enroller: Enroller, tmp_path: Path, path: str, answer: bytes, retryable: bool, message: str
) -> None:
    served.fault = lambda method, asked: answer if asked == path else None
    with pytest.raises(EnrolmentError, match=message) as caught:
        await join(served, enroller, tmp_path)
    assert caught.value.retryable == retryable
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("path", ["/agent/v1/authorities", "/agent/v1/enrol"])
async def test_hub_that_never_answers_is_given_up(
    served: HttpsHub, enroller: Enroller, tmp_path: Path, path: str
) -> None:
    served.fault = lambda method, asked: b"stall" if asked == path else None
    with pytest.raises(EnrolmentError, match="did not answer within") as caught:
        await join(served, replace(enroller, timeout=0.5), tmp_path)
    assert caught.value.retryable and served.stalled.is_set()


async def test_answer_lost_on_the_way_costs_no_token(served: HttpsHub, enroller: Enroller, tmp_path: Path) -> None:
    token = await served.hub.tokens.issue(UID)
    served.fault = lambda method, path: b"" if path.endswith("enrol") else None
    assert (await refused(served, enroller, tmp_path, token)).retryable
    served.fault = lambda method, path: None
    assert (await join(served, enroller, tmp_path, token)).link.cluster_uid == UID


def _drop(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda reply: reply.pop(name, None)


def _put(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda reply: reply.__setitem__(name, value) if "certificate" in reply else None


@pytest.mark.parametrize(
    "change",
    [
        _drop("certificate"),
        _drop("signing_keys"),
        _drop("gateway"),
        _put("gateway", "no-port"),
        _put("gateway", 7),
        _put("cluster", None),
        _put("cluster", "a\nb"),
        _put("authorities", []),
        _put("authorities", ["junk"]),
        _put("chain", "x"),
        _put("chain", ["x"] * 99),
        _put("certificate", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"),
        _put("signing_keys", [{"id": "a", "public_key": "AAAA"}]),
        _put("signing_keys", []),
        _put("signing_keys", [{"id": ["a"], "public_key": "A" * 43 + "="}]),
    ],
)
async def test_reply_that_is_malformed_installs_nothing(
    served: HttpsHub, enroller: Enroller, tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    served.change = change
    assert "not understood" in str(await refused(served, enroller, tmp_path))


async def test_certificate_that_is_not_ours_is_not_installed(
    served: HttpsHub, enroller: Enroller, tmp_path: Path, clock: Clock
) -> None:
    for_another_key = await served.hub.join("other", AgentKey())
    served.change = _put("certificate", for_another_key.pem.decode())
    assert "of another key" in str(await refused(served, enroller, tmp_path))
    foreign = await HubTrust(MemoryStore(clock), clock).start()
    issued = await foreign.pki.issue_from_csr(UID, await enroller.keys.create(tmp_path))
    served.change = _put("certificate", issued.pem.decode())
    assert "signed by none" in str(await refused(served, enroller, tmp_path))
    served.change = _put("certificate", to_pem(served.hub.pki.keyring.active.certificate).decode())
    assert "cannot be read" in str(await refused(served, enroller, tmp_path))
    served.change = _put("authorities", [to_pem(foreign.pki.keyring.active.certificate).decode()])
    assert "lacks the pinned one" in str(await refused(served, enroller, tmp_path))


@pytest.mark.parametrize(
    ("hub", "pin", "token"),
    [
        ("", "sha256:" + "0" * 64, "t"),
        ("hub", "sha256:" + "0" * 64, "t"),
        ("hub:0", "sha256:" + "0" * 64, "t"),
        ("hub:99999", "sha256:" + "0" * 64, "t"),
        ("a@b:1", "sha256:" + "0" * 64, "t"),
        ("hub:1", "0" * 64, "t"),
        ("hub:1", "sha256:0", "t"),
        ("hub:1", "sha256:" + "0" * 64, ""),
        ("hub:1", "sha256:" + "0" * 64, "t\n"),
        ("hub:1", "sha256:" + "0" * 64, "t" * 201),
    ],
)
async def test_settings_that_cannot_work(enroller: Enroller, tmp_path: Path, hub: str, pin: str, token: str) -> None:
    with pytest.raises(ConfigError):
        await enroller.enrol(tmp_path, hub=hub, ca_pin=pin, token=token)


async def test_directory_that_cannot_be_written_is_said(served: HttpsHub, enroller: Enroller, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be made"):
        await join(served, enroller, tmp_path / "file" / "data")
    (tmp_path / "data" / ".key.pending.pem.new").mkdir(parents=True)
    with pytest.raises(StorageError, match="cannot be read or written"):
        await join(served, enroller, tmp_path / "data")


async def test_renewal_keeps_the_key_and_is_used_from_then_on(
    served: HttpsHub, enroller: Enroller, tmp_path: Path
) -> None:
    identity = await join(served, enroller, tmp_path)
    key, first = (tmp_path / files.KEY).read_bytes(), identity.certificate()
    async with gateway(served.hub) as port:
        identity.gateway_override = f"localhost:{port}"
        request = await enroller.renewal_request(identity)
        renewed = await served.hub.enrolments.renew(served.hub.peer(first), request)
        await enroller.install_renewal(identity, renewed.der)
        assert identity.certificate() == renewed.pem != first
        assert (tmp_path / files.KEY).read_bytes() == key
        assert await who_am_i(identity) == UID


async def test_renewed_certificate_for_another_cluster_is_not_installed(
    served: HttpsHub, enroller: Enroller, tmp_path: Path
) -> None:
    identity = await join(served, enroller, tmp_path)
    before = identity.certificate()
    other = await served.hub.pki.issue_from_csr("another", await enroller.renewal_request(identity))
    with pytest.raises(EnrolmentError, match="another cluster"):
        await enroller.install_renewal(identity, other.der)
    with pytest.raises(EnrolmentError, match="cannot be read"):
        await enroller.install_renewal(identity, b"junk")
    assert identity.certificate() == before


async def join_in_the_past(served: HttpsHub, enroller: Enroller, directory: Path, days: float) -> Identity:
    """Join so that the certificate was issued that many days ago."""
    served.hub.clock.advance(days=-days)
    identity = await join(served, enroller, directory)
    served.hub.clock.advance(days=days)
    return identity


async def test_way_back_after_days_away(served: HttpsHub, enroller: Enroller, tmp_path: Path) -> None:
    identity = await join_in_the_past(served, enroller, tmp_path, days=10)
    async with gateway(served.hub) as port:
        identity.gateway_override = f"localhost:{port}"
        with pytest.raises(grpc.aio.AioRpcError):
            await who_am_i(identity)
        await enroller.recover(identity)
        assert await who_am_i(identity) == UID
    assert served.seen[-1] == "/agent/v1/recover"


async def test_way_back_leads_through_a_rotation_the_agent_slept_through(
    served: HttpsHub, enroller: Enroller, tmp_path: Path
) -> None:
    identity = await join_in_the_past(served, enroller, tmp_path, days=10)
    hub = served.hub
    await hub.pki.prepare_rotation()
    await hub.pki.activate_rotation(force=True)
    await hub.server.refresh()
    served.reload()
    with pytest.raises(Conflict, match=UID):
        await hub.pki.retire()
    await enroller.recover(identity)
    assert identity.trust_digest() == hub.pki.trust_bundle().digest().hex()
    await hub.pki.retire()
    await hub.server.refresh()
    served.reload()
    async with gateway(hub) as port:
        identity.gateway_override = f"localhost:{port}"
        assert await who_am_i(identity) == UID
    await enroller.recover(identity)
    reloaded = Identity.load(tmp_path)
    assert reloaded is not None and reloaded.trust_digest() == hub.pki.trust_bundle().digest().hex()


async def test_agent_that_slept_through_rotation_and_retirement_is_told_to_join_again(
    served: HttpsHub, enroller: Enroller, tmp_path: Path
) -> None:
    identity = await join_in_the_past(served, enroller, tmp_path, days=10)
    hub = served.hub
    await hub.pki.prepare_rotation()
    await hub.pki.activate_rotation(force=True)
    await hub.pki.retire(force=True)
    await hub.server.refresh()
    served.reload()
    with pytest.raises(EnrolmentError, match="join again with a new token") as caught:
        await enroller.recover(identity)
    assert not caught.value.retryable
    again = await join(served, enroller, tmp_path)
    assert hub.peer(again.certificate()).cluster == UID


@pytest.mark.parametrize("why", ["too-late", "revoked"])
async def test_no_way_back(served: HttpsHub, enroller: Enroller, tmp_path: Path, why: str) -> None:
    identity = await join_in_the_past(served, enroller, tmp_path, days=40 if why == "too-late" else 2)
    before = identity.certificate()
    if why == "revoked":
        await served.hub.revocations.revoke(UID)
    with pytest.raises(EnrolmentError, match="rotate-token") as caught:
        await enroller.recover(identity)
    assert not caught.value.retryable
    assert identity.certificate() == before


async def test_rejoining_replaces_the_key_only_when_the_new_certificate_is_there(
    served: HttpsHub, enroller: Enroller, tmp_path: Path
) -> None:
    first = await join(served, enroller, tmp_path)
    old_key = (tmp_path / files.KEY).read_bytes()
    with pytest.raises(EnrolmentError):
        await join(served, enroller, tmp_path, "esc1.abc." + "x" * 43)
    still = Identity.load(tmp_path)
    assert still is not None and still.certificate() == first.certificate()
    assert (tmp_path / files.KEY).read_bytes() == old_key
    second = await join(served, enroller, tmp_path)
    assert (tmp_path / files.KEY).read_bytes() != old_key
    assert served.hub.peer(second.certificate()).cluster == UID
    assert not (tmp_path / files.PENDING_KEY).exists()


@pytest.mark.parametrize("joined_before", [False, True])
@pytest.mark.parametrize("writes", range(8))
async def test_agent_killed_between_any_two_writes_of_joining_finishes_with_the_same_token(
    served: HttpsHub,
    enroller: Enroller,
    tmp_path: Path,
    writes: int,
    joined_before: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if joined_before:
        served.change = _put("cluster", "before")
        await join(served, enroller, tmp_path)
        served.change = lambda reply: None
    token = await served.hub.tokens.issue(UID)
    left, move = writes, files.move

    def cut(source: Path, target: Path) -> None:
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        move(source, target)

    monkeypatch.setattr(files, "move", cut)
    killed = False
    try:
        await join(served, enroller, tmp_path, token)
    except KeyboardInterrupt:
        killed = True
    monkeypatch.undo()
    assert killed == (writes < 6)
    identity = Identity.load(tmp_path)
    if identity is None or identity.link.cluster == "before":
        identity = await join(served, enroller, tmp_path, token)
    assert served.hub.peer(identity.certificate()).cluster == UID
    async with gateway(served.hub) as port:
        identity.gateway_override = f"localhost:{port}"
        assert await who_am_i(identity) == UID


async def test_validity_is_kept_by_this_machines_clock(served: HttpsHub, enroller: Enroller, tmp_path: Path) -> None:
    ahead = replace(enroller, clock=lambda: enroller.clock() + timedelta(days=400))
    identity = await join(served, ahead, tmp_path)
    assert identity.link.valid_from > enroller.clock() + timedelta(days=399)
    renewal = identity.renewal_at(lambda: 0.0)
    assert timedelta(hours=15) < renewal - ahead.clock() < timedelta(hours=17)
    assert not identity.renewal_needed(ahead.clock(), renewal)
    assert identity.renewal_needed(ahead.clock() + timedelta(hours=17), renewal)
    # The clock is put right: the old plan would come more than a year late.
    assert identity.renewal_needed(enroller.clock(), renewal)
    assert json.loads((tmp_path / files.LINK).read_text())["valid_until"] == identity.link.valid_until.isoformat()
