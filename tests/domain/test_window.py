"""Sync windows: which applications come under them, how their schedules are read, and whether they are open."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from hub.domain.cluster import Cluster
from hub.domain.schedule import Schedule, ScheduleError
from hub.domain.window import SyncWindow, cron_of, is_active, matches, windows_for

PARIS = Cluster("u-1", "eu-paris", server="https://10.0.0.1:6443")
HERE = Cluster("u-2", "in-cluster")


def window(schedule: str = "0 22 * * *", duration: float = 3600, time_zone: str = "", **changes: Any) -> SyncWindow:
    return SyncWindow("allow", schedule, duration, time_zone, **changes)


@pytest.mark.parametrize(
    ("selectors", "any_of", "all_of"),
    [
        ({}, False, False),
        ({"applications": ("web",)}, True, True),
        ({"applications": ("w*",)}, True, True),
        ({"applications": ("db", "{web,api}")}, True, True),
        ({"applications": ("shop/web",)}, False, False),
        ({"namespaces": ("shop-*",)}, True, True),
        ({"namespaces": ("",)}, False, False),
        ({"clusters": ("eu-*",)}, True, True),
        ({"clusters": ("https://10.0.0.1:6443/",)}, True, True),
        ({"clusters": ("https://10.0.0.*",)}, True, True),
        ({"clusters": ("https://kubernetes.default.svc",)}, False, False),
        ({"applications": ("web",), "clusters": ("us-*",)}, True, False),
        ({"applications": ("web",), "clusters": ("eu-*",)}, True, True),
        ({"applications": ("db",), "namespaces": ("x",), "clusters": ("*",)}, True, False),
        ({"applications": ("db",), "namespaces": ("x",)}, False, False),
    ],
)
def test_what_comes_under_a_window(selectors: dict[str, Any], any_of: bool, all_of: bool) -> None:
    assert matches(window(**selectors), "web", PARIS, "shop-eu") is any_of
    assert matches(window(**selectors, and_operator=True), "web", PARIS, "shop-eu") is all_of


@pytest.mark.parametrize("cluster", ["in-cluster", "https://kubernetes.default.svc"])
def test_the_hubs_own_cluster_has_a_name_and_an_address(cluster: str) -> None:
    assert matches(window(clusters=(cluster,)), "web", HERE, "")


def test_an_agent_is_sent_what_it_needs_and_no_more() -> None:
    mine = window(applications=("web",), and_operator=True, description="x" * 500, manual_sync=True)
    other = window(applications=("db",))
    assert windows_for([other, mine], "web", PARIS, "") == (window(description="x" * 200, manual_sync=True),)


@pytest.mark.parametrize(
    ("written", "cron", "zone"),
    [
        (" 0 22 * * 1-5 ", "0 22 * * 1-5", "Europe/Berlin"),
        ("@daily", "0 0 * * *", "Europe/Berlin"),
        ("@Weekly", "0 0 * * 0", "Europe/Berlin"),
        ("TZ=Asia/Tokyo 0 1 ? * MON-FRI", "0 1 * * MON-FRI", "Asia/Tokyo"),
        ("CRON_TZ=Asia/Tokyo @hourly", "0 * * * *", "Asia/Tokyo"),
        ("*/15 */2 * * *", "*/15 */2 * * *", "Europe/Berlin"),
        # A step restricts the day: it is one of both, as with two lists.
        ("0 0 */2 * 1", "0 0 1-31/2 * 1", "Europe/Berlin"),
        ("0 0 1 * ?/3", "0 0 1 * 0-6/3", "Europe/Berlin"),
        ("0 0 1,* * */1", "0 0 * * *", "Europe/Berlin"),
        ("0 0 * jul sun", "0 0 * jul sun", "Europe/Berlin"),
    ],
)
def test_schedules_are_argo_cds(written: str, cron: str, zone: str) -> None:
    assert cron_of(window(written, time_zone="Europe/Berlin")) == (cron, zone)
    Schedule(cron, zone)


def test_two_restricted_days_are_either() -> None:
    november = datetime(2026, 11, 20, tzinfo=UTC)
    schedule = Schedule(*cron_of(window("0 0 */10 * 1")))
    days = []
    for _ in range(4):
        following = schedule.next(november)
        assert following is not None
        days.append((november := following).strftime("%a %d"))
    assert days == ["Sat 21", "Mon 23", "Mon 30", "Tue 01"]


@pytest.mark.parametrize("written", ["@every 1h", "@sometimes", "0 0 L * *", "0 0 * * 5L", "0 0 * * 1#2", "0 0 LW * *"])
def test_what_is_no_schedule(written: str) -> None:
    with pytest.raises(ScheduleError):
        cron_of(window(written))


@pytest.mark.parametrize(
    ("now", "active"),
    [
        ("2026-11-20T20:59:59+00:00", False),
        ("2026-11-20T21:00:00+00:00", True),
        ("2026-11-20T21:59:59+00:00", True),
        ("2026-11-20T22:00:00+00:00", False),
    ],
)
def test_whether_it_is_open(now: str, active: bool) -> None:
    assert is_active(window(time_zone="Europe/Berlin"), datetime.fromisoformat(now)) is active
