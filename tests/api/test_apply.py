from __future__ import annotations

from typing import Any

import httpx2
import pytest
import yaml

from hub.domain.application import Application, ApplicationId
from hub.errors import StoreUnavailable
from tests.api.kit import World, manifest

APPLY = "/api/v1/objects/apply"
YAML = {"Content-Type": "application/yaml"}
PROJECT: dict[str, Any] = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "AppProject",
    "metadata": {"name": "money"},
    "spec": {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]},
}


def text(*objects: Any) -> str:
    return yaml.safe_dump_all(objects)


async def test_objects_of_one_text_in_their_order(world: World, admin: httpx2.AsyncClient) -> None:
    await world.cluster("paris")
    body = text(manifest("a", project="money"), PROJECT, manifest("b"))
    reply = await admin.post(APPLY, content=body, headers=YAML)
    assert reply.status_code == 200, reply.text
    results = reply.json()["results"]
    assert [(r["kind"], r["name"], r["namespace"], r["action"]) for r in results] == [
        ("Application", "a", "argocd", "created"),
        ("AppProject", "money", "", "created"),
        ("Application", "b", "argocd", "created"),
    ]
    assert results[0]["warnings"] == [], "its project comes with it"
    again = (await admin.post(APPLY, content=body, headers=YAML)).json()["results"]
    assert {r["action"] for r in again} == {"unchanged"}


async def test_nothing_is_stored_when_anything_is_wrong(world: World, admin: httpx2.AsyncClient) -> None:
    broken = manifest("b")
    broken["spec"]["destination"] = {"namespace": 3}
    body = text(manifest("a"), broken, {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "c"}})
    reply = await admin.post(APPLY, content=body, headers=YAML, params={"name": "apps.yaml"})
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (422, "invalid")
    first, second = error["details"]
    assert first.startswith("apps.yaml, line 1") and 'Application "b"' in first
    assert second.startswith("apps.yaml, line 2") and "Pod" in second
    assert await world.store.list_applications() == []


async def test_nothing_is_stored_when_anything_is_not_permitted(world: World, reader: httpx2.AsyncClient) -> None:
    reply = await reader.post(APPLY, content=text(PROJECT, manifest("a")), headers=YAML)
    assert reply.status_code == 403
    assert await world.store.get_project("money") is None


async def test_a_store_that_goes_away_in_the_middle(
    world: World, admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = world.store.put_application

    async def once(application: Application, **options: Any) -> Application:
        if application.id.name == "b":
            raise StoreUnavailable("the database does not answer")
        return await put(application, **options)

    monkeypatch.setattr(world.store, "put_application", once)
    body = text(manifest("a"), manifest("b"), manifest("c"))
    reply = await admin.post(APPLY, content=body, headers=YAML)
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "store-unavailable")
    assert "stored before that: a;" in reply.json()["error"]["message"]
    monkeypatch.undo()
    results = (await admin.post(APPLY, content=body, headers=YAML)).json()["results"]
    assert [r["action"] for r in results] == ["unchanged", "created", "created"]


async def test_a_dry_run_stores_nothing(world: World, admin: httpx2.AsyncClient) -> None:
    await admin.post(APPLY, content=text(manifest("same"), manifest("other")), headers=YAML)
    body = text(manifest("same"), manifest("other", revisionHistoryLimit=1), manifest("new"), PROJECT)
    reply = await admin.post(APPLY, content=body, headers=YAML, params={"dry_run": True})
    assert [r["action"] for r in reply.json()["results"]] == [
        "would-not-change",
        "would-configure",
        "would-create",
        "would-create",
    ]
    assert await world.store.get_application(ApplicationId("argocd", "new")) is None
    assert await world.store.get_project("money") is None


def annotated(name: str = "shop", **annotations: str) -> dict[str, Any]:
    wanted = manifest(name)
    wanted["metadata"]["annotations"] = {f"argocd.argoproj.io/{key}": value for key, value in annotations.items()}
    return wanted


async def test_a_refresh_that_is_written_down_is_asked_for_at_every_apply_and_not_stored(
    world: World, admin: httpx2.AsyncClient
) -> None:
    for value, mode, action in (("hard", "hard", "created"), ("normal", "normal", "unchanged"), ("", "normal", "")):
        async with world.bus.subscribe("refresh") as subscription:
            [result] = (await admin.post(APPLY, json=annotated(refresh=value))).json()["results"]
            assert result["action"] == (action or "unchanged")
            assert await subscription.next(1) == [("refresh", "argocd/shop")]
        assert await world.store.take_refresh_requests() == {"argocd/shop": mode}
    stored = await world.store.get_application(ApplicationId("argocd", "shop"))
    assert stored is not None and stored.annotations == {}
    assert stored.manifest["metadata"] == {"name": "shop"}
    reply = await admin.post(APPLY, json=annotated(refresh="hard"), params={"dry_run": True})
    assert reply.status_code == 200
    assert await world.store.take_refresh_requests() == {}


async def test_a_refresh_leaves_the_other_annotations(world: World, admin: httpx2.AsyncClient) -> None:
    wanted = annotated(refresh="normal")
    wanted["metadata"]["annotations"]["owner"] = "ada"
    assert (await admin.put("/api/v1/applications/shop", json=wanted)).status_code == 404
    await admin.post(APPLY, json=manifest())
    assert (await admin.put("/api/v1/applications/shop", json=wanted)).json()["action"] == "configured"
    stored = await world.store.get_application(ApplicationId("argocd", "shop"))
    assert stored is not None and stored.annotations == {"owner": "ada"}
    assert stored.manifest["metadata"]["annotations"] == {"owner": "ada"}
    assert await world.store.take_refresh_requests() == {"argocd/shop": "normal"}


async def test_what_is_left_as_it_is_has_no_refresh(world: World, admin: httpx2.AsyncClient) -> None:
    wanted = annotated(**{"refresh": "hard", "skip-reconcile": "true"})
    [result] = (await admin.post(APPLY, json=wanted)).json()["results"]
    assert "skip-reconcile is 'true'" in result["warnings"][0]
    assert await world.store.take_refresh_requests() == {}
    stored = await world.store.get_application(ApplicationId("argocd", "shop"))
    assert stored is not None and stored.annotations == {"argocd.argoproj.io/skip-reconcile": "true"}


async def test_fields_without_effect_are_told(world: World, admin: httpx2.AsyncClient) -> None:
    wanted = manifest(info=[{"name": "owner", "value": "ada"}])
    [result] = (await admin.post(APPLY, json=wanted)).json()["results"]
    assert any("spec.info" in warning for warning in result["warnings"])
    reply = await admin.post(APPLY, json=wanted, params={"strict": True})
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid")


async def test_a_changed_project_wakes_its_applications(world: World, admin: httpx2.AsyncClient) -> None:
    await admin.post(APPLY, content=text(PROJECT, manifest("a", project="money"), manifest("b")), headers=YAML)
    changed = PROJECT | {"spec": {"sourceRepos": ["https://git.example/*"]}}
    async with world.bus.subscribe("applications") as subscription:
        await admin.post(APPLY, content=text(changed), headers=YAML)
        assert await subscription.next(1) == [("applications", "argocd/a")]


@pytest.mark.parametrize(
    "body",
    ["", "---\n", "kind: [", "a: 1\na: 2", "{", "\x00", "- &a [*a]", "!!python/object:os.system {}"],
)
async def test_texts_that_hold_nothing_of_use(admin: httpx2.AsyncClient, body: str) -> None:
    reply = await admin.post(APPLY, content=body.encode(), headers=YAML)
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid")


async def test_a_text_that_grows_is_refused(admin: httpx2.AsyncClient) -> None:
    levels = [f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]" for n in range(8)]
    body = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "\n".join(levels)
    reply = await admin.post(APPLY, content=body, headers=YAML)
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid")


async def test_many_at_once_wait_their_turn_and_too_many_do_not(
    world: World, admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.api.applying, "_most", 0)
    reply = await admin.post(APPLY, json=manifest())
    assert (reply.status_code, reply.json()["error"]["code"]) == (429, "busy")


async def test_larger_texts_than_elsewhere_are_taken(admin: httpx2.AsyncClient) -> None:
    big = manifest()
    big["metadata"]["annotations"] = {"note": "x" * 200_000}
    comment = "# " + "x" * 3_000_000 + "\n"
    reply = await admin.post(APPLY, content=comment + text(big), headers=YAML)
    assert reply.status_code == 200, reply.text
    reply = await admin.post(APPLY, content=b"#" * (16 * 1024 * 1024 + 1), headers=YAML)
    assert reply.status_code == 413
