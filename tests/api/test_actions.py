"""Resource actions: listed for all clusters, run on one object, permitted, translated and written down."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from hub.access.roles import BuiltInRoles
from hub.domain.access import Account
from hub.domain.project import GroupKindRule, Project, ProjectDestination
from hub.errors import StoreUnavailable
from tests.api.kit import Agents, World

SHOP = "/api/v1/applications/shop"
ACTIONS = f"{SHOP}/actions"
KEY = ["apps", "Deployment", "shop", "web"]
JOB = ["batch", "Job", "shop", "tick-1"]
ROW = {
    "key": KEY,
    "actions": [
        {
            "name": "scale",
            "disabled": False,
            "display_name": "Scale",
            "icon_class": "",
            "params": [{"name": "scale", "value": "", "type": "", "default": ""}],
        }
    ],
    "error": "",
}
PATCHED = {"changed": [{"operation": "patch", "key": KEY}], "needs": [], "at": 1.0}
NOT_YET = {"changed": [], "needs": [JOB], "at": 1700000000.5}
CREATED = {"changed": [{"operation": "create", "key": JOB}], "needs": [], "at": 1700000000.5}
RESTART = {
    "group": "apps",
    "kind": "Deployment",
    "namespace": "shop",
    "name": "web",
    "action": "restart",
    "cluster": "paris",
}
CREATE = {
    "group": "batch",
    "kind": "CronJob",
    "namespace": "shop",
    "name": "tick",
    "action": "create-job",
    "cluster": "paris",
}


async def told(world: World) -> list[tuple[str, str, str]]:
    """Return the events about actions, oldest first: reason, actor, cluster."""
    events = await world.store.list_events(application="argocd/shop", limit=50)
    return [(e.reason, e.actor, e.cluster) for e in reversed(events) if e.reason.startswith("Action")]


async def message_of(world: World) -> str:
    return (await world.store.list_events(application="argocd/shop", limit=1))[0].message


# --- listing


async def test_the_actions_of_an_application(world: World, reader: httpx2.AsyncClient, agents: Agents) -> None:
    await world.shop()
    agents.answers["uid-paris"] = {"resources": [ROW], "truncated": False}
    selected = {"group": "apps", "kind": "Deployment", "resource_name": "web", "resource_namespace": "shop"}
    reply = await reader.get(ACTIONS, params=selected)
    oslo, paris = reply.json()["items"]
    assert oslo["error"]["code"] == "cluster-unreachable"
    assert (paris["error"], paris["truncated"]) == (None, False)
    [row] = paris["resources"]
    assert (row["group"], row["kind"], row["namespace"], row["name"]) == tuple(KEY)
    assert row["actions"] == ROW["actions"]
    [asked] = agents.asked
    assert asked["kind"] == "actions"
    assert asked["parameters"] == {"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "web"}


async def test_an_agent_that_is_too_old(world: World, admin: httpx2.AsyncClient, agents: Agents) -> None:
    await world.shop()
    agents.answers["uid-paris"] = ("unknown-question", "this agent cannot answer 'actions'")
    [paris] = (await admin.get(ACTIONS, params={"cluster": "paris"})).json()["items"]
    assert paris["error"]["code"] == "unknown-question" and "too old" in paris["error"]["message"]
    reply = await admin.post(ACTIONS, json=RESTART)
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "agent-too-old")
    assert "the agent of paris is too old" in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    "answer",
    [
        b"[]",
        {"resources": [{}]},
        {"resources": [{**ROW, "actions": [{}]}]},
        {"resources": [{**ROW, "actions": ["x"]}]},
        {"resources": [{**ROW, "key": ["a"]}]},
        {"resources": 1},
    ],
)
async def test_an_answer_that_is_none(world: World, admin: httpx2.AsyncClient, agents: Agents, answer: Any) -> None:
    await world.shop()
    agents.answers["uid-paris"] = answer
    [paris] = (await admin.get(ACTIONS, params={"cluster": "paris"})).json()["items"]
    assert paris["error"]["code"] == "malformed-answer" and paris["resources"] == []


# --- running


async def test_an_action_is_run_and_written_down(world: World, admin: httpx2.AsyncClient, agents: Agents) -> None:
    await world.shop()
    agents.answers["uid-paris"] = PATCHED
    reply = await admin.post(ACTIONS, json={**RESTART, "action": "scale", "parameters": {"scale": "s3cret"}})
    assert reply.status_code == 200, reply.text
    changed = {"operation": "patch", "group": "apps", "kind": "Deployment", "namespace": "shop", "name": "web"}
    assert reply.json() == {"cluster": "paris", "changed": [changed]}
    [asked] = agents.asked
    assert asked["kind"] == "run-action" and asked["application"] == "argocd/shop"
    assert asked["parameters"] == {
        **dict(zip(("group", "kind", "namespace", "name"), KEY, strict=True)),
        "action": "scale",
        "params": {"scale": "s3cret"},
        "permitted": [],
        "by": "admin",
    }
    who = ("admin", "uid-paris")
    assert await told(world) == [("ActionRequested", *who), ("ActionSucceeded", *who)]
    message = await message_of(world)
    assert (
        "scale on Deployment.apps/shop/web of application shop, with scale: patch Deployment.apps/shop/web" in message
    )
    assert "s3cret" not in message, "what is given to an action may be anything"


async def test_what_an_action_creates_is_permitted_first(
    world: World, admin: httpx2.AsyncClient, agents: Agents
) -> None:
    await world.shop()
    agents.answers["uid-paris"] = [NOT_YET, CREATED]
    reply = await admin.post(ACTIONS, json=CREATE)
    assert [c["operation"] for c in reply.json()["changed"]] == ["create"]
    first, second = (asked["parameters"] for asked in agents.asked)
    assert (first["permitted"], "at" in first) == ([], False)
    assert (second["permitted"], second["at"]) == ([JOB], 1700000000.5)


async def test_what_the_project_does_not_permit_is_not_done(
    world: World, admin: httpx2.AsyncClient, agents: Agents
) -> None:
    await world.shop()
    anywhere, denied = (ProjectDestination("*", "*", "*"),), (GroupKindRule("batch", "Job"),)
    project = Project("default", "", ("*",), destinations=anywhere, namespace_resource_blacklist=denied)
    await world.store.put_project(project)
    agents.answers["uid-paris"] = [NOT_YET, CREATED]
    reply = await admin.post(ACTIONS, json=CREATE)
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "action-refused")
    assert "does not permit Job.batch/shop/tick-1" in reply.json()["error"]["message"]
    assert len(agents.asked) == 1, "nobody was told that it might be created"
    assert (await told(world))[-1][0] == "ActionFailed"
    reply = await admin.post(ACTIONS, json={**CREATE, "kind": "Job"})
    assert reply.json()["error"]["code"] == "action-refused" and len(agents.asked) == 1


async def test_an_action_that_always_creates_something_else_comes_to_an_end(
    world: World, admin: httpx2.AsyncClient, agents: Agents
) -> None:
    await world.shop()
    agents.answers["uid-paris"] = [{**NOT_YET, "needs": [[*JOB[:3], f"tick-{n}"]]} for n in range(9)]
    reply = await admin.post(ACTIONS, json=CREATE)
    assert reply.json()["error"]["code"] == "action-refused" and len(agents.asked) == 3


@pytest.mark.parametrize(
    ("code", "status", "public"),
    [
        ("action-refused", 422, "action-refused"),
        ("bad-question", 422, "action-refused"),
        ("not-assigned", 404, "not-found"),
        ("object-not-found", 404, "not-found"),
        ("object-changes", 409, "conflict"),
        ("cluster", 504, "outcome-unknown"),
        ("timeout", 504, "outcome-unknown"),
        ("internal", 504, "outcome-unknown"),
        ("something-new", 504, "outcome-unknown"),
    ],
)
async def test_what_an_agent_refuses(
    world: World, admin: httpx2.AsyncClient, agents: Agents, code: str, status: int, public: str
) -> None:
    await world.shop()
    agents.answers["uid-paris"] = (code, "in words")
    reply = await admin.post(ACTIONS, json=RESTART)
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, public)
    assert "in words" in reply.json()["error"]["message"]
    assert (await told(world))[-1] == ("ActionFailed", "admin", "uid-paris")
    assert "in words" in await message_of(world)


@pytest.mark.parametrize("answer", [b"[]", {}, {**PATCHED, "needs": 3}, {**PATCHED, "changed": [{"operation": "eat"}]}])
async def test_an_outcome_that_cannot_be_read(
    world: World, admin: httpx2.AsyncClient, agents: Agents, answer: Any
) -> None:
    await world.shop()
    agents.answers["uid-paris"] = answer
    reply = await admin.post(ACTIONS, json=RESTART)
    assert (reply.status_code, reply.json()["error"]["code"]) == (504, "outcome-unknown")


async def test_a_database_that_goes_away_meanwhile_says_nothing_of_the_outcome(
    world: World, admin: httpx2.AsyncClient, agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.shop()
    agents.answers["uid-paris"] = PATCHED

    async def away(digests: Any) -> Any:
        raise StoreUnavailable("the database does not answer")

    monkeypatch.setattr(world.store, "get_blobs", away)
    reply = await admin.post(ACTIONS, json=RESTART)
    assert (reply.status_code, reply.json()["error"]["code"]) == (504, "outcome-unknown")
    assert len(agents.asked) == 1


async def test_an_event_names_the_object_whatever_the_parameters_are_called(
    world: World, admin: httpx2.AsyncClient, agents: Agents
) -> None:
    await world.shop()
    agents.answers["uid-paris"] = PATCHED
    await admin.post(ACTIONS, json={**RESTART, "parameters": {"a" * 600: ""}})
    assert "restart on Deployment.apps/shop/web of application shop" in await message_of(world)


async def test_an_agent_that_is_away_or_silent(
    world: World, admin: httpx2.AsyncClient, agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.api.acting.SECONDS", 0.05)
    monkeypatch.setattr("hub.fleet.desk.GRACE_SECONDS", 0.05)
    await world.shop()
    reply = await admin.post(ACTIONS, json={**RESTART, "cluster": "oslo"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "cluster-unreachable")
    assert agents.asked == [], "it is not run later, when nobody expects it"
    reply = await admin.post(ACTIONS, json=RESTART)
    assert (reply.status_code, reply.json()["error"]["code"]) == (504, "outcome-unknown")
    assert "look at the object before you run it again" in reply.json()["error"]["message"]


async def test_one_object_on_one_cluster(world: World, admin: httpx2.AsyncClient, agents: Agents) -> None:
    await world.shop()
    reply = await admin.post(ACTIONS, json={**RESTART, "cluster": ""})
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid")
    assert "is on oslo, paris: name the cluster" in reply.json()["error"]["message"]
    assert (await admin.post(ACTIONS, json={**RESTART, "cluster": "rome"})).status_code == 404
    await world.application("idle")
    reply = await admin.post("/api/v1/applications/idle/actions", json={**RESTART, "cluster": ""})
    assert reply.status_code == 422 and "is on no cluster" in reply.json()["error"]["message"]
    only = await world.application("only")
    await world.assign(only, "uid-paris")
    agents.answers["uid-paris"] = PATCHED
    reply = await admin.post("/api/v1/applications/only/actions", json={**RESTART, "cluster": ""})
    assert reply.json()["cluster"] == "paris"


@pytest.mark.parametrize(
    "changes",
    [
        {"action": ""},
        {"action": "restart/../sync"},
        {"kind": "Deployment/x"},
        {"group": "apps/v1"},
        {"name": ""},
        {"name": "x" * 254},
        {"parameters": {"a": 1}},
        {"parameters": {str(n): "x" for n in range(65)}},
        {"everything": True},
    ],
)
async def test_requests_that_name_no_action(
    world: World, admin: httpx2.AsyncClient, agents: Agents, changes: dict[str, Any]
) -> None:
    await world.shop()
    reply = await admin.post(ACTIONS, json={**RESTART, **changes})
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "bad-body")
    assert agents.asked == [] and await told(world) == []


async def test_parameters_are_bounded(world: World, admin: httpx2.AsyncClient, agents: Agents) -> None:
    await world.shop()
    reply = await admin.post(ACTIONS, json={**RESTART, "parameters": {"a": "x" * 10_000}})
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "too-large")


# --- who may


class Only(BuiltInRoles):
    """Lets everybody do one thing to one application."""

    def __init__(self, action: str) -> None:
        self._action = action
        self.asked: list[tuple[str, str, str]] = []

    def may(self, account: Account, resource: str, action: str, object: str = "*") -> bool:
        self.asked.append((resource, action, object))
        return action == self._action


async def test_it_takes_the_permission_for_this_action_on_this_kind(world: World, agents: Agents) -> None:
    await world.shop()
    agents.answers["uid-paris"] = PATCHED
    only = Only("action/apps/Deployment/restart")
    object.__setattr__(world.services, "authorizer", only)
    async with world.client("reader") as reader:
        assert (await reader.post(ACTIONS, json=RESTART)).status_code == 200
        assert only.asked[-1] == ("applications", "action/apps/Deployment/restart", "default/shop")
        for changes in ({"action": "scale"}, {"kind": "StatefulSet"}, {"group": ""}):
            reply = await reader.post(ACTIONS, json={**RESTART, **changes})
            assert (reply.status_code, reply.json()["error"]["code"]) == (403, "permission-denied")
    assert len(agents.asked) == 1


async def test_readers_look_and_do_nothing(world: World, reader: httpx2.AsyncClient, agents: Agents) -> None:
    await world.shop()
    assert (await reader.post(ACTIONS, json=RESTART)).status_code == 403
    assert agents.asked == [] and await told(world) == []
