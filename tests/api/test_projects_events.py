from __future__ import annotations

import httpx2

from hub.domain.access import Event
from hub.domain.project import Project, ProjectDestination
from tests.api.kit import World


async def test_projects(world: World, admin: httpx2.AsyncClient) -> None:
    await world.store.put_project(Project("money", "Banking", ("https://git.example/*",), (ProjectDestination(),)))
    await world.application("bank", project="money")
    await world.application("shop")
    items = (await admin.get("/api/v1/projects")).json()["items"]
    assert [(i["name"], i["applications"]) for i in items] == [("default", 1), ("money", 1)]
    money = (await admin.get("/api/v1/projects/money")).json()
    assert (money["description"], money["source_repos"]) == ("Banking", ["https://git.example/*"])
    assert money["destinations"] == [{"server": "*", "name": "*", "namespace": "*"}]
    assert money["manifest"]["kind"] == "AppProject"


async def test_removing_a_project(world: World, admin: httpx2.AsyncClient) -> None:
    await world.store.put_project(Project("money"))
    bank = await world.application("bank", project="money")
    assert (await admin.delete("/api/v1/projects/money")).status_code == 409, "an application names it"
    await world.store.remove_application(bank.id)
    assert (await admin.delete("/api/v1/projects/money")).json() == {"project": "money"}
    assert (await admin.delete("/api/v1/projects/money")).status_code == 404
    assert (await admin.delete("/api/v1/projects/default")).status_code == 409


async def test_events(world: World, admin: httpx2.AsyncClient) -> None:
    await world.cluster("paris")
    at = world.clock()
    await world.store.add_events(
        [
            Event(at, "warning", "Flood", "too many messages", cluster="uid-paris"),
            Event(at, "info", "Synced", "done", application="argocd/shop", actor="ada"),
            Event(at, "info", "Left", "gone", cluster="uid-of-one-that-was-removed"),
        ]
    )

    async def reasons(**parameters: str) -> list[str]:
        reply = await admin.get("/api/v1/events", params=parameters)
        return [e["reason"] for e in reply.json()["items"] if e["reason"] != "AccountCreated"]

    assert set(await reasons()) == {"Flood", "Synced", "Left"}
    assert await reasons(cluster="paris") == ["Flood"]
    assert await reasons(application="shop") == await reasons(application="argocd/shop") == ["Synced"]
    assert len(await reasons(limit="1")) == 1
    flood = (await admin.get("/api/v1/events", params={"cluster": "paris"})).json()["items"][0]
    assert (flood["cluster"], flood["severity"]) == ("paris", "warning")
    assert (await admin.get("/api/v1/events", params={"cluster": "rome"})).status_code == 404
    for wrong in ({"limit": "0"}, {"limit": "1001"}, {"application": "a b"}):
        assert (await admin.get("/api/v1/events", params=wrong)).status_code == 422
