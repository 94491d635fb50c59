"""What people ask of a cluster: what differs, what is there, what belongs to what."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from agent.hubclient.fetched import Question, QuestionFailed
from agent.kube.errors import Forbidden, Unreachable
from tests.syncer.cluster import Cluster, People
from tests.syncer.harness import MANUAL, Hub, config_map, deployment, manifest_set
from tests.syncer.objects import secret, widget


async def ask(hub: Hub, kind: str, **parameters: Any) -> Any:
    question = Question("q", hub.application(), kind, orjson.dumps(parameters), 10)
    return orjson.loads(await hub.syncer.answer(question))


async def test_diff_tells_what_a_sync_would_do(hub: Hub, people: People) -> None:
    hub.assign([config_map("same"), config_map("changed"), config_map("gone")])
    await hub.synced()
    before = hub.assign([config_map("same"), config_map("changed", {"k": "2"}), config_map("new")], policy=MANUAL)
    await hub.wait(lambda s: s.generation == before.generation and s.sync == "OutOfSync")
    rows = {row["key"][3]: row for row in (await ask(hub, "diff"))["resources"]}
    assert {name: row["change"] for name, row in rows.items()} == {
        "changed": "update",
        "new": "create",
        "gone": "prune",
    }
    assert "-  k: v" in rows["changed"]["diff"] or "-  k: v\n" in rows["changed"]["diff"], rows["changed"]["diff"]
    assert "managedFields" not in rows["changed"]["diff"]


async def test_diff_against_another_set(hub: Hub) -> None:
    hub.assign([config_map("a", {"k": "2"})])
    await hub.synced()
    ref, blobs = manifest_set([config_map("a", {"k": "1"})])
    with pytest.raises(QuestionFailed) as failed:
        await ask(hub, "diff", manifest_set=ref.digest, resources=1)
    assert failed.value.code == "not-here"
    hub.storage.save_blobs(blobs)
    rows = (await ask(hub, "diff", manifest_set=ref.digest, resources=1))["resources"]
    assert [(r["change"], r["key"][3]) for r in rows] == [("update", "a")]


async def test_diff_against_a_set_that_was_fetched_for_it_leaves_nothing_on_the_disk(hub: Hub) -> None:
    hub.assign([config_map("a", {"k": "2"}), config_map("b")])
    await hub.synced()
    ref, blobs = manifest_set([config_map("a", {"k": "1"}), config_map("new")])
    parameters = orjson.dumps({"manifest_set": ref.digest, "resources": 2})
    rows = orjson.loads(await hub.syncer.answer(Question("q", hub.application(), "diff", parameters, 10), blobs))
    changes = {row["key"][3]: row["change"] for row in rows["resources"]}
    assert changes == {"a": "update", "new": "create", "b": "prune"}
    assert set(hub.storage.missing_blobs(list(blobs))) == set(blobs)


async def test_diff_of_what_goes_to_a_namespace_that_is_not_there_yet(hub: Hub) -> None:
    hub.assign([config_map("a", namespace="nowhere-yet")], policy=MANUAL)
    await hub.wait(lambda s: s.sync == "OutOfSync")
    (row,) = (await ask(hub, "diff"))["resources"]
    assert (row["change"], row["message"]) == ("create", "") and "+  k: v" in row["diff"]


async def test_an_application_that_is_as_assigned_has_no_diff(hub: Hub) -> None:
    hub.assign([config_map("a"), deployment("web", 2), secret("s", k="v")])
    await hub.synced()
    assert await ask(hub, "diff") == {"resources": []}


async def test_diff_of_what_cannot_be_asked_about_says_so(hub: Hub, cluster: Cluster) -> None:
    hub.assign([config_map("a"), config_map("b"), widget(hub.namespace, "w")], policy=MANUAL)
    await hub.wait(lambda s: s.sync == "OutOfSync")
    cluster.client.trouble = lambda call: Forbidden("not yours") if call.name == "b" else None
    rows = {row["key"][3]: row for row in (await ask(hub, "diff"))["resources"]}
    assert {name: row["change"] for name, row in rows.items()} == {"a": "create", "b": "error", "w": "error"}
    assert "not yours" in rows["b"]["message"] and "does not serve" in rows["w"]["message"]


async def test_live_objects_are_masked_and_brief(hub: Hub) -> None:
    hub.assign([config_map("a"), secret("s", password="swordfish")])
    await hub.synced()
    answer = await ask(hub, "live")
    assert {o["kind"] for o in answer["objects"]} == {"ConfigMap", "Secret"}
    text = orjson.dumps(answer)
    assert b"c3dvcmRmaXNo" not in text and b"swordfish" not in text and b"managedFields" not in text


async def test_secrets_are_masked_in_a_diff(hub: Hub, people: People) -> None:
    hub.assign([secret("s", password="swordfish", same="tunafish")])
    await hub.synced()
    hub.assign([secret("s", password="sturgeon", same="tunafish")], policy=MANUAL)
    await hub.wait(lambda s: s.generation == 2 and s.sync == "OutOfSync")
    rows = (await ask(hub, "diff"))["resources"]
    assert [row["change"] for row in rows] == ["update"] and "password" in rows[0]["diff"]
    for value in ("swordfish", "c3dvcmRmaXNo", "sturgeon", "c3R1cmdlb24=", "dHVuYWZpc2g="):
        assert value not in rows[0]["diff"]


async def test_tree_shows_what_is_owned(hub: Hub) -> None:
    hub.assign([config_map("a"), deployment("web", 2)])
    await hub.synced()
    nodes = (await ask(hub, "tree"))["nodes"]
    kinds = sorted(node["key"][1] for node in nodes)
    assert kinds == ["ConfigMap", "Deployment", "Pod", "Pod", "ReplicaSet"]
    by_uid = {node["uid"]: node for node in nodes}
    pod = next(node for node in nodes if node["key"][1] == "Pod")
    assert by_uid[pod["parent"]]["key"][1] == "ReplicaSet" and pod["health"] == "Healthy" and not pod["managed"]
    assert by_uid[by_uid[pod["parent"]]["parent"]]["managed"]


async def test_tree_goes_on_without_what_may_not_be_listed(hub: Hub, cluster: Cluster) -> None:
    hub.assign([deployment("web")])
    await hub.synced()
    cluster.client.trouble = lambda call: Forbidden("no") if (call.verb, call.kind) == ("list", "Pod") else None
    nodes = (await ask(hub, "tree"))["nodes"]
    assert sorted(node["key"][1] for node in nodes) == ["Deployment", "ReplicaSet"]


@pytest.mark.parametrize(
    ("kind", "parameters", "code"),
    [
        ("guess", b"{}", "unknown-question"),
        ("diff", b"not json", "bad-question"),
        ("diff", b"[1]", "bad-question"),
        ("diff", b'{"manifest_set": "00", "resources": "many"}', "bad-question"),
        ("diff", b'{"manifest_set": 5}', "bad-question"),
    ],
)
async def test_questions_that_make_no_sense(hub: Hub, kind: str, parameters: bytes, code: str) -> None:
    hub.assign([config_map("a")])
    await hub.synced()
    with pytest.raises(QuestionFailed) as failed:
        await hub.syncer.answer(Question("q", hub.application(), kind, parameters, 10))
    assert failed.value.code == code


async def test_questions_nobody_can_answer(hub: Hub, cluster: Cluster) -> None:
    with pytest.raises(QuestionFailed) as failed:
        await ask(hub, "diff")
    assert failed.value.code == "not-assigned"
    hub.assign([config_map("a")])
    await hub.synced()
    cluster.client.trouble = lambda call: Unreachable("connection refused")
    with pytest.raises(QuestionFailed) as failed:
        await ask(hub, "live")
    assert failed.value.code == "cluster"


async def test_a_question_does_not_hold_up_a_sync(hub: Hub, cluster: Cluster) -> None:
    hub.assign([config_map("a")])
    await hub.synced()
    go = asyncio.Event()

    async def hold(call: Any) -> None:
        if call.verb == "get":
            await go.wait()

    cluster.client.gate = hold
    question = asyncio.create_task(ask(hub, "live"))
    await hub.synced_to(hub.assign([config_map("a", {"k": "2"})]))
    assert not question.done()
    go.set()
    assert len((await question)["objects"]) == 1
