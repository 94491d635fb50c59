"""The agent's own process against a real API server, with the rights it is installed with, enrolled over HTTPS."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.domain.settings import SETTING, SystemSettings
from tests.integration.agent_process import AgentProcess
from tests.integration.road import Road
from tests.syncer.harness import config_map, deployment
from tests.syncer.objects import crd, cron_job, group_of, namespace, secret, widget

pytestmark = [pytest.mark.controlplane, pytest.mark.slow]

REST_MEGABYTES = 80
"""Far above what `make bench` measures: what would show here is a leak, or a heavy import."""


async def test_it_joins_syncs_heals_and_ends(road: Road) -> None:
    first = await road.open(config_map("settings", {"k": "1"}), deployment("web", 2), secret("s", password="x"))
    status = await road.synced(first)
    assert status.total == 3 and status.operation is not None and status.operation.initiated_by == "automated"

    await road.edit("settings", {"data": {"k": "hacked"}})
    drift = (await road.drifts(1))[0]
    assert [(f.path, f.assigned, f.live, f.manager) for f in drift.fields] == [
        ("/data/k", '"1"', '"hacked"', "kubectl-edit")
    ]
    await road.value("settings", "1")

    second = await road.commit(config_map("settings", {"k": "2"}), deployment("web", 2))
    await road.fleet.refresh(road.name)
    await road.synced(second)
    await road.value("settings", "2")
    assert await road.get("s", "secrets") is None

    assert await road.agent.stop() == 0
    assert "Traceback" not in road.agent.words() and "password" not in road.agent.words()


async def test_started_again_it_needs_no_token_and_takes_up_what_was_missed(road: Road, tmp_path: Path) -> None:
    await road.synced(await road.open(config_map("settings", {"k": "1"})))
    assert await road.agent.stop() == 0
    (tmp_path / "token").unlink()
    await road.edit("settings", {"data": {"k": "hacked"}})
    revision = await road.commit(config_map("settings", {"k": "1"}), config_map("more", {"k": "1"}))
    await road.fleet.refresh(road.name)
    await road.agent.start(*road.cluster)
    await road.synced(revision)
    await road.value("settings", "1")
    assert await road.agent.stop() == 0


async def test_killed_it_goes_on(road: Road) -> None:
    await road.synced(await road.open(config_map("settings", {"k": "1"})))
    for round in range(3):
        revision = await road.commit(*(config_map(f"c{n}", {"k": str(round)}) for n in range(40)))
        await road.fleet.refresh(road.name)
        # In the middle of it: some of the forty are there, and the rest is not.
        await road.value("c0", str(round))
        await road.agent.kill()
        await road.agent.start()
        await road.synced(revision)
        await road.value("c39", str(round))


async def test_without_the_hub_it_heals_from_disk(road: Road) -> None:
    await road.synced(await road.open(config_map("settings", {"k": "1"})))
    await road.fleet.stop_hub()
    await road.edit("settings", {"data": {"k": "hacked"}})
    await road.value("settings", "1")
    # Else an agent that is killed goes on with the first one, and both edits are one report.
    await road.agent.closed_drifts(1)
    await road.agent.kill()
    await road.edit("settings", {"data": {"k": "hacked again"}})
    await road.agent.start()
    await road.value("settings", "1")
    await road.fleet.start()
    await road.connected()
    drifts = await road.drifts(2)
    assert all(drift.hub_away for drift in drifts)


async def test_its_rights_are_enough_for_every_kind(road: Road) -> None:
    team = f"{road.namespace}-team"
    name = {"name": road.namespace}
    rules = [{"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]}]
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": road.namespace}
    version = "rbac.authorization.k8s.io/v1"
    # What is deleted in the foreground waits for the cluster's garbage collector, and that looks for kinds that are new
    # to it every 30 s only; the definition, in turn, stays until the last of its objects is gone.
    policy = {"automated": {"prune": True}, "syncOptions": ["PrunePropagationPolicy=background"]}
    revision = await road.open(
        namespace(team),
        config_map("a", namespace=team),
        crd(road.namespace),
        widget(road.namespace, "w"),
        {"apiVersion": version, "kind": "ClusterRole", "metadata": name, "rules": rules},
        {"apiVersion": version, "kind": "RoleBinding", "metadata": name, "roleRef": reference, "subjects": []},
        {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": name, "value": 5},
        syncPolicy=policy,
    )
    assert (await road.synced(revision)).total == 7
    # All of it can be taken away again.
    empty = await road.commit(config_map("only", {"k": "1"}))
    await road.fleet.refresh(road.name)
    # Namespaces and definitions go in steps of five seconds.
    await road.synced(empty, timeout=60)
    for path in (
        f"/api/v1/namespaces/{team}",
        f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group_of(road.namespace)}",
        f"/apis/{version}/clusterroles/{road.namespace}",
        f"/apis/scheduling.k8s.io/v1/priorityclasses/{road.namespace}",
    ):
        assert not await asyncio.to_thread(road.plane.exists, path), path


async def test_its_rights_are_enough_for_actions(road: Road) -> None:
    """A Deployment's template, a Job of a CronJob, and the status of a custom kind by a script of the settings."""
    definition = crd(road.namespace)
    definition["spec"]["versions"][0]["subresources"] = {"status": {}}
    group = group_of(road.namespace)
    objects = (definition, widget(road.namespace, "w"), deployment("web"), cron_job("tick"))
    await road.synced(await road.open(*objects))
    script = "obj.status = {abort = true}; return obj"
    act = {"discovery.lua": "return {abort = {}}", "definitions": [{"name": "abort", "action.lua": script}]}
    settings = SystemSettings({f"resource.customizations.actions.{group}_Widget": json.dumps(act)})
    await road.fleet.hub.store.put_setting(SETTING, settings.encode())
    await road.fleet.hub.bus.publish("settings")

    assert await road.act("apps", "Deployment", "web", "restart") == ["patch Deployment.apps/{}/web"]
    (made,) = await road.act("batch", "CronJob", "tick", "create-job")
    assert made.startswith("create Job.batch/{}/tick-")
    await road.listed(group, "Widget", "abort")
    assert await road.act(group, "Widget", "w", "abort") == [f"patch Widget.{group}/{{}}/w"]
    path = f"/apis/{group}/v1/namespaces/{road.namespace}/widgets/w"
    live = await asyncio.to_thread(road.plane.request, "GET", path)
    assert live["status"] == {"abort": True}


async def test_at_rest_with_a_hundred_objects_it_is_small(
    road: Road, record_property: Callable[[str, object], None]
) -> None:
    objects = [config_map(f"c{n}", {"k": "x" * 500}) for n in range(90)]
    revision = await road.open(*objects, *(deployment(f"web-{n}", 1) for n in range(10)))
    await road.synced(revision, timeout=60)
    megabytes = road.agent.resident_kilobytes() / 1024
    record_property("resident_megabytes", round(megabytes, 1))
    print(f"resident: {megabytes:.1f} MB")
    assert megabytes < REST_MEGABYTES


async def test_a_signal_ends_it_whatever_it_waits_for(road: Road, tmp_path: Path) -> None:
    """For a hub that is not there, before it has joined."""
    pin = "sha256:" + "0" * 64
    token = tmp_path / "other-token"
    token.write_text("nothing")
    await road.agent.start("--hub", "localhost:1", "--ca-pin", pin, "--token-file", str(token), "--simulate")
    await _says(road.agent, "tried again")
    assert await road.agent.stop() == 0


async def test_a_kubeconfig_that_is_not_there_costs_no_token(tmp_path: Path) -> None:
    """It ends before it turns to the hub."""
    agent, token = AgentProcess(tmp_path), tmp_path / "token"
    token.write_text("esc1.once")
    words = ("--hub", "localhost:1", "--ca-pin", "sha256:" + "0" * 64, "--token-file", str(token))
    await agent.start(*words, "--kubeconfig", str(tmp_path / "nowhere"))
    try:
        assert await agent.ended() == 1
    finally:
        await agent.kill()
    assert agent.words().splitlines() == [f"error: {tmp_path / 'nowhere'}: cannot be read: No such file or directory"]


async def test_a_data_directory_serves_one_agent(road: Road, tmp_path: Path) -> None:
    await road.open(config_map("settings"))
    await road.connected()
    second = AgentProcess(tmp_path / "agent")
    second.log = tmp_path / "second.log"
    await second.start(*road.cluster)
    assert await second.ended() == 1
    assert "another agent uses" in second.words()


async def _says(agent: AgentProcess, text: str) -> None:
    async with asyncio.timeout(20):
        while text not in agent.words():
            await asyncio.sleep(0.05)
