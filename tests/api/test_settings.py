from __future__ import annotations

from typing import Any

import httpx2
import yaml

from hub.domain.settings import SETTING, decode
from tests.api.kit import World, manifest

SETTINGS = "/api/v1/settings"
APPLY = "/api/v1/objects/apply"
YAML = {"Content-Type": "application/yaml"}
EXCLUSIONS = {"resource.exclusions": "- kinds: [Secret]\n"}


def config_map(data: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm"}, "data": data}


async def test_applied_as_other_objects_are(world: World, admin: httpx2.AsyncClient) -> None:
    body = yaml.safe_dump_all([manifest("a"), config_map(EXCLUSIONS | {"url": "https://argocd"})])
    dry = (await admin.post(APPLY, content=body, headers=YAML, params={"dry_run": True})).json()["results"][1]
    assert (dry["kind"], dry["name"], dry["namespace"], dry["action"]) == ("ConfigMap", "argocd-cm", "", "would-create")
    assert await world.store.get_setting(SETTING) is None
    async with world.bus.subscribe("settings") as subscription:
        [_, result] = (await admin.post(APPLY, content=body, headers=YAML)).json()["results"]
        assert (result["action"], len(result["warnings"])) == ("created", 1)
        assert await subscription.next(1) == [("settings", "")]
        [_, again] = (await admin.post(APPLY, content=body, headers=YAML)).json()["results"]
        assert again["action"] == "unchanged"
        changed = config_map({"resource.exclusions": "[]"})
        [other] = (await admin.post(APPLY, json=changed)).json()["results"]
        assert other["action"] == "configured"
    stored = decode(await world.store.get_setting(SETTING))
    assert stored.data == {"resource.exclusions": "[]"} and stored.changed_by == "admin"
    strict = await admin.post(APPLY, content=body, headers=YAML, params={"strict": True})
    assert strict.status_code == 422 and "data.url is not served" in strict.json()["error"]["message"]


async def test_read_and_replaced(world: World, admin: httpx2.AsyncClient, reader: httpx2.AsyncClient) -> None:
    nothing: dict[str, Any] = {"data": {}, "changed_at": None, "changed_by": "", "warnings": []}
    assert (await reader.get(SETTINGS)).json() == nothing
    reply = await admin.put(SETTINGS, json={"data": EXCLUSIONS | {"url": "x"}})
    assert reply.status_code == 200 and reply.json()["data"] == EXCLUSIONS
    assert [w.partition(" is")[0] for w in reply.json()["warnings"]] == ["data.url"]
    found = (await reader.get(SETTINGS)).json()
    assert (found["data"], found["changed_by"], found["warnings"]) == (EXCLUSIONS, "admin", [])
    assert found["changed_at"] is not None
    await admin.put(SETTINGS, json={"data": {}})
    assert (await reader.get(SETTINGS)).json()["data"] == {}
    events = [e for e in await world.store.list_events() if e.reason == "SettingsChanged"]
    assert [(e.actor, e.message) for e in reversed(events)] == [
        ("admin", "system-wide settings were changed: resource.exclusions"),
        ("admin", "the system-wide settings are the default ones again"),
    ]


async def test_nothing_wrong_is_stored(world: World, admin: httpx2.AsyncClient) -> None:
    for data in ({"resource.exclusions": "- kinds: ["}, {"resource.compareoptions": "x" * (1024 * 1024)}):
        assert (await admin.put(SETTINGS, json={"data": data})).status_code == 422
    assert (await admin.put(SETTINGS, json={"data": {"url": "x"}}, params={"strict": True})).status_code == 422
    large = {"resource.customizations.health.a_B": "-- " + "\n" * 700_000}
    assert (await admin.put(SETTINGS, json={"data": large})).status_code == 200
    assert (await admin.put(SETTINGS, json={"data": {"x": "y" * 5_000_000}})).status_code == 413


async def test_who_may(world: World, reader: httpx2.AsyncClient) -> None:
    assert (await reader.put(SETTINGS, json={"data": EXCLUSIONS})).status_code == 403
    assert (await reader.post(APPLY, json=config_map(EXCLUSIONS))).status_code == 403
    assert await world.store.get_setting(SETTING) is None
