"""Sync windows in AppProjects: read, written, and changed in the words of the command line."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from hub.domain.window import SyncWindow
from hub.errors import NotFound
from hub.formats.edit_windows import WindowFlags, add_window, delete_window, update_window
from hub.formats.errors import FormatError
from hub.formats.project import dump_project, parse_project
from hub.formats.window import MOST_WINDOWS

PLAIN: dict[str, Any] = {"kind": "deny", "schedule": "0 22 * * *", "duration": "1h", "applications": ["*"]}
FULL: dict[str, Any] = {
    "kind": "allow",
    "schedule": "0 8 * * MON-FRI",
    "duration": "1h30m",
    "timeZone": "Europe/Berlin",
    "applications": ["web", "api-*"],
    "namespaces": ["shop"],
    "clusters": ["eu-*", "https://10.0.0.1:6443"],
    "manualSync": True,
    "andOperator": True,
    "syncOverrun": True,
    "description": "Ticket 1",
}


def project(*windows: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {"description": "d", "syncWindows": list(windows)} if windows else {"description": "d"}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": "p"}, "spec": spec}


def test_every_field_is_read_and_written() -> None:
    parsed = parse_project(project(FULL, PLAIN), strict=True)
    assert parsed.warnings == []
    assert parsed.value.sync_windows == (
        SyncWindow(
            "allow",
            "0 8 * * MON-FRI",
            5400.0,
            "Europe/Berlin",
            ("web", "api-*"),
            ("shop",),
            ("eu-*", "https://10.0.0.1:6443"),
            manual_sync=True,
            and_operator=True,
            sync_overrun=True,
            description="Ticket 1",
        ),
        SyncWindow("deny", "0 22 * * *", 3600.0, applications=("*",)),
    )
    assert dump_project(dataclasses.replace(parsed.value, manifest={}))["spec"]["syncWindows"] == [FULL, PLAIN]
    assert dump_project(parsed.value)["spec"]["syncWindows"] == [FULL, PLAIN]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "maybe"}, "kind is the text 'maybe', but allow or deny is wanted"),
        ({"kind": None}, "kind is missing"),
        ({"schedule": ""}, "schedule is missing"),
        ({"schedule": "0 22 * *"}, "schedule '0 22 * *' is not five fields"),
        ({"schedule": "0 25 * * *"}, "schedule '0 25 * * *' has a field that cannot be read: hour"),
        ({"schedule": "@every 1h"}, "says how often, and not when"),
        ({"duration": None}, "duration is missing"),
        ({"duration": "90"}, "duration '90' is not a duration"),
        ({"duration": 90}, "duration is the number 90, but text is wanted"),
        ({"duration": "-1h"}, "duration '-1h' is not a duration"),
        ({"duration": "10ms"}, "shorter than a second"),
        ({"timeZone": "Europe/Atlantis"}, "timeZone 'Europe/Atlantis' is no time zone"),
        ({"timeZone": "UTC", "schedule": "TZ=Asia/Tokyo 0 1 * * *"}, "the schedule names Asia/Tokyo"),
        ({"manualSync": "yes"}, "manualSync is the text 'yes'"),
        ({"applications": "web"}, "applications is the text 'web', but a list is wanted"),
    ],
)
def test_what_is_wrong_is_told(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(FormatError) as raised:
        parse_project(project({**PLAIN, **changes}))
    assert f"spec.syncWindows[0].{words}" in raised.value.message or words in raised.value.message
    assert "spec.syncWindows[0]" in raised.value.message


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"applications": []}, "spec.syncWindows[0] is for no application: give applications, namespaces or clusters"),
        ({"schedule": "0 0 30 2 *"}, "spec.syncWindows[0].schedule '0 0 30 2 *' never begins: there is no such day"),
        ({"aplications": ["x"]}, "spec.syncWindows[0].aplications is not a known field (did you mean applications?)"),
    ],
)
def test_what_its_author_should_know(changes: dict[str, Any], warning: str) -> None:
    assert parse_project(project({**PLAIN, **changes})).warnings == [warning]


def test_there_are_not_too_many() -> None:
    parse_project(project(*[PLAIN] * MOST_WINDOWS))
    with pytest.raises(FormatError, match="syncWindows has 101 windows: 100 are the most"):
        parse_project(project(*[PLAIN] * (MOST_WINDOWS + 1)))


def test_adding() -> None:
    before = project()
    flags = WindowFlags("deny", "0 22 * * *", "1h", applications=("*",), manual_sync=False, description="")
    assert add_window(before, flags) == project(PLAIN)
    assert before == project(), "the one given is left alone"


def test_changing() -> None:
    flags = WindowFlags(duration="2h", applications=(), manual_sync=True, time_zone="")
    changed = update_window(project(PLAIN, {**FULL, "unknown": 1}), 1, flags)
    expected = {k: v for k, v in FULL.items() if k not in ("applications", "timeZone")} | {"duration": "2h"}
    assert changed == project(PLAIN, {**expected, "unknown": 1})


def test_deleting() -> None:
    assert delete_window(project(PLAIN, FULL), 0) == project(FULL)
    assert delete_window(project(FULL), 0) == project()


def test_what_is_not_there() -> None:
    with pytest.raises(NotFound, match="has no sync window 1: the last one is 0"):
        update_window(project(PLAIN), 1, WindowFlags(duration="2h"))
    with pytest.raises(NotFound, match="has no sync window 0: it has none"):
        delete_window(project(), 0)
    with pytest.raises(FormatError, match="is not a list"):
        add_window({**project(), "spec": {"syncWindows": "x"}}, WindowFlags())
