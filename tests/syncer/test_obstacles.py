"""What stands in the way of a sync with waves and hooks: definitions that go, namespaces that end, objects too large,
and people who edit while it runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent.engine.resource import ResourceKey
from agent.kube.errors import KindUnknown
from tests.syncer.clock import TurnedClock
from tests.syncer.cluster import Cluster, People, until
from tests.syncer.harness import AUTOMATED, Hub, config_map
from tests.syncer.hooks import ONCE, WELL, ended, hook, key_of_widget, made, turned, until_waits, waits, wave
from tests.syncer.hooks import slow as slow
from tests.syncer.objects import crd, group_of, namespace, widget

# A real cluster's garbage collector takes half a minute to learn of a new kind.
BACKGROUND = replace(AUTOMATED, sync_options=("PrunePropagationPolicy=background",))
HELD = {"metadata": {"finalizers": ["example.com/stuck"]}}
FREE: dict[str, Any] = {"metadata": {"finalizers": []}}
MEGABYTE = 1 << 20


def definition_key(hub: Hub) -> ResourceKey:
    name = crd(hub.namespace)["metadata"]["name"]
    return ResourceKey("apiextensions.k8s.io", "CustomResourceDefinition", "", name)


async def in_time(hub: Hub, clock: TurnedClock, digest: str) -> None:
    """Let time pass until a manifest set is synced, and all of it is as it should be."""

    async def synced() -> bool:
        clock.advance(5)
        status = hub.statuses[hub.application()]
        return (status.synced_manifest_set, status.sync) == (digest, "Synced")

    await until(synced, bool)


# --- definitions


@pytest.mark.parametrize(("first", "second"), [(1, 2), (2, 1)])
async def test_a_definition_and_its_resource_in_waves(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock, first: int, second: int
) -> None:
    """In either order: the definition comes no later than what needs it."""
    objects = [wave(people.leave(crd(hub.namespace)), first), wave(widget(hub.namespace, "w"), second)]
    hub.assign([*objects, hook(config_map("before"), "PreSync")])
    await turned(hub, clock)
    await hub.synced()
    definition = f"CustomResourceDefinition/{crd(hub.namespace)['metadata']['name']}"
    assert made(cluster) == ["ConfigMap/before", definition, "Widget/w"]


async def test_a_definition_goes_together_with_its_resource(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock
) -> None:
    people.leave(crd(hub.namespace))
    hub.assign([crd(hub.namespace), widget(hub.namespace, "w"), config_map("a")], policy=BACKGROUND)
    await hub.synced()
    second = hub.assign([config_map("a")], policy=BACKGROUND)
    await in_time(hub, clock, second.manifest_set.digest)
    definition = f"CustomResourceDefinition/{crd(hub.namespace)['metadata']['name']}"
    assert cluster.client.named("delete")[:2] == ["Widget/w", definition]
    await people.gone(definition_key(hub))
    assert not hub.statuses[hub.application()].conditions


async def test_a_definition_that_somebody_deletes_comes_back_with_its_instances(
    hub: Hub, people: People, clock: TurnedClock
) -> None:
    assignment = hub.assign([people.leave(crd(hub.namespace)), widget(hub.namespace, "w"), config_map("a")])
    await hub.synced()
    before = await people.get(key_of_widget(hub, "w"))
    await people.remove(definition_key(hub))

    async def back() -> Any:
        clock.advance(5)
        kind = (await hub.client.discover(refresh=True)).preferred
        try:
            return await people.get(key_of_widget(hub, "w")) if any(k.kind == "Widget" for k in kind) else None
        except KindUnknown:
            return None  # it went since it was told of

    # The API server ends a definition only when it has heard for a while that its instances are gone.
    after = await until(
        back,
        lambda found: (
            found is not None and before is not None and found["metadata"]["uid"] != before["metadata"]["uid"]
        ),
        60,
    )
    assert after["spec"] == {"size": 1}
    await in_time(hub, clock, assignment.manifest_set.digest)
    assert any(d.key.kind == "CustomResourceDefinition" for d in hub.drifts)


# --- namespaces


async def test_a_namespace_that_ends_is_told_and_goes_on_when_it_is_gone(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock
) -> None:
    """With a hook in it: nothing of it is begun."""
    name = f"{hub.namespace}-team"
    team = people.leave(namespace(name))
    await people.create(team)
    held = ResourceKey("", "ConfigMap", name, "held")
    await people.create(config_map("held", namespace=name))
    await people.edit(held, HELD)
    await people.remove(ResourceKey("", "Namespace", "", name))
    place = ResourceKey("", "Namespace", "", name)
    await until(lambda: people.get(place), lambda o: o is not None and "deletionTimestamp" in o["metadata"])
    objects = [config_map("a", namespace=name), hook(config_map("before", namespace=name), "PreSync")]
    policy = replace(AUTOMATED, sync_options=("CreateNamespace=true",), retry=replace(AUTOMATED.retry, limit=0))
    assignment = hub.assign(objects, policy=policy, namespace=name)
    state = await ended(hub, "Error")
    assert "nothing was changed" in state.message and "being terminated" in state.message and name in state.message
    assert made(cluster) == []
    hub.assign([config_map("other")], name="other")
    await hub.synced("other")
    await people.edit(held, FREE)
    await until(lambda: people.get(place), lambda found: found is None, 30)
    await in_time(hub, clock, assignment.manifest_set.digest)
    assert made(cluster) == ["ConfigMap/other", f"Namespace/{name}", "ConfigMap/before", "ConfigMap/a"]


# --- sizes


async def test_an_object_of_nearly_a_megabyte_and_one_beyond(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock
) -> None:
    large = config_map("large", {"k": "x" * (MEGABYTE - 2000)})
    hub.assign([wave(config_map("a"), 1), wave(large, 2), wave(config_map("b"), 3)])
    await turned(hub, clock)
    await hub.synced()
    before = cluster.client.writes[:]
    beyond = config_map("large", {"k": "x" * (MEGABYTE + 1)})
    hub.assign([wave(config_map("a", {"v": "2"}), 1), wave(beyond, 2), wave(config_map("b"), 3)], policy=ONCE)
    state = await ended(hub, "Failed")
    assert state.message.startswith("nothing was changed: ") and f"ConfigMap/{hub.namespace}/large" in state.message
    assert "Too long" in state.message and len(state.message) < 2100
    assert cluster.client.writes == before


@pytest.mark.controlplane
@pytest.mark.parametrize("cluster", ["real"], indirect=True)
@pytest.mark.parametrize(("size", "words"), [(1.75, "request is too large"), (2.25, "message larger than max")])
async def test_an_object_that_only_the_store_refuses(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock, size: float, words: str
) -> None:
    """No dry run gets that far: what comes after its wave is not touched, and what was before it stays."""
    await people.create(people.leave(crd(hub.namespace)))
    await people.kind(group_of(hub.namespace), "Widget")
    beyond = widget(hub.namespace, "large", text="x" * int(size * MEGABYTE))
    hub.assign([wave(config_map("a"), 1), wave(beyond, 2), wave(config_map("b"), 3)], policy=ONCE)
    await turned(hub, clock)
    state = await ended(hub, "Failed")
    assert "/large: " in state.message and words in state.message
    assert "(Rejected: correct the manifest" in state.message
    assert made(cluster) == ["ConfigMap/a", "Widget/large"]
    assert await people.get(hub.key("ConfigMap", "a")) is not None


# --- people


async def test_what_somebody_edits_between_two_waves_is_told_and_healed(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    assignment = hub.assign([wave(config_map("a"), 1), wave(slow("gate"), 1), wave(config_map("b"), 2)])
    await waits(hub, "gate")
    edited = await people.edit(hub.key("ConfigMap", "a"), {"data": {"k": "hacked"}})
    await people.edit(key_of_widget(hub, "gate"), WELL)
    await turned(hub, clock)
    report = await hub.healed()
    assert report.key.name == "a" and [(f.path, f.manager) for f in report.fields] == [("/data/k", "kubectl-edit")]
    found = await people.get(hub.key("ConfigMap", "a"))
    assert found is not None and found["data"] == {"k": "v"}
    assert found["metadata"]["uid"] == edited["metadata"]["uid"]
    assert hub.statuses[hub.application()].synced_manifest_set == assignment.manifest_set.digest


async def test_what_somebody_edits_between_two_waves_is_told_where_nothing_is_healed(
    hub: Hub, cluster: Cluster, people: People, slow: Any, clock: TurnedClock
) -> None:
    hub.assign(
        [wave(config_map("a"), 1), wave(slow("gate"), 1), wave(config_map("b"), 2)],
        policy=replace(AUTOMATED, self_heal=False),
    )
    await until_waits(hub, clock, "gate")
    await people.edit(hub.key("ConfigMap", "a"), {"data": {"k": "theirs"}})
    await people.edit(key_of_widget(hub, "gate"), WELL)
    await turned(hub, clock)
    status = await hub.wait(lambda s: s.sync == "OutOfSync")
    assert [(r.key.name, r.sync) for r in status.resources] == [("a", "OutOfSync")]
    assert (await people.get(hub.key("ConfigMap", "a")) or {})["data"] == {"k": "theirs"}
