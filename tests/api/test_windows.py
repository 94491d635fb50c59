from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from hub.domain.project import Project
from tests.api.kit import World

WINDOWS = "/api/v1/projects/money/windows"


def begins(world: World, minutes: int, **fields: Any) -> dict[str, Any]:
    at = world.clock() + timedelta(minutes=minutes)
    given = {"kind": "deny", "schedule": f"{at.minute} {at.hour} * * *", "duration": "1h", "applications": ["*"]}
    return {**given, **fields}


async def test_windows_of_a_project(world: World, admin: httpx2.AsyncClient) -> None:
    await world.store.put_project(Project("money", "Banking", ("https://git.example/*",)))
    assert (await admin.get(WINDOWS)).json() == {"items": []}
    reply = await admin.post(WINDOWS, json=begins(world, -30, manual_sync=True, time_zone="UTC"))
    assert reply.status_code == 201 and reply.json()["action"] == "configured", reply.text
    await admin.post(WINDOWS, json=begins(world, 30, kind="allow", description="later"))
    items = (await admin.get(WINDOWS)).json()["items"]
    assert [(i["id"], i["kind"], i["active"], i["manual_sync"], i["time_zone"]) for i in items] == [
        (0, "deny", True, True, "UTC"),
        (1, "allow", False, False, "UTC"),
    ]
    changed = (await admin.patch(f"{WINDOWS}/0", json={"duration": "1h30m", "manual_sync": False})).json()
    assert (changed["items"][0]["duration"], changed["items"][0]["manual_sync"]) == ("1h30m", False)
    assert (await admin.patch(f"{WINDOWS}/0", json={"duration": "1h30m"})).json()["action"] == "unchanged"
    left = (await admin.delete(f"{WINDOWS}/0")).json()["items"]
    assert [(i["id"], i["description"]) for i in left] == [(0, "later")]
    stored = await world.store.get_project("money")
    assert stored is not None and [w.description for w in stored.sync_windows] == ["later"]
    assert (stored.description, stored.source_repos) == ("Banking", ("https://git.example/*",)), "the rest is as it was"
    assert stored.manifest["spec"]["syncWindows"][0]["kind"] == "allow"


async def test_what_is_refused(world: World, admin: httpx2.AsyncClient) -> None:
    await world.store.put_project(Project("money"))
    wrong = await admin.post(WINDOWS, json=begins(world, 0, schedule="0 25 * * *"))
    assert wrong.status_code == 422 and "spec.syncWindows[0].schedule '0 25 * * *'" in wrong.json()["error"]["message"]
    assert (await admin.patch(f"{WINDOWS}/0", json={"duration": "2h"})).status_code == 404
    assert (await admin.delete(f"{WINDOWS}/7")).status_code == 404
    assert (await admin.get("/api/v1/projects/none/windows")).status_code == 404
    warned = await admin.post(WINDOWS, json=begins(world, 0, schedule="0 0 30 2 *"))
    assert "never begins" in warned.json()["warnings"][0]


def _somebody_else_is_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the project changed between the moment it is read and the one it is stored, once."""
    read = world.store.get_project

    async def read_and_changed(name: str) -> Project | None:
        monkeypatch.undo()
        project = await read(name)
        assert project is not None
        await world.store.put_project(replace(project, description="theirs"))
        return project

    monkeypatch.setattr(world.store, "get_project", read_and_changed)


async def test_windows_that_are_added_at_once_are_all_there(
    world: World, admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.store.put_project(Project("money"))
    _somebody_else_is_first(world, monkeypatch)
    assert (await admin.post(WINDOWS, json=begins(world, 0))).status_code == 201
    stored = await world.store.get_project("money")
    assert stored is not None and (stored.description, len(stored.sync_windows)) == ("theirs", 1)


@pytest.mark.parametrize("verb", ["DELETE", "PATCH"])
async def test_a_window_is_not_changed_by_a_place_that_may_mean_another_now(
    world: World, admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    await world.store.put_project(Project("money"))
    await admin.post(WINDOWS, json=begins(world, 0))
    _somebody_else_is_first(world, monkeypatch)
    change = admin.patch(f"{WINDOWS}/0", json={"duration": "2h"}) if verb == "PATCH" else admin.delete(f"{WINDOWS}/0")
    reply = await change
    assert (reply.status_code, reply.json()["error"]["message"]) == (
        409,
        "project money was changed meanwhile: read it again and repeat the change",
    )
    stored = await world.store.get_project("money")
    assert stored is not None and [w.duration for w in stored.sync_windows] == [3600.0]


async def test_a_change_is_heard_by_its_applications_and_audited(world: World, admin: httpx2.AsyncClient) -> None:
    await world.store.put_project(Project("money"))
    bank = await world.application("bank", project="money")
    await world.application("shop")
    async with world.bus.subscribe("applications") as subscription:
        await admin.post(WINDOWS, json=begins(world, 0))
        assert await subscription.next(1) == [("applications", str(bank.id))]
    events = (await admin.get("/api/v1/events")).json()["items"]
    assert ("ProjectUpdated", "admin") in {(e["reason"], e["actor"]) for e in events}
