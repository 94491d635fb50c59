from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from hub.access.throttle import FORGOTTEN_AFTER, LONGEST_WAIT, TABLE_LIMIT, LoginThrottle

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NONE = timedelta(0)


def fail(throttle: LoginThrottle, times: int, account: str = "a", address: str = "192.0.2.1") -> None:
    for _ in range(times):
        assert throttle.begin(account, address, NOW) == NONE


def test_waits_double_up_to_a_quarter_of_an_hour() -> None:
    throttle, now, waits = LoginThrottle(), NOW, []
    for _ in range(20):
        wait = throttle.begin("a", "192.0.2.1", now)
        if wait:
            waits.append(wait.total_seconds())
            now += wait
            assert throttle.begin("a", "192.0.2.1", now) == NONE
    assert waits[:5] == [1, 2, 4, 8, 16]
    assert max(waits) == LONGEST_WAIT.total_seconds()


def test_waiting_attempts_lengthen_nothing() -> None:
    throttle = LoginThrottle()
    fail(throttle, 5)
    assert {throttle.begin("a", "192.0.2.1", NOW) for _ in range(50)} == {timedelta(seconds=1)}


def test_success_clears_and_time_forgets() -> None:
    throttle = LoginThrottle()
    fail(throttle, 5)
    throttle.succeeded("a", "192.0.2.1")
    fail(throttle, 5)
    assert throttle.begin("a", "192.0.2.1", NOW) > NONE
    assert throttle.begin("a", "192.0.2.1", NOW + FORGOTTEN_AFTER * 2) == NONE


def test_one_address_cannot_try_every_account() -> None:
    throttle = LoginThrottle()
    for n in range(25):
        fail(throttle, 1, account=f"user{n}")
    assert throttle.begin("another", "192.0.2.1", NOW) > NONE
    assert throttle.begin("another", "192.0.2.9", NOW) == NONE


def test_successes_do_not_count_against_the_address() -> None:
    throttle = LoginThrottle()
    for _ in range(100):
        fail(throttle, 1)
        throttle.succeeded("a", "192.0.2.1")
    assert len(throttle) == 0


def test_ipv6_network_is_one_guesser_and_mapped_ipv4_is_ipv4() -> None:
    throttle = LoginThrottle()
    for n in range(5):
        fail(throttle, 1, address=f"2001:db8::{n}")
    assert throttle.begin("a", "2001:db8::ffff:1", NOW) > NONE
    assert throttle.begin("a", "2001:db8:0:1::1", NOW) == NONE
    fail(throttle, 5, address="192.0.2.1")
    assert throttle.begin("a", "::ffff:192.0.2.1", NOW) > NONE


def test_table_is_bounded() -> None:
    throttle = LoginThrottle()
    for n in range(TABLE_LIMIT):
        throttle.begin("a", f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", NOW)
    assert len(throttle) == TABLE_LIMIT


@given(st.lists(st.tuples(st.sampled_from(["begin", "succeeded", "withdrawn"]), st.integers(0, 7200)), max_size=60))
def test_no_order_of_calls_makes_a_wait_negative_or_endless(calls: list[tuple[str, int]]) -> None:
    throttle, now = LoginThrottle(), NOW
    for call, seconds in calls:
        now += timedelta(seconds=seconds)
        if call == "begin":
            assert NONE <= throttle.begin("a", "x", now) <= LONGEST_WAIT
        else:
            getattr(throttle, call)("a", "x")
    assert throttle.begin("a", "x", now + LONGEST_WAIT) == NONE
