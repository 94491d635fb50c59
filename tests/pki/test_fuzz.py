"""Whatever is sent, the documented errors and nothing else."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import HubError, Invalid, Unauthenticated
from hub.pki.certificates import read_certificate, read_request
from hub.pki.join import JoinRefused
from tests.pki.memory_store import MemoryStore
from tests.pki.support import CALLER, AgentKey, Clock, HubTrust
from tests.search import examples


@cache
def samples() -> tuple[HubTrust, AgentKey, bytes, bytes]:
    """A hub, an agent's key, its certificate and its request in PEM."""
    clock, key = Clock(), AgentKey()

    async def make() -> tuple[HubTrust, bytes]:
        hub = await HubTrust(MemoryStore(clock), clock).start()
        return hub, (await hub.join("c-1", key)).pem

    hub, certificate = asyncio.run(make())
    return hub, key, certificate, key.request()


def damaged(draw: st.DrawFn, good: bytes) -> bytes:
    """Bytes near the good ones: some replaced, removed or put in."""
    content = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        content[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=4))
    return bytes(content)


@st.composite
def near_certificates(draw: st.DrawFn) -> bytes:
    import ssl

    pem = samples()[2]
    return damaged(draw, pem if draw(st.booleans()) else ssl.PEM_cert_to_DER_cert(pem.decode()))


@st.composite
def near_requests(draw: st.DrawFn) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    pem = samples()[3]
    return damaged(draw, pem if draw(st.booleans()) else x509.load_pem_x509_csr(pem).public_bytes(Encoding.DER))


@given(st.one_of(st.binary(max_size=400), near_certificates()))
@examples(300)
def test_certificates(content: bytes) -> None:
    hub = samples()[0]
    try:
        peer = hub.verifier.peer_cluster(content, hub.clock())
    except Unauthenticated:
        return
    # Only what TLS does not look at can have changed: text around the PEM block.
    assert peer.cluster == "c-1"


@given(st.one_of(st.binary(max_size=400), near_certificates()), st.one_of(st.binary(max_size=400), near_requests()))
@examples(200)
def test_recovery(certificate: bytes, request: bytes) -> None:
    hub = samples()[0]
    try:
        recovered = asyncio.run(hub.recovery.check(certificate, request))
    except (Invalid, Unauthenticated):
        return
    assert recovered.cluster == "c-1"


@given(st.one_of(st.binary(max_size=400), near_requests()))
@examples(300)
def test_requests(content: bytes) -> None:
    try:
        key = read_request(content)
    except Invalid:
        return
    assert key == samples()[1].private.public_key()


@given(st.one_of(st.text(max_size=80), st.from_regex(r"esc1\.[A-Za-z0-9]{1,8}\.[A-Za-z0-9_-]{43}", fullmatch=True)))
@examples(200)
def test_tokens(text: str) -> None:
    hub, key, *_ = samples()
    with pytest.raises(JoinRefused):
        asyncio.run(hub.enrolments.enrol(text, key.request(), CALLER))


@given(st.datetimes(timezones=st.just(UTC)))
def test_any_time_by_the_hubs_clock(now: datetime) -> None:
    hub, _, certificate, _ = samples()
    inside = timedelta(0) <= now - read_certificate(certificate).not_valid_before_utc < timedelta(hours=24, minutes=5)
    try:
        assert hub.verifier.peer_cluster(certificate, now).cluster == "c-1" and inside
    except HubError as error:
        assert not inside and error.code in ("certificate-expired", "certificate-not-yet-valid")
