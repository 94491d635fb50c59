"""When an object is healed and an attempt repeated, and when the next time may be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.engine.assignment import Retry, SyncPolicy
from agent.engine.operation import (
    Attempts,
    HealRecord,
    Phase,
    automated_attempt,
    heal_delay,
    record_attempt,
    record_heal,
)

CAP = 300.0


def test_healing_backs_off_from_two_seconds_by_three_up_to_five_minutes() -> None:
    record, now, waits = None, 0, []
    for _ in range(8):
        wait = heal_delay(record, now)
        waits.append(wait)
        now += int(wait * 1000)
        record = record_heal(record, now)
    assert waits == [0.0, 2.0, 6.0, 18.0, 54.0, 162.0, CAP, CAP]


def test_an_object_that_stayed_as_assigned_is_healed_at_once_again() -> None:
    record = HealRecord(3, 0)
    assert heal_delay(record, 35_999) == 0.0, "its back-off of 18 s is over"
    assert record_heal(record, 36_000) == HealRecord(1, 36_000)


@given(count=st.integers(1, 10**9), since_ms=st.integers(-(10**9), 10**9))
def test_a_fight_may_go_on_for_ever(count: int, since_ms: int) -> None:
    record = HealRecord(count, 0)
    assert 0.0 <= heal_delay(record, since_ms) <= CAP
    assert record_heal(record, since_ms).count in (1, count + 1)


@given(back_ms=st.integers(0, 10**12))
def test_a_clock_that_is_set_back_delays_no_attempt(back_ms: int) -> None:
    retry = Retry(limit=5, duration_seconds=5.0, factor=2.0, max_seconds=180.0)
    attempts = record_attempt(retry, "p", record_attempt(retry, "p", Attempts(), Phase.FAILED, 0), Phase.FAILED, 0)
    assert automated_attempt(SyncPolicy(automated=True, retry=retry), "p", attempts, -back_ms) == 10.0
