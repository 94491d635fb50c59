"""What one cluster may ask for is counted over all of its connections, and is nobody else's."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import pytest

from hub.errors import TooManyRequests
from hub.fleet.incidents import PER_HOUR, Incidents, address_of
from hub.fleet.quotas import LIMITS, Bucket, Quotas
from tests.fleet.parts import watched

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Time:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_calls_are_counted_by_cluster_and_kind() -> None:
    time = Time()
    quotas = Quotas(time)
    limit = LIMITS["Connect"]

    def connect(cluster: str = "u1") -> None:
        with quotas.call(cluster, "Connect"):
            pass

    for _ in range(int(limit.burst)):
        connect()
    with pytest.raises(TooManyRequests, match="of Connect a minute"):
        connect()
    connect("u2")
    with quotas.call("u1", "FetchBlobs"):
        pass
    time.seconds = 1 / limit.rate
    connect()


def test_calls_at_once_are_bounded_and_free_again_however_they_end() -> None:
    quotas = Quotas(Time())
    with contextlib.ExitStack() as stack:
        for _ in range(LIMITS["Renew"].at_once):
            stack.enter_context(quotas.call("u1", "Renew"))
        with pytest.raises(TooManyRequests, match="at once"), quotas.call("u1", "Renew"):
            pass
    with pytest.raises(KeyError), quotas.call("u1", "Renew"):
        raise KeyError
    assert quotas.of("u1").under_way["Renew"] == 0


def test_what_costs_more_than_the_burst_is_taken_from_a_full_bucket_only() -> None:
    bucket = Bucket(rate=1.0, burst=10.0)
    assert bucket.take(0.0, cost=25.0)
    assert [bucket.take(at, cost=25.0) for at in (0.0, 9.0, 10.0)] == [False, False, True]


def test_addresses_are_written_as_people_write_them() -> None:
    assert address_of("ipv4:192.0.2.7:4711") == "192.0.2.7:4711"
    assert address_of("ipv6:%5B2001:db8::1%5D:4711") == "[2001:db8::1]:4711"
    assert address_of("unix:/run/x") == "unix:/run/x"


def test_a_flood_of_incidents_hides_nothing_of_another_cluster_or_kind() -> None:
    now = NOW
    incidents = Incidents(watched(None), lambda: now)  # type: ignore[arg-type]
    written = [incidents.event("Flood", "too\nmuch", cluster="u1", peer="ipv4:192.0.2.7:1") for _ in range(100)]
    assert sum(event is not None for event in written) == PER_HOUR
    assert written[0] is not None and written[0].message == "too much (from 192.0.2.7:1)"
    assert incidents.event("Flood", "x", cluster="u2") and incidents.event("ForeignReport", "x", cluster="u1")
    now += timedelta(hours=1)
    assert incidents.event("Flood", "x", cluster="u1")
