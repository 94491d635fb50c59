"""Resource actions on a cluster: what they change, what they leave, and what they tell."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Any

import orjson
import pytest

from agent.engine.assignment import SyncPolicy
from agent.engine.resource import MANAGED_LABEL, TRACKING_ANNOTATION
from agent.hubclient.fetched import Question, QuestionFailed
from agent.kube.errors import Forbidden, KubeError, Rejected, Unreachable
from tests.syncer.cluster import Call, Cluster, People, until
from tests.syncer.harness import Hub, config_map, deployment
from tests.syncer.objects import crd, cron_job, group_of, secret, widget

ACTIONS = "resource.customizations.actions."
NO_HEALING = SyncPolicy(automated=True, prune=True)
RESTARTED = "kubectl.kubernetes.io/restartedAt"


def set_(hub: Hub, data: dict[str, str]) -> None:
    hub.syncer.take_settings(json.dumps(data, sort_keys=True).encode(), ())


def lua(action: str, discovery: str = "", name: str = "act") -> str:
    """Return the settings of a kind with one action."""
    discovery = discovery or f"return {{{name} = {{}}}}"
    return json.dumps({"discovery.lua": discovery, "definitions": [{"name": name, "action.lua": action}]})


async def ask(hub: Hub, about: str, /, **parameters: Any) -> Any:
    question = Question("q", hub.application(), about, orjson.dumps(parameters), 10)
    return orjson.loads(await hub.syncer.answer(question))


async def listed(hub: Hub, **selected: str) -> dict[str, set[str]]:
    """Return "Kind/name" → its actions that are not disabled."""
    answer = await ask(hub, "actions", **selected)
    assert not answer["truncated"]
    return {
        f"{r['key'][1]}/{r['key'][3]}": {a["name"] for a in r["actions"] if not a["disabled"]}
        for r in answer["resources"]
    }


async def act(hub: Hub, key: Any, action: str, **more: Any) -> Any:
    group, kind, namespace, name = key
    return await ask(hub, "run-action", group=group, kind=kind, namespace=namespace, name=name, action=action, **more)


async def refused(hub: Hub, key: Any, action: str, **more: Any) -> QuestionFailed:
    with pytest.raises(QuestionFailed) as failed:
        await act(hub, key, action, **more)
    return failed.value


# --- listing


async def test_actions_of_what_is_managed_and_of_what_that_owns(hub: Hub, cluster: Cluster, people: People) -> None:
    hub.assign([deployment("web"), cron_job("tick"), config_map("plain")])
    await people.create(deployment("strange"))
    await hub.synced()
    assert await listed(hub) == {
        "Deployment/web": {"pause", "restart", "scale"},
        "CronJob/tick": {"create-job", "suspend"},
    }
    assert set(await listed(hub, kind="CronJob")) == {"CronJob/tick"}
    assert set(await listed(hub, group="apps", name="web")) == {"Deployment/web"}
    assert await listed(hub, namespace="elsewhere") == {}
    set_(hub, {f"{ACTIONS}Pod": lua("return obj")})
    (pod,) = await listed(hub, kind="Pod")
    assert pod.startswith("Pod/web-")
    # Of what is only looked through nothing but metadata is read: a namespace may be large.
    assert {call.kind for call in cluster.client.calls if call.verb == "list"}.isdisjoint({"Pod", "ReplicaSet"})


async def test_actions_tell_what_they_ask_for_and_which_make_no_sense_now(hub: Hub) -> None:
    hub.assign([deployment("web")])
    await hub.synced()
    (row,) = (await ask(hub, "actions"))["resources"]
    actions = {action["name"]: action for action in row["actions"]}
    assert actions["scale"]["params"] == [{"name": "scale", "value": "", "type": "", "default": ""}]
    assert actions["resume"]["disabled"] and not actions["pause"]["disabled"]


async def test_a_script_that_fails_and_an_object_that_may_not_be_read_hide_no_others(
    hub: Hub, cluster: Cluster
) -> None:
    hub.assign([config_map("a"), deployment("web"), deployment("other")])
    await hub.synced()
    set_(hub, {f"{ACTIONS}ConfigMap": lua("return obj", "error('no luck')")})
    cluster.client.trouble = lambda call: Forbidden("not yours") if call.name == "other" else None
    rows = {row["key"][3]: row for row in (await ask(hub, "actions"))["resources"]}
    assert "no luck" in rows["a"]["error"] and "not yours" in rows["other"]["error"]
    assert rows["web"]["actions"] and not rows["web"]["error"]


# --- patching


async def test_a_restart_is_no_drift(hub: Hub, people: People) -> None:
    hub.assign([deployment("web")])
    await hub.synced()
    key = hub.key("Deployment", "web", "apps")
    answer = await act(hub, key, "restart")
    assert answer["changed"] == [{"operation": "patch", "key": list(key)}] and not answer["needs"]
    live = await people.get(key)
    assert live is not None and RESTARTED in live["spec"]["template"]["metadata"]["annotations"]
    await hub.idle()
    hub.assign([deployment("web", 2)])
    await hub.wait(lambda s: s.generation == 2 and s.sync == "Synced")
    live = await people.get(key)
    assert live is not None and RESTARTED in live["spec"]["template"]["metadata"]["annotations"]
    assert hub.drifts == [], "neither the restart nor the sync after it took anything from the other"


async def test_what_git_holds_stays_gits(hub: Hub, people: People) -> None:
    hub.assign([deployment("web", 1)], policy=NO_HEALING)
    await hub.synced()
    key = hub.key("Deployment", "web", "apps")
    await act(hub, key, "scale", params={"scale": "3"})
    status = await hub.wait(lambda s: s.sync == "OutOfSync")
    (drift,) = status.resources[0].drift
    assert (drift.path, drift.assigned, drift.live, drift.manager) == ("/spec/replicas", "1", "3", "escadre-action")
    live = await people.get(key)
    owned = {
        e["manager"]: e["fieldsV1"]["f:spec"]
        for e in (live or {})["metadata"]["managedFields"]
        if "f:spec" in e["fieldsV1"]
    }
    assert owned["escadre-action"] == {"f:replicas": {}}, "of all else it owns nothing"
    hub.assign([deployment("web", 1)])
    await hub.healed()
    live = await people.get(key)
    assert live is not None and live["spec"]["replicas"] == 1


async def test_an_object_that_changes_meanwhile_is_read_again(hub: Hub, cluster: Cluster, people: People) -> None:
    hub.assign([config_map("a", {"n": "0"})])
    await hub.synced()
    set_(hub, {f"{ACTIONS}ConfigMap": lua("obj.data.seen = obj.data.other or 'nothing'; return obj")})
    key = hub.key("ConfigMap", "a")
    meddled = 0

    async def meddle(call: Call) -> None:
        nonlocal meddled
        if call.verb == "patch" and meddled < 1:
            meddled += 1
            await people.edit(key, {"data": {"other": "theirs"}})

    cluster.client.gate = meddle
    await act(hub, key, "act")
    live = await people.get(key)
    assert live is not None and live["data"]["seen"] == "theirs"


async def test_another_object_that_comes_in_its_place_is_left_alone(hub: Hub, cluster: Cluster, people: People) -> None:
    """Somebody made one of the name, which is no application's."""
    hub.assign([config_map("a")], policy=NO_HEALING)
    await hub.synced()
    set_(hub, {f"{ACTIONS}ConfigMap": lua("obj.data.seen = 'yes'; return obj")})
    key = hub.key("ConfigMap", "a")
    replaced = False

    async def replace(call: Call) -> None:
        nonlocal replaced
        if (call.verb, call.name, replaced) == ("get", "a", False):
            replaced = True
            await people.remove(key)
            await people.gone(key)
            await people.create(config_map("a", {"k": "theirs"}))

    cluster.client.gate = replace
    failed = await refused(hub, key, "act")
    assert failed.code == "object-not-found" and "is not there any more" in failed.message
    live = await people.get(key)
    assert live is not None and live["data"] == {"k": "theirs"}


async def test_an_object_that_never_holds_still_is_left_alone(hub: Hub, cluster: Cluster, people: People) -> None:
    hub.assign([config_map("a")])
    await hub.synced()
    set_(hub, {f"{ACTIONS}ConfigMap": lua("obj.data.seen = 'yes'; return obj")})
    key = hub.key("ConfigMap", "a")
    tries = 0

    async def meddle(call: Call) -> None:
        nonlocal tries
        if call.verb == "patch":
            tries += 1
            await people.edit(key, {"metadata": {"annotations": {"try": str(tries)}}})

    cluster.client.gate = meddle
    assert (await refused(hub, key, "act")).code == "object-changes"
    live = await people.get(key)
    assert live is not None and "seen" not in live["data"] and tries == 5


async def test_nothing_is_written_where_nothing_changes(hub: Hub, cluster: Cluster) -> None:
    hub.assign([deployment("web")])
    await hub.synced()
    set_(hub, {f"{ACTIONS}apps_Deployment": lua("return obj")})
    cluster.client.calls.clear()
    assert (await act(hub, hub.key("Deployment", "web", "apps"), "act"))["changed"] == []
    assert cluster.client.named("patch") == []


@pytest.mark.parametrize("subresource", [True, False])
async def test_a_status_is_written_whether_the_kind_keeps_it_apart_or_not(
    hub: Hub, people: People, subresource: bool
) -> None:
    definition = crd(hub.namespace)
    if subresource:
        definition["spec"]["versions"][0]["subresources"] = {"status": {}}
    people.leave(definition)
    hub.assign([definition, widget(hub.namespace, "w", size=1)])
    await hub.synced()
    kind = f"{ACTIONS}{group_of(hub.namespace)}_Widget"
    key = hub.key("Widget", "w", group_of(hub.namespace))
    set_(hub, {kind: lua("obj.status = {abort = true, step = 2}; obj.spec.note = 'x'; return obj")})
    await act(hub, key, "act")
    live = await people.get(key)
    assert live is not None and live["status"] == {"abort": True, "step": 2} and live["spec"]["note"] == "x"
    set_(hub, {kind: lua("obj.status.abort = nil; return obj")})
    await act(hub, key, "act")
    live = await people.get(key)
    assert live is not None and live["status"] == {"step": 2}
    assert live["spec"] == {"size": 1, "note": "x"}


async def test_what_others_change_between_the_status_and_the_rest_is_not_overwritten(
    hub: Hub, cluster: Cluster, people: People
) -> None:
    """As a controller does that has just been told by the status: a list is written whole."""
    definition = crd(hub.namespace)
    definition["spec"]["versions"][0]["subresources"] = {"status": {}}
    people.leave(definition)
    hub.assign([definition, widget(hub.namespace, "w", size=1)], policy=NO_HEALING)
    await hub.synced()
    key = hub.key("Widget", "w", group_of(hub.namespace))
    script = lua("obj.status = {abort = true}; obj.spec.steps = {'mine'}; return obj")
    set_(hub, {f"{ACTIONS}{group_of(hub.namespace)}_Widget": script})

    async def meddle(call: Call) -> None:
        if len(cluster.client.named("patch")) == 1 and call.verb == "patch":
            await people.edit(key, {"spec": {"steps": ["theirs"]}})

    cluster.client.gate = meddle
    failed = await refused(hub, key, "act")
    assert failed.code == "action-refused" and "its status was changed before that" in failed.message
    live = await people.get(key)
    assert live is not None and live["spec"]["steps"] == ["theirs"] and live["status"] == {"abort": True}


async def test_a_rollout_is_aborted_and_promoted(hub: Hub, people: People) -> None:
    definition = crd(hub.namespace)
    definition["metadata"]["name"] = "rollouts.argoproj.io"
    definition["spec"]["group"] = "argoproj.io"
    definition["spec"]["names"] = {
        "kind": "Rollout",
        "plural": "rollouts",
        "singular": "rollout",
        "listKind": "Rollouts",
    }
    definition["spec"]["versions"][0] |= {"name": "v1alpha1", "subresources": {"status": {}}}
    people.leave(definition)
    steps = [{"setWeight": 20}, {"pause": {}}]
    rollout = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "web"},
        "spec": {"strategy": {"canary": {"steps": steps}}, "replicas": 1},
    }
    hub.assign([definition, rollout])
    await hub.wait(lambda s: s.sync == "Synced" and s.synced_manifest_set == s.manifest_set)
    key = hub.key("Rollout", "web", "argoproj.io")
    assert (await listed(hub))["Rollout/web"] >= {"abort", "promote-full", "restart"}
    await act(hub, key, "abort")
    live = await people.get(key)
    assert live is not None and live["status"] == {"abort": True}
    assert "retry" in (await listed(hub))["Rollout/web"]
    await act(hub, key, "retry")
    await act(hub, key, "promote-full")
    live = await people.get(key)
    assert live is not None and live["status"] == {"abort": False, "promoteFull": True}
    assert hub.drifts == []


# --- creating


async def test_a_job_is_made_of_a_cron_job(hub: Hub, people: People) -> None:
    hub.assign([cron_job("tick")])
    await hub.synced()
    key = hub.key("CronJob", "tick", "batch")
    answer = await act(hub, key, "create-job")
    (needed,) = answer["needs"]
    assert needed[:3] == ["batch", "Job", hub.namespace] and answer["changed"] == []
    assert await people.list("batch", "Job") == [], "nobody has permitted it yet"
    answer = await act(hub, key, "create-job", permitted=[needed], at=answer["at"])
    assert answer["changed"] == [{"operation": "create", "key": needed}]
    (job,) = await people.list("batch", "Job")
    assert job["metadata"]["name"] == needed[3] and job["metadata"]["labels"]["made"] == "by-hand"
    assert job["metadata"]["ownerReferences"][0]["name"] == "tick"
    nodes = (await ask(hub, "tree"))["nodes"]
    assert ["batch", "Job"] in [node["key"][:2] for node in nodes]
    names = await listed(hub, kind="Job")
    assert list(names) == [f"Job/{needed[3]}"]
    failed = await refused(hub, key, "create-job", permitted=[needed], at=answer["at"])
    assert (
        failed.code == "action-refused" and "already exists" in failed.message and "nothing was done" in failed.message
    )


async def test_what_a_script_copies_is_not_taken_for_the_applications_own(hub: Hub, people: People) -> None:
    hub.assign([config_map("a", annotations={"mine": "1"})])
    await hub.synced()
    script = """
    copy = {apiVersion = "v1", kind = "ConfigMap", data = obj.data, metadata = {}}
    for name, value in pairs(obj.metadata) do copy.metadata[name] = value end
    copy.metadata.name = "b"
    obj.data.copied = "yes"
    return {{operation = "create", resource = copy}, {operation = "patch", resource = obj}}
    """
    set_(hub, {f"{ACTIONS}ConfigMap": lua(script)})
    key, made = hub.key("ConfigMap", "a"), hub.key("ConfigMap", "b")
    answer = await act(hub, key, "act", permitted=[list(made)])
    assert [c["operation"] for c in answer["changed"]] == ["patch", "create"]
    copy = await people.get(made)
    assert copy is not None and copy["metadata"]["annotations"] == {"mine": "1"}
    assert MANAGED_LABEL not in copy["metadata"].get("labels", {})
    assert TRACKING_ANNOTATION not in copy["metadata"]["annotations"]
    live = await people.get(key)
    assert live is not None and live["data"]["copied"] == "yes"


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ("{apiVersion = 'v1', kind = 'ConfigMap', metadata = {name = 'NO'}}", "NO"),
        ("{apiVersion = 'v1', kind = 'ConfigMap'}", "without apiVersion, kind or name"),
        ("{apiVersion = 'v9', kind = 'Wonder', metadata = {name = 'w'}}", "the cluster does not serve"),
        ("{apiVersion = 'v1', kind = 'Endpoints', metadata = {name = 'w'}}", "the system-wide settings exclude"),
    ],
)
async def test_what_cannot_be_created_leaves_everything_as_it_is(
    hub: Hub, cluster: Cluster, made: str, told: str
) -> None:
    hub.assign([config_map("a")])
    await hub.synced()
    operations = f"{{operation = 'patch', resource = obj}}, {{operation = 'create', resource = {made}}}"
    set_(hub, {f"{ACTIONS}ConfigMap": lua(f"obj.data.x = 'y'; return {{{operations}}}")})
    cluster.client.calls.clear()
    permitted = [["", "ConfigMap", hub.namespace, "NO"]]
    failed = await refused(hub, hub.key("ConfigMap", "a"), "act", permitted=permitted)
    assert failed.code == "action-refused" and told in failed.message
    assert cluster.client.writes == []


# --- what is refused


async def test_only_the_applications_own_objects(hub: Hub, people: People) -> None:
    hub.assign([deployment("web")])
    await people.create(deployment("strange"))
    await hub.synced()
    for name in ("strange", "nothing"):
        failed = await refused(hub, hub.key("Deployment", name, "apps"), "restart")
        assert failed.code == "object-not-found" and f"{name}" in failed.message


@pytest.mark.parametrize(
    ("action", "params", "told"),
    [
        ("explode", {}, "has no action 'explode'"),
        ("resume", {}, "makes no sense"),
        ("scale", {"scale": "many"}, "'many'"),
        ("restart", {"scale": "1"}, "no parameter 'scale'"),
    ],
)
async def test_actions_that_cannot_be_run(hub: Hub, action: str, params: Any, told: str) -> None:
    hub.assign([deployment("web")])
    await hub.synced()
    failed = await refused(hub, hub.key("Deployment", "web", "apps"), action, params=params)
    assert failed.code == "action-refused" and told in failed.message


async def test_a_script_may_not_turn_to_another_object(hub: Hub, people: People) -> None:
    hub.assign([config_map("a"), config_map("b")])
    await hub.synced()
    set_(hub, {f"{ACTIONS}ConfigMap": lua("obj.metadata.name = 'b'; obj.data.k = 'w'; return obj")})
    failed = await refused(hub, hub.key("ConfigMap", "a"), "act")
    assert failed.code == "action-refused" and "another object" in failed.message
    set_(
        hub,
        {f"{ACTIONS}ConfigMap": lua("return {{operation='patch', resource=obj}, {operation='patch', resource=obj}}")},
    )
    assert "more than once" in (await refused(hub, hub.key("ConfigMap", "a"), "act")).message


async def test_what_the_cluster_refuses_is_told(hub: Hub, cluster: Cluster) -> None:
    hub.assign([deployment("web")])
    await hub.synced()
    key = hub.key("Deployment", "web", "apps")
    cluster.client.trouble = lambda call: Forbidden("not yours") if call.verb == "patch" else None
    failed = await refused(hub, key, "restart")
    assert failed.code == "action-refused" and "not yours (Forbidden: grant" in failed.message
    cluster.client.trouble = lambda call: Unreachable("down") if call.verb == "patch" else None
    assert (await refused(hub, key, "restart")).code == "cluster"
    set_(hub, {f"{ACTIONS}apps_Deployment": lua("obj.spec.replicaz = 3; return obj")})
    cluster.client.trouble = None
    failed = await refused(hub, key, "act")
    assert failed.code == "action-refused" and "replicaz" in failed.message


@pytest.mark.parametrize(
    "parameters",
    [
        {"kind": "ConfigMap", "name": "a"},
        {"kind": "ConfigMap", "name": "a", "action": 3},
        {"kind": "ConfigMap", "name": "a", "action": "x", "params": {"a": 1}},
        {"kind": "ConfigMap", "name": "a", "action": "x", "permitted": ["a"]},
        {"kind": "ConfigMap", "name": "a", "action": "x", "at": "yesterday"},
        {"kind": "ConfigMap", "name": "a" * 2000, "action": "x"},
    ],
)
async def test_wishes_that_make_no_sense(hub: Hub, parameters: Any) -> None:
    hub.assign([config_map("a")])
    with pytest.raises(QuestionFailed) as failed:
        await ask(hub, "run-action", **parameters)
    assert failed.value.code == "bad-question"


# --- secrets

SWORDFISH = "c3dvcmRmaXNo"


async def test_nothing_of_a_secret_gets_into_what_is_told(hub: Hub, cluster: Cluster, people: People) -> None:
    hub.assign([secret("s", password="swordfish")])
    await hub.synced()
    key = hub.key("Secret", "s")
    leaky = "return {act = {displayName = obj.data.password, params = {{name = 'p', default = obj.data.password}}}}"
    set_(hub, {f"{ACTIONS}Secret": lua("error(obj.data.password)", leaky)})
    (row,) = (await ask(hub, "actions"))["resources"]
    assert row["actions"][0]["name"] == "act" and SWORDFISH not in str(row)
    failed = await refused(hub, key, "act")
    assert failed.code == "action-refused" and "not told" in failed.message and SWORDFISH not in failed.message
    failed = await refused(hub, key, "guess")
    assert "there are act" in failed.message
    set_(hub, {f"{ACTIONS}Secret": lua("obj.data.password = obj.data.password .. '?'; return obj")})
    failed = await refused(hub, key, "act")
    assert failed.code == "action-refused" and "c3dv" not in failed.message
    set_(hub, {f"{ACTIONS}Secret": lua("obj.data.copy = obj.data.password; return obj")})
    assert SWORDFISH not in str(await act(hub, key, "act"))
    live = await people.get(key)
    assert live is not None and live["data"] == {"password": SWORDFISH, "copy": SWORDFISH}


@pytest.mark.parametrize("verb", ["patch", "create"])
@pytest.mark.parametrize(("error", "code"), [(Rejected, "action-refused"), (Unreachable, "cluster")])
async def test_what_an_api_server_says_of_a_secret_is_not_quoted(
    hub: Hub, cluster: Cluster, verb: str, error: type[KubeError], code: str
) -> None:
    hub.assign([secret("s", password="swordfish")])
    await hub.synced()
    made = "{apiVersion = 'v1', kind = 'ConfigMap', metadata = {name = 'b'}, data = {k = obj.data.password}}"
    operations = f"{{operation = 'patch', resource = obj}}, {{operation = 'create', resource = {made}}}"
    set_(hub, {f"{ACTIONS}Secret": lua(f"obj.data.copy = obj.data.password; return {{{operations}}}")})
    quoting = error(f"Invalid value: {SWORDFISH!r}")
    cluster.client.trouble = lambda call: quoting if call.verb == verb else None
    permitted = [["", "ConfigMap", hub.namespace, "b"]]
    failed = await refused(hub, hub.key("Secret", "s"), "act", permitted=permitted)
    assert failed.code == code and SWORDFISH not in failed.message
    done = "it may have been done" if (error, verb) == (Unreachable, "patch") else "nothing was done"
    assert failed.message.endswith(done)


async def test_an_action_does_not_hold_up_a_sync(hub: Hub, cluster: Cluster) -> None:
    hub.assign([deployment("web"), config_map("a")])
    await hub.synced()
    go, held = asyncio.Event(), asyncio.Event()

    async def hold(call: Call) -> None:
        if call.verb == "patch":
            held.set()
            await go.wait()

    cluster.client.gate = hold
    task = asyncio.create_task(act(hub, hub.key("Deployment", "web", "apps"), "restart"))
    await held.wait()
    await hub.synced_to(hub.assign([deployment("web"), config_map("a", {"k": "2"})]))
    assert not task.done()
    go.set()
    assert (await task)["changed"]
    await until(lambda: ask(hub, "tree"), bool)


async def test_an_answer_that_is_lost_leaves_the_outcome_open(hub: Hub, cluster: Cluster) -> None:
    hub.assign([cron_job("tick")])
    await hub.synced()
    key = hub.key("CronJob", "tick", "batch")
    answer = await act(hub, key, "create-job")

    def lose(call: Call) -> Unreachable | None:
        return Unreachable("no answer within 30 s") if call.verb == "create" and not call.dry_run else None

    cluster.client.trouble = lose
    failed = await refused(hub, key, "create-job", permitted=answer["needs"], at=answer["at"])
    assert failed.code == "cluster" and "no answer within 30 s" in failed.message


async def test_an_action_changes_so_many_objects_and_no_more(hub: Hub, cluster: Cluster) -> None:
    hub.assign([config_map("a")])
    await hub.synced()
    script = """
    made = {}
    for n = 1, 21 do
      resource = {apiVersion = "v1", kind = "ConfigMap", metadata = {name = "n" .. n}}
      made[n] = {operation = "create", resource = resource}
    end
    return made
    """
    set_(hub, {f"{ACTIONS}ConfigMap": lua(script)})
    failed = await refused(hub, hub.key("ConfigMap", "a"), "act")
    assert failed.code == "action-refused" and "more than 20 objects" in failed.message


async def test_scripts_that_cannot_be_read_are_told_and_take_no_others_with_them(hub: Hub) -> None:
    hub.assign([config_map("a"), deployment("web")])
    await hub.synced()
    set_(hub, {f"{ACTIONS}ConfigMap": "definitions: x", f"{ACTIONS}apps_Deployment": lua("return obj")})
    (problem,) = hub.syncer.settings.current.problems
    assert problem.startswith("actions: resource.customizations.actions.ConfigMap: definitions is no list")
    assert await listed(hub) == {"Deployment/web": {"act"}}


def test_an_agent_that_nobody_asks_does_not_load_them() -> None:
    read = "from agent.engine.settings import read_settings; read_settings({'resource.exclusions': '[]'}, (), eval)"
    script = f"import sys, agent.agent; {read}; print([name for name in sys.modules if 'actions' in name])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
