"""The whole road: a commit in Git, the hub, mutual TLS, agents, clusters, and back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from agent.engine.resource import ResourceKey
from hub.domain.project import GroupKindRule, OrphanedResources, default_project
from hub.domain.status import ApplicationStatus, ConditionType
from hub.domain.window import SyncWindow
from tests.fleet.kit import Fleet, Repository, application
from tests.syncer.harness import config_map, deployment


async def test_a_commit_reaches_every_cluster(fleet: Fleet, repository: Repository) -> None:
    repository.write("web/all.yaml", config_map("settings", {"k": "1"}), deployment("web", 2))
    first = repository.commit("first")
    clusters = {name: await fleet.add_agent(name, {"region": "eu"}) for name in ("one", "two", "three")}
    await fleet.apply(application("web", repository.url, "web"))
    statuses = await fleet.synced("web", 3)
    assert {s.synced_revision.sources[0].revision for s in statuses.values()} == {first}

    repository.write("web/all.yaml", config_map("settings", {"k": "2"}))
    second = repository.commit("second")
    await fleet.refresh("web")
    await fleet.wait("web", lambda s: all(x.synced_revision.sources[0].revision == second for x in s.values()))
    statuses = await fleet.synced("web", 3)
    for cluster in clusters.values():
        kinds = (await cluster.discover()).kinds
        found = await cluster.get(kinds[("", "v1", "ConfigMap")], "default", "settings")
        assert found is not None and found["data"] == {"k": "2"}
        assert await cluster.get(kinds[("apps", "v1", "Deployment")], "default", "web") is None
    assert {s.synced_revision.sources[0].message for s in statuses.values()} == {"second"}
    assert {s.synced_revision.sources[0].author.split(" <")[0] for s in statuses.values()} == {"Ada"}


async def test_drift_is_seen_by_the_hub_with_its_author(fleet: Fleet, repository: Repository) -> None:
    repository.write("web/all.yaml", config_map("settings", {"k": "1"}))
    repository.commit()
    cluster = await fleet.add_agent("one")
    await fleet.apply(application("web", repository.url, "web"))
    await fleet.synced("web", 1)
    await cluster.edit(ResourceKey("", "ConfigMap", "default", "settings"), {"data": {"k": "hacked"}})
    drifts = await fleet.hub.store.drifts_of_application("argocd/web")
    while not any(d.healed_at for d in drifts):
        await asyncio.sleep(0.02)
        drifts = await fleet.hub.store.drifts_of_application("argocd/web")
    assert [(f.path, f.assigned, f.live, f.manager) for f in drifts[0].fields] == [
        ("/data/k", '"1"', '"hacked"', "kubectl-edit")
    ]


async def test_what_is_done_by_hand_stays_while_an_application_is_left_as_it_is(
    fleet: Fleet, repository: Repository
) -> None:
    repository.write("web/all.yaml", config_map("settings", {"k": "1"}))
    repository.commit()
    cluster = await fleet.add_agent("one")
    wanted = application("web", repository.url, "web")
    await fleet.apply(wanted)
    before = (await fleet.synced("web", 1))["one"].generation
    left = {**wanted["metadata"], "annotations": {"argocd.argoproj.io/skip-reconcile": "true"}}
    await fleet.apply({**wanted, "metadata": left})
    await fleet.wait("web", lambda s: s["one"].generation > before)
    await cluster.edit(ResourceKey("", "ConfigMap", "default", "settings"), {"data": {"k": "by hand"}})
    await fleet.wait("web", lambda s: s["one"].sync == "OutOfSync")
    assert not any(drift.healed_at for drift in await fleet.hub.store.drifts_of_application("argocd/web"))
    await fleet.apply(wanted)
    await fleet.synced("web", 1)
    (drift,) = await fleet.hub.store.drifts_of_application("argocd/web")
    assert drift.healed_at is not None


async def test_the_hub_killed_and_back(fleet: Fleet, repository: Repository) -> None:
    repository.write("web/all.yaml", config_map("settings", {"k": "1"}))
    repository.commit()
    cluster = await fleet.add_agent("one")
    await fleet.apply(application("web", repository.url, "web"))
    await fleet.synced("web", 1)
    await fleet.restart_hub()
    await cluster.edit(ResourceKey("", "ConfigMap", "default", "settings"), {"data": {"k": "hacked"}})
    repository.write("web/all.yaml", config_map("settings", {"k": "2"}))
    revision = repository.commit()
    await fleet.refresh("web")
    await fleet.wait(
        "web",
        lambda s: all(
            bool(x.synced_revision) and x.synced_revision.sources[0].revision == revision for x in s.values()
        ),
    )
    await fleet.synced("web", 1)


async def test_a_window_of_the_project_holds_on_the_cluster(fleet: Fleet, repository: Repository) -> None:
    always = SyncWindow("deny", "* * * * *", 3600.0, applications=("web",), description="closed for the year's end")
    await fleet.hub.store.put_project(replace(default_project(), sync_windows=(always,)))
    repository.write("web/all.yaml", config_map("settings", {"k": "1"}))
    repository.commit()
    cluster = await fleet.add_agent("one")
    await fleet.apply(application("web", repository.url, "web"))

    def told(statuses: Mapping[str, ApplicationStatus]) -> bool:
        return any("closed for the year's end" in c.message for s in statuses.values() for c in s.conditions)

    statuses = await fleet.wait("web", told)
    assert [c.type for s in statuses.values() for c in s.conditions] == [ConditionType.SYNC_WINDOW_WARNING]
    kind = (await cluster.discover()).kinds[("", "v1", "ConfigMap")]
    assert await cluster.get(kind, "default", "settings") is None

    await fleet.hub.store.put_project(default_project())
    await fleet.hub.bus.publish("applications", "argocd/web")
    await fleet.synced("web", 1)


async def test_orphaned_resources_are_told_where_the_project_asks_for_it(fleet: Fleet, repository: Repository) -> None:
    repository.write("web/all.yaml", config_map("settings", {"k": "1"}))
    repository.commit()
    cluster = await fleet.add_agent("one")
    kind = (await cluster.discover()).kinds[("", "v1", "ConfigMap")]
    for name in ("left", "tolerated"):
        manifest = config_map(name, namespace="default")
        await cluster.create(kind, manifest, field_manager="kubectl-create")
    await fleet.apply(application("web", repository.url, "web"))
    statuses = await fleet.synced("web", 1)
    assert not any(s.conditions for s in statuses.values())

    ignored = (GroupKindRule("", "ConfigMap", "tol*"),)
    await fleet.hub.store.put_project(replace(default_project(), orphaned_resources=OrphanedResources(ignore=ignored)))
    await fleet.hub.bus.publish("applications", "argocd/web")
    statuses = await fleet.wait("web", lambda found: any(s.conditions for s in found.values()))
    ((type, words),) = {(c.type, c.message) for s in statuses.values() for c in s.conditions}
    assert type == ConditionType.ORPHANED_RESOURCE_WARNING
    assert words == "in namespace default 1 resource belongs to no application: ConfigMap/left"

    await fleet.hub.store.put_project(default_project())
    await fleet.hub.bus.publish("applications", "argocd/web")
    await fleet.wait("web", lambda found: not any(s.conditions for s in found.values()))
