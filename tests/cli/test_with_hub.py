"""The command line against a real hub with agents on simulated clusters: all there is between user and cluster."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml

from agent.engine.resource import GroupKind, ResourceKey
from agent.kube.simulated import SimulatedCluster
from hub.server import Hub
from tests.cli.conftest import Outcome, Terminal
from tests.fleet.kit import Fleet, Repository, application
from tests.syncer.harness import config_map, deployment
from tests.syncer.objects import cron_job


class Shell:
    """Runs command lines in a thread of their own, while the hub runs in this one."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    async def __call__(self, *arguments: str, **more: Any) -> Outcome:
        return await asyncio.to_thread(self._terminal, *arguments, **more)

    async def good(self, *arguments: str, **more: Any) -> str:
        outcome = await self(*arguments, **more)
        assert outcome.code == 0, (arguments, outcome)
        return outcome.out


@pytest.fixture
async def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fleet]:
    # The hub's log would go where the command line prints.
    monkeypatch.setattr("hub.api.guard.access_log", structlog.wrap_logger(structlog.testing.CapturingLogger()))
    settings = {"roles": ("api", "gateway", "controller"), "initial_password_file": tmp_path / "password"}
    fleet = Fleet(tmp_path, address="127.0.0.1:8443", agent_address="127.0.0.1:8444", **settings)
    await fleet.start()
    yield fleet
    await fleet.stop()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "repository")
    repository.write("web/all.yaml", config_map("settings", {"k": "1"}), deployment("web", 1))
    repository.commit("First")
    return repository


@pytest.fixture
async def shell(fleet: Fleet, stranger: Terminal) -> Shell:
    """Logged in."""
    shell = Shell(stranger)
    hub: Hub = fleet.hub
    address, pin = f"127.0.0.1:{hub.api_port}", hub.trust.pki.pin
    password = (fleet.root / "password").read_text()
    await shell.good("login", address, "--ca-pin", pin, "--password-stdin", input=password)
    return shell


def write(path: Path, *objects: dict[str, Any]) -> str:
    path.write_text(yaml.safe_dump_all(list(objects)))
    return str(path)


def manual(url: str, **spec: Any) -> dict[str, Any]:
    return application("web", url, "web", syncPolicy={}, **spec)


async def data(cluster: SimulatedCluster) -> dict[str, str]:
    kinds = (await cluster.discover()).kinds
    found = await cluster.get(kinds[("", "v1", "ConfigMap")], "default", "settings")
    assert found is not None
    values: dict[str, str] = found["data"]
    return values


async def test_from_a_file_to_the_cluster_and_back_again(
    fleet: Fleet, shell: Shell, repository: Repository, tmp_path: Path
) -> None:
    one, two = [await fleet.add_agent(name, {"region": "eu"}) for name in ("one", "two")]
    await eventually(shell, ("cluster", "list"), lambda outcome: outcome.out.count(" Connected ") == 2)
    file = write(tmp_path / "web.yaml", manual(repository.url))
    assert await shell.good("apply", "-f", file, "--dry-run") == "application/web would-create\n"
    assert await shell.good("apply", "-f", file) == "application/web created\n"
    assert await shell.good("apply", "-f", file) == "application/web unchanged\n"

    out = await shell.good("app", "sync", "web", "--timeout", "30s")
    assert out.splitlines()[-1] == "web: sync succeeded on 2 of 2 clusters."
    await shell.good("app", "wait", "web", "--timeout", "30s")
    assert await data(one) == await data(two) == {"k": "1"}
    (row,) = json.loads(await shell.good("app", "list", "-o", "json"))["items"]
    assert (row["sync"], row["health"], row["clusters"]["total"]) == ("Synced", "Healthy", 2)
    assert (await shell("app", "diff", "web")).code == 0

    repository.write("web/all.yaml", config_map("settings", {"k": "2"}), deployment("web", 1))
    repository.commit("Second")
    await shell.good("app", "refresh", "web")
    outcome = await eventually(shell, ("app", "diff", "web"), lambda outcome: outcome.code == 1)
    assert "one, two: ConfigMap default/settings: update" in outcome.out
    assert '-  k: "1"' in outcome.out or "-  k: '1'" in outcome.out
    await shell.good("app", "sync", "web", "--cluster", "one", "--timeout", "30s")
    assert (await data(one), await data(two)) == ({"k": "2"}, {"k": "1"})

    history = json.loads(await shell.good("app", "history", "web", "--cluster", "one", "-o", "json"))["items"]
    assert [entry["revisions"][0]["message"] for entry in history] == ["Second", "First"]
    await shell.good("app", "rollback", "web", str(history[1]["id"]), "--cluster", "one", "--timeout", "30s")
    assert await data(one) == {"k": "1"}

    events = json.loads(await shell.good("app", "events", "web", "-o", "json"))["items"]
    told = {(e["reason"], e["cluster"], e["actor"], e["message"].partition(":")[0]) for e in events}
    short = history[0]["revision"]
    for reason, verb in (("OperationStarted", "began"), ("OperationSucceeded", "succeeded")):
        assert (reason, "one", "admin", f"sync of application web at revision {short} {verb}") in told
    assert any(e["cluster"] == "two" and e["reason"] == "OperationSucceeded" for e in events)

    out = await shell.good("app", "delete", "web", "--yes", "--wait", "--timeout", "30s")
    assert out.splitlines()[-1] == "web is gone."
    kinds = (await one.discover()).kinds
    assert await one.get(kinds[("", "v1", "ConfigMap")], "default", "settings") is None
    assert (await shell("app", "get", "web")).code == 2


async def eventually(shell: Shell, arguments: tuple[str, ...], holds: Any) -> Outcome:
    async with asyncio.timeout(30):
        while True:
            outcome = await shell(*arguments)
            if holds(outcome):
                return outcome
            await asyncio.sleep(0.05)


async def test_drift_is_told_with_its_author(
    fleet: Fleet, shell: Shell, repository: Repository, tmp_path: Path
) -> None:
    cluster = await fleet.add_agent("one")
    await eventually(shell, ("cluster", "list"), lambda outcome: " Connected " in outcome.out)
    await shell.good("apply", "-f", write(tmp_path / "web.yaml", manual(repository.url)))
    await shell.good("app", "sync", "web", "--timeout", "30s")
    await cluster.edit(ResourceKey("", "ConfigMap", "default", "settings"), {"data": {"k": "9"}})
    outcome = await eventually(shell, ("app", "get", "web"), lambda outcome: "Drift of" in outcome.out)
    assert "by kubectl-edit" in outcome.out
    assert '"1" → "9"' in outcome.out
    assert "kubectl-edit" in await shell.good("app", "drift", "web")
    assert "Pod default/web-" in await shell.good("app", "get", "web", "--tree")


async def test_the_words_of_create_and_set(fleet: Fleet, shell: Shell, repository: Repository) -> None:
    await fleet.add_agent("one", {"region": "eu"})
    flags = ("--repo", repository.url, "--path", "web", "--revision", "main", "--dest-namespace", "default")
    out = await shell.good("app", "create", "web", *flags, "--dest-selector", "region=eu")
    assert out == "application/web created\n"
    again = await shell("app", "create", "web", *flags, "--dest-name", "one")
    assert (again.code, "escadre app set" in again.err) == (2, True)
    await shell.good("app", "set", "web", "--sync-policy", "auto", "--self-heal", "--label", "team=a")
    await shell.good("app", "wait", "web", "--timeout", "30s")
    out = await shell.good("app", "get", "web")
    assert "Sync policy:  automated, self-heal" in out
    assert "Labels:       team=a" in out
    refused = await shell("app", "rollback", "web")
    assert (refused.code, "manual" in refused.err) == (2, True)
    assert "kind: ConfigMap" in await shell.good("app", "manifests", "web")
    assert (await shell.good("app", "list", "-l", "team=a", "-o", "name")) == "web\n"
    assert "web" in await shell.good("app", "events", "web")


async def test_what_cannot_be_rendered_is_told(
    fleet: Fleet, shell: Shell, repository: Repository, tmp_path: Path
) -> None:
    await fleet.add_agent("one")
    source = {"repoURL": repository.url, "path": "nowhere", "targetRevision": "main"}
    await shell.good("apply", "-f", write(tmp_path / "web.yaml", manual(repository.url, source=source)))
    outcome = await shell("app", "wait", "web", "--timeout", "3s")
    assert outcome.code == 4
    assert "nowhere" in outcome.err
    outcome = await eventually(shell, ("app", "get", "web"), lambda outcome: "Conditions:" in outcome.out)
    assert "nowhere" in outcome.out


async def test_a_sync_that_cannot_be_assigned_fails(
    fleet: Fleet, shell: Shell, repository: Repository, tmp_path: Path
) -> None:
    await fleet.add_agent("one")
    await eventually(shell, ("cluster", "list"), lambda outcome: outcome.out.count(" Connected ") == 1)
    await shell.good("apply", "-f", write(tmp_path / "web.yaml", manual(repository.url)))
    await shell.good("app", "sync", "web", "--timeout", "30s")
    await shell.good("app", "wait", "web", "--timeout", "30s")
    source = {"repoURL": repository.url, "path": "web", "targetRevision": "v9"}
    await shell.good("apply", "-f", write(tmp_path / "web.yaml", manual(repository.url, source=source)))
    outcome = await shell("app", "sync", "web", "--timeout", "30s")
    assert (outcome.code, outcome.err.splitlines()[-1]) == (1, "error: sync of web failed on one")
    assert "v9" in outcome.out
    page = (await eventually(shell, ("app", "get", "web"), lambda outcome: "Unknown" in outcome.out)).out
    assert "Operation: " in page and "sync Failed" in page and "Deployed: " in page
    (row,) = json.loads(await shell.good("app", "list", "-o", "json"))["items"]
    assert (row["sync"], row["health"]) == ("Unknown", "Healthy")
    # One that nobody waits for ends as well, on no cluster at all.
    nowhere = [{"selector": {"matchLabels": {"no": "where"}}, "namespace": "default"}]
    lost = manual(repository.url, destinations=nowhere)
    lost["metadata"]["name"] = "lost"
    await shell.good("apply", "-f", write(tmp_path / "lost.yaml", lost))
    await shell.good("app", "sync", "lost", "--async")
    await eventually(shell, ("app", "get", "lost"), lambda outcome: "Failed: no cluster matches" in outcome.out)
    outcome = await shell("app", "sync", "lost", "--timeout", "30s")
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1].startswith("error: sync of lost failed: no cluster matches its destinations")


async def test_a_cluster_from_adding_to_removing(fleet: Fleet, shell: Shell, tmp_path: Path) -> None:
    token = tmp_path / "token"
    await shell.good("cluster", "add", "edge-1", "--label", "region=eu", "--token-file", str(token))
    assert token.read_text().startswith("esc1.")
    again = await shell("cluster", "add", "edge-1")
    assert again.code == 2
    await shell.good("cluster", "set", "edge-1", "--label", "tier=gold", "--label", "region-")
    (cluster,) = json.loads(await shell.good("cluster", "list", "-o", "json"))["items"]
    assert (cluster["labels"], cluster["liveness"]) == ({"tier": "gold"}, "NeverConnected")
    await shell.good("cluster", "rotate-token", "edge-1", "--token-file", str(token))
    await shell.good("cluster", "rm", "edge-1", "-y")
    assert (await shell("cluster", "get", "edge-1")).code == 2
    assert "ClusterRemoved" in await shell.good("events")


async def test_the_command_that_adding_prints_starts_an_agent(fleet: Fleet, shell: Shell, tmp_path: Path) -> None:
    token = tmp_path / "edge-1.token"
    out = await shell.good("cluster", "add", "edge-1", "--token-file", str(token))
    command = shlex.split(out.partition("escadre-agent")[2].partition("The token")[0].replace("\\\n", " "))
    # The fleet's ports are any that were free, which the address it gives out does not know.
    command[command.index("--hub") + 1] = f"127.0.0.1:{fleet.hub.api_port}"
    link = ("--gateway", f"127.0.0.1:{fleet.hub.agent_port}", "--simulate")
    agent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent", *command, *link), cwd=tmp_path, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        outcome = await eventually(shell, ("cluster", "get", "edge-1"), lambda outcome: " Connected" in outcome.out)
        assert "a simulated cluster" in outcome.out
    finally:
        agent.terminate()
        await agent.wait()


async def test_passwords_sessions_and_projects(fleet: Fleet, shell: Shell) -> None:
    password = (fleet.root / "password").read_text().strip()
    assert "Role:     role:admin" in await shell.good("account", "get")
    bad = await shell("account", "update-password", "--password-stdin", input="wrong\nanother fine password\n")
    assert bad.code == 3
    pair = f"{password}\nanother fine password\n"
    await shell.good("account", "update-password", "--password-stdin", input=pair)
    assert "default" in await shell.good("proj", "list")
    assert "*/*" in await shell.good("proj", "get", "default")
    await shell.good("logout")
    assert (await shell("app", "list")).code == 3
    await shell.good("login", f"127.0.0.1:{fleet.hub.api_port}", "--password-stdin", input="another fine password\n")
    await shell.good("app", "list")


async def test_system_wide_settings_from_argocd_cm_to_the_clusters(
    fleet: Fleet, shell: Shell, repository: Repository, tmp_path: Path
) -> None:
    await fleet.add_agent("one")
    await shell.good("apply", "-f", write(tmp_path / "web.yaml", application("web", repository.url, "web")))
    await fleet.synced("web", 1)
    settings = {
        "url": "https://argocd.example.com",
        "resource.customizations.health.ConfigMap": 'return {status = "Suspended", message = obj.data.k}',
        "resource.exclusions": "- apiGroups: [apps]\n  clusters: [one]\n",
    }
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm"}, "data": settings}
    file = write(tmp_path / "argocd-cm.yaml", config)
    assert (await shell("apply", "-f", file, "--strict")).code == 2
    outcome = await shell("apply", "-f", file)
    assert outcome.out == "configmap/argocd-cm created\n"
    assert outcome.err.startswith("warning: configmap/argocd-cm: data.url is not served")
    await eventually(
        shell,
        ("app", "get", "web"),
        lambda outcome: "Suspended" in outcome.out and "ExcludedResourceWarning" in outcome.out,
    )
    (tmp_path / "kept.yaml").write_text(await shell.good("settings", "get", "-o", "yaml"))
    assert await shell.good("apply", "-f", str(tmp_path / "kept.yaml"), "--strict") == "configmap/argocd-cm unchanged\n"
    assert await shell.good("settings", "rm", "-y") == "settings removed\n"
    await fleet.synced("web", 1)
    assert "default ones again" in await shell.good("events")


async def test_resource_actions_from_the_settings_to_the_objects(
    fleet: Fleet, shell: Shell, repository: Repository, tmp_path: Path
) -> None:
    clusters = [await fleet.add_agent(name, {"region": "eu"}) for name in ("one", "two")]
    await eventually(shell, ("cluster", "list"), lambda outcome: outcome.out.count(" Connected ") == 2)
    repository.write("web/cron.yaml", cron_job("tick"))
    repository.commit("A job now and then")
    await shell.good("apply", "-f", write(tmp_path / "web.yaml", application("web", repository.url, "web")))
    await fleet.synced("web", 2)

    out = await shell.good("app", "actions", "list", "web", "--cluster", "one", "-o", "name")
    assert "one apps/Deployment default/web restart" in out and "one batch/CronJob default/tick create-job" in out
    restart = ("app", "actions", "run", "web", "restart", "--kind", "Deployment")
    assert (await shell(*restart)).code == 2
    assert (await shell.good(*restart, "--all")).count("Succeeded: patched apps/Deployment default/web") == 2
    for cluster in clusters:
        live = cluster.find(ResourceKey("apps", "Deployment", "default", "web"))
        assert live is not None
        assert "kubectl.kubernetes.io/restartedAt" in live["spec"]["template"]["metadata"]["annotations"]

    out = await shell.good("app", "actions", "run", "web", "create-job", "--kind", "CronJob", "--cluster", "two")
    assert "created batch/Job default/tick-" in out
    one, two = (cluster.select(GroupKind("batch", "Job")) for cluster in clusters)
    assert (len(one), len(two)) == (0, 1)

    outcome = await shell("app", "actions", "run", "web", "scale", "--kind", "Deployment", "--cluster", "one")
    assert outcome.code == 1 and "the parameter scale is ''" in outcome.err
    act = {
        "discovery.lua": "return {mark = {}}",
        "definitions": [{"name": "mark", "action.lua": "obj.data.mark = 'yes'; return obj"}],
    }
    settings = {"resource.customizations.actions.ConfigMap": json.dumps(act)}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm"}, "data": settings}
    await shell.good("apply", "-f", write(tmp_path / "argocd-cm.yaml", config), "--strict")
    listing = ("app", "actions", "list", "web", "--kind", "ConfigMap", "--cluster", "one", "-o", "name")
    await eventually(shell, listing, lambda outcome: outcome.out == "one ConfigMap default/settings mark\n")
    await shell.good("app", "actions", "run", "web", "mark", "--kind", "ConfigMap", "--cluster", "one")
    events = json.loads(await shell.good("app", "events", "web", "-o", "json"))["items"]
    told = [
        (e["reason"], e["actor"], e["cluster"]) for e in events if "mark on ConfigMap/default/settings" in e["message"]
    ]
    assert told == [("ActionSucceeded", "admin", "one"), ("ActionRequested", "admin", "one")]
