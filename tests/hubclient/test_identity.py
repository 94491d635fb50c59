from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import LinkError, StorageError
from agent.hubclient import files
from agent.hubclient.enrol import Enroller
from agent.hubclient.identity import Identity, local_validity, renewal_due
from agent.hubclient.trust import TrustBundle
from hub.domain.pki import SigningKey
from hub.domain.pki import TrustBundle as HubBundle
from hub.pki.certificates import to_der
from tests.hubclient.https_hub import HttpsHub
from tests.pki.memory_store import MemoryStore
from tests.pki.support import Clock, HubTrust

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(hours=24)
TIMES = st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
SPANS = st.timedeltas(timedelta(minutes=1), timedelta(days=90))


@pytest.fixture
async def identity(served: HttpsHub, enroller: Enroller, tmp_path: Path) -> Identity:
    token = await served.hub.tokens.issue("c-1")
    return await enroller.enrol(tmp_path, hub=served.address, ca_pin=served.hub.pki.pin, token=token)


def update(identity: Identity, bundle: HubBundle) -> None:
    keys = {key.id: key.public_key for key in bundle.signing_keys}
    identity.update_trust(bundle.authorities, keys, bundle.digest().hex())


def refuse(identity: Identity, bundle: HubBundle) -> None:
    before = identity.trust_digest()
    with pytest.raises(LinkError, match="was not taken"):
        update(identity, bundle)
    reloaded = Identity.load(identity.directory)
    assert reloaded is not None and reloaded.trust_digest() == identity.trust_digest() == before


async def test_trust_follows_the_hub_through_a_rotation(identity: Identity, hub: HubTrust) -> None:
    for step in (hub.pki.prepare_rotation(), hub.pki.activate_rotation(force=True), hub.pki.retire(force=True)):
        await step
        update(identity, hub.pki.trust_bundle())
        reloaded = Identity.load(identity.directory)
        assert reloaded is not None
        assert reloaded.trust_digest() == identity.trust_digest() == hub.pki.trust_bundle().digest().hex()
        signature, key_id = hub.pki.sign(b"d" * 32)
        assert reloaded.verify((b"d" * 32).hex(), signature.hex(), key_id)


async def test_trust_in_nobody_known_is_not_taken(identity: Identity, clock: Clock) -> None:
    foreign = await HubTrust(MemoryStore(clock), clock).start()
    refuse(identity, foreign.pki.trust_bundle())


async def test_trust_that_is_malformed_is_not_taken(identity: Identity, hub: HubTrust) -> None:
    good = hub.pki.trust_bundle()
    (authority,), (key,) = good.authorities, good.signing_keys
    leaf = to_der(hub.pki.issue_server(hub.pki.keyring.active.issuer.private_key.public_key())[0])
    for bad in (
        replace(good, authorities=()),
        replace(good, signing_keys=()),
        replace(good, authorities=(authority, b"junk")),
        replace(good, authorities=(authority, leaf)),
        replace(good, authorities=(authority, b"\x30" + b"\x00" * 9000)),
        replace(good, authorities=(authority,) * 9),
        replace(good, signing_keys=(key, replace(key, id="k2", public_key=b"short"))),
        replace(good, signing_keys=(key, replace(key, id="a\nb"))),
        replace(good, signing_keys=(key, replace(key, id=""))),
        replace(good, signing_keys=tuple(replace(key, id=f"k{n}") for n in range(17))),
    ):
        refuse(identity, bad)
    with pytest.raises(LinkError, match="another digest"):
        identity.update_trust(good.authorities, {key.id: key.public_key}, "00" * 32)


async def test_trust_that_cannot_be_written_is_told(identity: Identity, hub: HubTrust) -> None:
    await hub.pki.prepare_rotation()
    (identity.directory / ".signing_keys.json.new").mkdir()
    with pytest.raises(StorageError):
        update(identity, hub.pki.trust_bundle())


async def test_nothing_there_is_not_enrolled(identity: Identity, tmp_path: Path) -> None:
    assert Identity.load(tmp_path / "empty") is None
    for name in (files.KEY, files.CERTIFICATE, files.AUTHORITIES, files.SIGNING_KEYS, files.LINK):
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).unlink()
        assert Identity.load(tmp_path) is None
        (tmp_path / name).write_bytes(content)
    assert Identity.load(tmp_path) is not None


@pytest.mark.parametrize("name", [files.AUTHORITIES, files.SIGNING_KEYS, files.LINK])
@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b"[" * 9999, b'{"keys": [7]}', b"x" * 300_000])
async def test_damaged_files_are_told_with_what_to_do(
    identity: Identity, tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StorageError, match=r"join again|not a file of the agent"):
        Identity.load(tmp_path)


async def test_key_that_is_not_the_certificates_is_no_identity(
    identity: Identity, served: HttpsHub, enroller: Enroller, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    token = await served.hub.tokens.issue("c-2")
    await enroller.enrol(other, hub=served.address, ca_pin=served.hub.pki.pin, token=token)
    (tmp_path / files.KEY).write_bytes((other / files.KEY).read_bytes())
    assert Identity.load(tmp_path) is None


async def test_key_lost_while_running_is_told(identity: Identity, tmp_path: Path) -> None:
    (tmp_path / files.KEY).unlink()
    with pytest.raises(StorageError, match="is gone: join again"):
        identity.channel_credentials()


async def test_private_key_is_not_shown_by_the_object(identity: Identity, tmp_path: Path) -> None:
    secret = (tmp_path / files.KEY).read_text().splitlines()[1]
    assert secret not in repr(identity) + repr(vars(identity))


def test_files_are_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "f"
    files.write_private(path, b"one")
    (tmp_path / "victim").write_bytes(b"keep")
    (tmp_path / ".f.new").symlink_to(tmp_path / "victim")
    with pytest.raises(StorageError):
        files.write_private(path, b"two")
    assert path.read_bytes() == b"one" and (tmp_path / "victim").read_bytes() == b"keep"
    (tmp_path / ".f.new").unlink()
    (tmp_path / ".f.new").write_bytes(b"left by a process that was killed")
    files.write_private(path, b"two")
    assert path.read_bytes() == b"two" and not (tmp_path / ".f.new").exists()


@given(TIMES, SPANS, st.floats(0, 1))
def test_renewal_falls_in_the_last_third_and_leaves_time_to_try_again(
    start: datetime, life: timedelta, draw: float
) -> None:
    due = renewal_due(start, start + life, lambda: draw)
    slack = timedelta(milliseconds=1)
    assert start + life * 2 / 3 - slack <= due <= start + life * 11 / 12 + slack


def test_validity_is_as_the_hub_says_where_the_clocks_agree() -> None:
    start = NOW - timedelta(minutes=5)
    assert local_validity(start, start + DAY, NOW) == (start, start + DAY)


@pytest.mark.parametrize("skew", [timedelta(days=-300), timedelta(hours=-1), timedelta(hours=20), timedelta(days=300)])
def test_validity_begins_at_receipt_where_this_clock_is_wrong(skew: timedelta) -> None:
    start, received = NOW - timedelta(minutes=5), NOW + skew
    assert local_validity(start, start + DAY, received) == (received, received + DAY)


@given(TIMES, SPANS, st.timedeltas(timedelta(days=-4000), timedelta(days=4000)), st.floats(0, 1))
def test_however_wrong_the_clock_renewal_comes_neither_at_once_nor_never(
    issued: datetime, life: timedelta, skew: timedelta, draw: float
) -> None:
    backdating = min(timedelta(minutes=5), life / 8)
    start, end = issued - backdating, issued + life
    received = issued + skew
    due = renewal_due(*local_validity(start, end, received), lambda: draw)
    wait = due - received
    assert wait <= life * 1.1
    if life > timedelta(hours=3):
        assert wait > timedelta(minutes=30)


@given(st.lists(st.binary(min_size=1, max_size=5)), st.dictionaries(st.text(max_size=5), st.binary(max_size=5)))
def test_both_ends_agree_on_digests_of_anything(authorities: list[bytes], keys: dict[str, bytes]) -> None:
    hubs = HubBundle(tuple(authorities), tuple(SigningKey(id, key) for id, key in keys.items()))
    assert TrustBundle(tuple(reversed(authorities)), keys).digest() == hubs.digest().hex()
