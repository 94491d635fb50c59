"""Clusters and hubs that are away, refuse, or lose something: nothing is deleted for what is not known."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from agent.engine.resource import MANAGED_LABEL, GroupKind
from agent.engine.status import ApplicationStatus
from agent.kube.client import Kind, WatchEvent
from agent.kube.errors import Forbidden, Gone, KubeError, Unreachable
from agent.syncer.doubt import DOUBT_SECONDS
from tests.syncer.clock import TurnedClock
from tests.syncer.cluster import Call, Cluster, People, until
from tests.syncer.harness import AUTOMATED, MANUAL, Hub, config_map, deployment
from tests.syncer.objects import crd, group_of, in_next_version, secret, widget
from tests.syncer.test_sync import LateDiscovery


def told(status: ApplicationStatus, text: str) -> bool:
    return any(text in c.message for c in status.conditions)


# --- the cluster


async def test_a_cluster_that_is_away_at_the_start_is_told_and_waited_for(
    hub: Hub, cluster: Cluster, clock: TurnedClock
) -> None:
    cluster.client.trouble = lambda call: Unreachable("connection refused")
    hub.assign([config_map("a")])
    status = await hub.wait(lambda s: told(s, "does not answer: connection refused"))
    assert (status.sync, status.health) == ("Unknown", "Unknown")
    cluster.client.trouble = None
    await hub.idle()
    clock.advance(5)
    await hub.synced()
    assert not hub.statuses[hub.application()].conditions


async def test_a_kind_that_may_not_be_listed_is_told_and_nothing_is_pruned(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock
) -> None:
    hub.assign([config_map("a"), secret("s", k="v")])
    await hub.synced()
    await hub.stop()
    cluster.client.trouble = lambda call: _forbidden(call) if call.kind == "Secret" else None
    hub.open()
    await hub.start()
    status = await hub.wait(lambda s: told(s, "secrets is forbidden"))
    assert status.conditions[0].type == "ComparisonError" and status.sync == "Unknown"
    cluster.client.calls.clear()
    hub.assign([config_map("b")])
    hub.assign([config_map("c")], name="neighbour")
    await hub.synced("neighbour")
    await hub.wait(lambda s: s.generation == 2 and told(s, "secrets is forbidden"))
    assert cluster.client.named("delete") == [] and "ConfigMap/b" not in cluster.client.named("apply")
    cluster.client.trouble = None
    await until(lambda: _reached(hub, clock), lambda synced: synced)
    assert await people.get(hub.key("Secret", "s")) is None


async def test_an_application_that_cannot_be_listed_holds_up_no_other(hub: Hub, cluster: Cluster) -> None:
    """Each application has one of a few places to be worked at; waiting takes none."""
    held = asyncio.Event()

    async def hold(call: Call) -> None:
        if call.verb == "list" and call.kind == "Secret":
            await held.wait()

    cluster.client.gate = hold
    for n in range(12):
        hub.assign([secret(f"s{n}", k="v")], name=f"stuck{n}")
    hub.assign([config_map("a")])
    await hub.synced(timeout=5)
    held.set()
    for n in range(12):
        await hub.synced(f"stuck{n}")


async def test_changes_missed_by_a_watch_are_found(hub: Hub, cluster: Cluster, people: People) -> None:
    hub.assign([config_map("a"), config_map("b")])
    await hub.synced()
    await hub.stop()
    expired = 0

    def trouble(call: Call) -> KubeError | None:
        nonlocal expired
        if call.verb != "watch" or expired > 1:
            return None
        expired += 1
        return Gone("too old resource version")

    cluster.client.trouble = trouble
    await people.edit(hub.key("ConfigMap", "a"), {"data": {"k": "hacked"}})
    await people.remove(hub.key("ConfigMap", "b"))
    hub.open()
    await hub.start()
    await hub.healed(2)
    assert {d.kind for d in hub.drifts} == {"modified", "deleted"} and expired == 2


async def test_a_definition_that_goes_and_comes_back(hub: Hub, people: People, clock: TurnedClock) -> None:
    definition, key = crd(hub.namespace), hub.key("Widget", "w", group_of(hub.namespace))
    await people.create(people.leave(definition))
    await people.kind(group_of(hub.namespace), "Widget")
    hub.assign([config_map("a"), widget(hub.namespace, "w")])
    await hub.synced()
    await people.remove(
        hub.key("CustomResourceDefinition", definition["metadata"]["name"], _EXTENSIONS)._replace(namespace="")
    )
    status = await hub.wait(lambda s: any("does not serve" in r.message for r in s.resources))
    assert [(r.key, r.sync, r.health) for r in status.resources] == [(key, "OutOfSync", "Missing")]
    assert status.sync == "OutOfSync" and not told(status, "listed")
    await people.edit(hub.key("ConfigMap", "a"), {"data": {"k": "hacked"}})
    await hub.until(lambda: any(d.key.name == "a" and d.healed_ms for d in hub.drifts), "the rest is looked after")
    await people.create(definition)
    await people.kind(group_of(hub.namespace), "Widget")
    await hub.idle()
    clock.advance(30)
    await hub.synced()
    assert await people.get(key) is not None


@pytest.mark.parametrize("asker", ["another application", "a doubt"])
async def test_what_went_with_its_kind_is_known_to_be_gone_whoever_asked_what_is_served(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock, monkeypatch: pytest.MonkeyPatch, asker: str
) -> None:
    """The watch that would tell of it has ended, and cannot be had again."""
    definition, ready = people.leave(crd(hub.namespace)), asyncio.Event()
    await people.create(definition)
    await people.kind(group_of(hub.namespace), "Widget")
    hub.assign([config_map("a"), widget(hub.namespace, "w")])
    await hub.synced()
    hub.assign([config_map("a")], policy=replace(AUTOMATED, prune=False))
    await hub.wait(lambda s: any(r.requires_pruning for r in s.resources))

    async def hold(call: Call) -> None:
        if call.kind == "Widget" and call.verb in ("list", "watch"):
            await ready.wait()

    def lose(kind: Kind, event: WatchEvent) -> None:
        if kind.kind != "Widget":
            seen(kind, event)

    seen, cluster.client.gate = hub.syncer.live.on_event, hold
    monkeypatch.setattr(hub.syncer.live, "on_event", lose)
    name = definition["metadata"]["name"]
    await people.remove(hub.key("CustomResourceDefinition", name, _EXTENSIONS)._replace(namespace=""))
    await people.gone(hub.key("CustomResourceDefinition", name, _EXTENSIONS)._replace(namespace=""))
    if asker == "a doubt":
        hub.syncer._doubt.watched(GroupKind("", "Secret"), Unreachable("cut off"))
        clock.advance(DOUBT_SECONDS)
        await until(lambda: cluster.client.discover(), lambda found: not found.find(*_version_of_widgets(hub)))
    else:
        other = f"{hub.namespace}-other"
        hub.assign([people.leave(crd(other)), widget(other, "w")], name="other")
        await hub.wait(lambda s: s.operation is not None and s.operation.phase == "Succeeded", "other")
    ready.set()
    await hub.wait(lambda s: s.sync == "Synced")


async def test_what_discovery_leaves_out_while_it_is_served_is_not_taken_for_gone(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an API server does that starts, and has not read the definitions yet."""
    await people.create(people.leave(crd(hub.namespace)))
    await people.kind(group_of(hub.namespace), "Widget")
    hub.assign([config_map("a"), widget(hub.namespace, "w")])
    await hub.synced()
    late = LateDiscovery(cluster.client, GroupKind(group_of(hub.namespace), "Widget"), 1)
    monkeypatch.setattr(cluster.client, "discover", late.discover)
    cluster.client.calls.clear()
    hub.syncer._doubt.watched(GroupKind("", "Secret"), Unreachable("cut off"))
    clock.advance(DOUBT_SECONDS)

    async def asked() -> bool:
        return not late.held_back and "Widget/w" in cluster.client.named("get")

    await until(asked, bool)
    hub.syncer._doubt.watched(GroupKind("", "Secret"), None)
    await hub.idle()
    assert hub.key("Widget", "w", group_of(hub.namespace)) in hub.syncer.live.records
    assert hub.drifts == [] and cluster.client.writes == []
    await hub.synced()


def _version_of_widgets(hub: Hub) -> tuple[str, str, str]:
    return group_of(hub.namespace), "v1", "Widget"


async def test_one_kind_in_two_versions_is_no_drift(hub: Hub, cluster: Cluster) -> None:
    """A kind is watched in one version, whatever versions applications use."""

    def autoscaler(name: str, version: str, **spec: object) -> dict[str, object]:
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
        spec = {"scaleTargetRef": target, "maxReplicas": 3, **spec}
        return {
            "apiVersion": f"autoscaling/{version}",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": name},
            "spec": spec,
        }

    hub.assign([autoscaler("one", "v1", targetCPUUtilizationPercentage=70)], name="one")
    await hub.wait(lambda s: s.sync == "Synced", "one")
    hub.assign([autoscaler("two", "v2")], name="two")
    await hub.wait(lambda s: s.sync == "Synced", "two")
    await hub.restart()
    await hub.wait(lambda s: s.sync == "Synced", "one")
    await hub.wait(lambda s: s.sync == "Synced", "two")
    await hub.idle()
    cluster.client.calls.clear()
    await hub.restart()
    await hub.wait(lambda s: s.sync == "Synced", "one")
    await hub.wait(lambda s: s.sync == "Synced", "two")
    assert hub.drifts == [] and cluster.client.writes == []
    assert cluster.client.named("apply", dry_run=True) == [], "what was judged once is known"


async def test_a_kind_goes_on_being_seen_when_its_version_is_served_no_more(
    hub: Hub, people: People, clock: TurnedClock
) -> None:
    definition = people.leave(crd(hub.namespace))
    await people.create(definition)
    await people.kind(group_of(hub.namespace), "Widget")
    hub.assign([config_map("a"), widget(hub.namespace, "w")])
    await hub.synced()
    await people.apply(in_next_version(definition))
    now = hub.assign([config_map("a"), widget(hub.namespace, "w", "v2", size=2)])

    async def synced() -> bool:
        clock.advance(5)
        status = hub.statuses[hub.application()]
        return (status.sync, status.synced_manifest_set) == ("Synced", now.manifest_set.digest)

    await until(synced, bool)
    await people.look_again()
    await people.edit(hub.key("Widget", "w", group_of(hub.namespace)), {"spec": {"size": 9}})
    await hub.healed()


# --- the hub


async def test_without_the_hub_the_agent_keeps_healing(hub: Hub, people: People) -> None:
    hub.assign([config_map("a")])
    await hub.synced()
    await hub.stop()
    hub.open()
    hub.outbox.connected = False
    await hub.syncer.start()
    key = hub.key("ConfigMap", "a")
    await people.edit(key, {"data": {"k": "hacked"}})
    await until(lambda: people.get(key), lambda found: found is not None and found["data"] == {"k": "v"})
    await hub.idle()
    await people.remove(key)
    await hub.syncer.stop()
    hub.storage.close()
    # Started once more, still alone: what happened before is on disk, and the hub hears of it in the end.
    hub.open()
    hub.outbox.connected = False
    await hub.syncer.start()
    await until(lambda: people.get(key), lambda found: found is not None)
    hub.outbox.connected = True
    hub.statuses.clear()
    hub._reader = asyncio.create_task(hub._read())
    hub.outbox.begin_session()
    await hub.healed(2)
    assert all(d.hub_away for d in hub.drifts) and {d.kind for d in hub.drifts} == {"modified", "deleted"}


async def test_a_restarted_agent_goes_on_alone_and_judges_nothing_again(
    hub: Hub, cluster: Cluster, people: People
) -> None:
    hub.assign([config_map("a"), deployment("web")])
    await hub.synced()
    cluster.client.calls.clear()
    await hub.restart()
    await hub.synced()
    assert [c for c in cluster.client.calls if c.verb not in ("discover", "list", "watch")] == []
    await people.edit(hub.key("ConfigMap", "a"), {"data": {"k": "hacked"}})
    await hub.healed()


async def test_an_incomplete_set_prunes_nothing(hub: Hub, cluster: Cluster, people: People) -> None:
    hub.assign([config_map("a"), config_map("b")])
    await hub.synced()
    first = hub.assign([config_map("a")], policy=MANUAL)
    await hub.wait(lambda s: s.generation == 2 and s.sync == "OutOfSync")
    # A set with another number of resources than the hub vouched for.
    hub.assign([config_map("a")], policy=AUTOMATED, manifest_set=replace(first.manifest_set, resources=2))
    status = await hub.wait(lambda s: told(s, "nothing is applied or pruned until it is complete"))
    assert status.sync == "Unknown"
    assert await people.get(hub.key("ConfigMap", "b")) is not None
    assert cluster.client.named("delete") == []


async def test_a_tampered_blob_on_disk_is_missed_not_applied(hub: Hub, people: People) -> None:
    hub.assign([config_map("a")])
    await hub.synced()
    hub.assign([config_map("a", {"k": "2"})], policy=MANUAL)
    await hub.wait(lambda s: s.generation == 2 and s.sync == "OutOfSync")
    hub.storage.collect_blobs({hub.syncer.assignment(hub.application()).manifest_set.digest})  # type: ignore[union-attr]
    await hub.restart()
    await hub.wait(lambda s: told(s, "not on disk"))
    await hub.synced_to(hub.assign([config_map("a", {"k": "2"})], policy=AUTOMATED))
    assert (await people.get(hub.key("ConfigMap", "a")) or {})["metadata"]["labels"] == {MANAGED_LABEL: "true"}


_EXTENSIONS = "apiextensions.k8s.io"


def _forbidden(call: Call) -> Forbidden:
    return Forbidden(f"{call.verb} secrets is forbidden")


async def _reached(hub: Hub, clock: TurnedClock) -> bool:
    clock.advance(5)
    status = hub.statuses[hub.application()]
    return status.sync == "Synced" and status.generation == 2
