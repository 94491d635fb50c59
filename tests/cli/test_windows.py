"""`escadre project windows`: what is sent, and what is shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hub.api.models.window import WindowFlagsBody, WindowItem, WindowsStored
from tests.cli.conftest import Terminal
from tests.cli.fakehub import FakeHub, Reply

PATH = "/projects/shop/windows"


def item(id: int = 0, **values: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": id,
        "kind": "deny",
        "schedule": "0 8 * * 5",
        "duration": "64h",
        "time_zone": "Europe/Berlin",
        "applications": ["*"],
        "namespaces": [],
        "clusters": ["eu-*", "us-*"],
        "manual_sync": True,
        "and_operator": False,
        "sync_overrun": False,
        "description": "no Fridays",
        "active": True,
        **values,
    }
    assert WindowItem.model_validate(found)
    return found


def stored(**values: Any) -> dict[str, Any]:
    found = {"project": "shop", "action": "configured", "items": [item()], "warnings": [], **values}
    assert WindowsStored.model_validate(found)
    return found


def test_list(hub: FakeHub, run: Terminal) -> None:
    hub.on("GET", PATH, {"items": [item(), item(1, kind="allow", active=False, manual_sync=False, sync_overrun=True)]})
    head, first, second = run("proj", "windows", "list", "shop").out.splitlines()
    titles = "ID STATUS KIND SCHEDULE DURATION APPLICATIONS NAMESPACES CLUSTERS MANUALSYNC SYNCOVERRUN TIMEZONE"
    assert " ".join(head.split()) == titles
    assert " ".join(first.split()) == "0 Active deny 0 8 * * 5 64h * - eu-*,us-* Enabled Disabled Europe/Berlin"
    assert second.split()[:3] == ["1", "Inactive", "allow"] and "Disabled" in second and "Enabled" in second
    assert "no Fridays" in run("project", "windows", "ls", "shop", "-o", "wide").out
    assert run("project", "windows", "list", "shop", "-o", "name").out == "0\n1\n"
    assert json.loads(run("project", "windows", "list", "shop", "-o", "json").out)["items"][0]["active"] is True
    assert "schedule: 0 8 * * 5" in run("project", "windows", "list", "shop", "-o", "yaml").out


def test_add_sends_every_option(hub: FakeHub, run: Terminal) -> None:
    hub.on("POST", PATH, Reply(stored(warnings=["spec.syncWindows[0] is odd"]), 201))
    outcome = run(
        *("proj", "windows", "add", "shop", "-k", "deny", "--schedule", "0 8 * * 5", "--duration", "64h"),
        *("--time-zone", "Europe/Berlin", "--applications", "prod-*, website", "--namespaces", "default"),
        *("--clusters", "eu-*", "--clusters", "us-*", "--manual-sync", "--use-and-operator", "--no-sync-overrun"),
        *("--description", "no Fridays"),
    )
    assert (outcome.code, outcome.out) == (0, "project/shop configured: window 0\n")
    assert outcome.err == "warning: spec.syncWindows[0] is odd\n"
    (asked,) = hub.requests
    assert WindowFlagsBody.model_validate(asked.json)
    assert asked.json == {
        "kind": "deny",
        "schedule": "0 8 * * 5",
        "duration": "64h",
        "time_zone": "Europe/Berlin",
        "applications": ["prod-*", "website"],
        "namespaces": ["default"],
        "clusters": ["eu-*", "us-*"],
        "manual_sync": True,
        "and_operator": True,
        "sync_overrun": False,
        "description": "no Fridays",
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--kind", "deny", "--applications", "*"], "--schedule, --duration must be given"),
        (["-k", "deny", "--schedule", "@daily", "--duration", "1h"], "it would be for nothing"),
    ],
)
def test_add_needs_more(hub: FakeHub, run: Terminal, arguments: list[str], words: str) -> None:
    outcome = run("project", "windows", "add", "shop", *arguments)
    assert outcome.code == 2 and words in outcome.err and hub.requests == []


def test_update_sends_what_is_given(hub: FakeHub, run: Terminal) -> None:
    hub.on("PATCH", f"{PATH}/3", stored())
    assert run("project", "windows", "update", "shop", "3", "--namespaces", "", "--description", "").code == 0
    assert hub.requests[-1].json == {"namespaces": [], "description": ""}
    outcome = run("project", "windows", "update", "shop", "3")
    assert outcome.code == 2 and "nothing is to be changed" in outcome.err


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("enable-manual-sync", {"manual_sync": True}),
        ("disable-manual-sync", {"manual_sync": False}),
        ("enable-sync-overrun", {"sync_overrun": True}),
        ("disable-sync-overrun", {"sync_overrun": False}),
    ],
)
def test_switches(hub: FakeHub, run: Terminal, verb: str, body: dict[str, bool]) -> None:
    hub.on("PATCH", f"{PATH}/0", stored(action="unchanged"))
    outcome = run("project", "windows", verb, "shop", "0")
    assert (outcome.code, outcome.out) == (0, "project/shop unchanged: window 0\n")
    assert hub.requests[-1].json == body


def test_delete(hub: FakeHub, run: Terminal) -> None:
    hub.on("DELETE", f"{PATH}/0", stored(items=[]))
    refused = run("project", "windows", "delete", "shop", "0")
    assert refused.code == 2 and hub.requests == []
    assert run("project", "windows", "delete", "shop", "0", "-y").out == "project/shop configured: window 0 deleted\n"


@pytest.mark.usefixtures("at_terminal")
def test_a_question_says_which_window_is_meant(hub: FakeHub, run: Terminal) -> None:
    """Its number may be another one's since it was looked up."""
    hub.on("GET", PATH, {"items": [item(), item(1, kind="allow")]})
    outcome = run("project", "windows", "delete", "shop", "1", input="n\n")
    assert outcome.code == 2 and "Delete window 1 of project shop (allow, 0 8 * * 5, 64h)? [y/N]" in outcome.err
    assert not [request for request in hub.requests if request.method == "DELETE"]
