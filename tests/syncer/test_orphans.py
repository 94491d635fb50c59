"""Orphaned resources are found on the cluster, while a project asks for it and no longer, with watches of metadata."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from agent.engine.assignment import KindRule, OrphanedResources
from agent.engine.resource import TRACKING_ANNOTATION, ResourceKey, tracking_id
from agent.engine.status import ApplicationStatus
from agent.hubclient.fetched import Question, QuestionFailed
from agent.kube import errors
from agent.syncer.orphans import KINDS_SECONDS, UNHEARD_SECONDS, WIDEN_SECONDS
from tests.syncer.clock import TurnedClock
from tests.syncer.cluster import LIMIT, Call, Cluster, People, until
from tests.syncer.harness import MANUAL, Hub, config_map, deployment
from tests.syncer.objects import crd, group_of, in_next_version, namespace, secret, widget
from tests.syncer.test_questions import ask

WARNING = "OrphanedResourceWarning"
ASKED = OrphanedResources()


def warning(status: ApplicationStatus) -> str:
    return next((c.message for c in status.conditions if c.type == WARNING), "")


async def told(hub: Hub, holds: Callable[[str], bool], name: str = "app") -> str:
    """Wait until the condition says something that satisfies; "" is that there is none."""
    return warning(await hub.wait(lambda s: holds(warning(s)), name))


async def listed(hub: Hub) -> dict[str, Any]:
    """Return what somebody who asks is told, once everything is known."""

    async def answer() -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = await ask(hub, "orphans")
        except QuestionFailed as failed:
            assert failed.code == "not-listed", failed
            return None
        return found

    found = await until(answer, bool)
    assert found is not None
    return found


def names(answer: dict[str, Any]) -> list[str]:
    return [f"{kind}/{name}" for _, kind, _, name in answer["resources"]]


async def test_what_nobody_manages_is_told_until_it_is_gone(hub: Hub, people: People) -> None:
    await people.create(config_map("left"))
    await people.create(deployment("forgotten"))
    hub.assign([config_map("mine")], orphans=ASKED)
    words = await told(hub, lambda w: "forgotten" in w)
    # Neither its ReplicaSet and Pod, nor what every namespace has.
    assert words == (
        f"in namespace {hub.namespace} 2 resources belong to no application: ConfigMap/left, Deployment.apps/forgotten"
    )
    status = await hub.synced()
    assert (status.sync, status.health) == ("Synced", "Healthy")
    assert names(await listed(hub)) == ["ConfigMap/left", "Deployment/forgotten"]
    await people.remove(hub.key("ConfigMap", "left"))
    await told(hub, lambda w: "1 resource belongs" in w)
    await people.remove(hub.key("Deployment", "forgotten", "apps"))
    await told(hub, lambda w: not w)
    await people.create(secret("new"))
    assert "Secret/new" in await told(hub, bool)


async def test_without_warnings_they_are_listed_only(hub: Hub, people: People) -> None:
    await people.create(config_map("left"))
    hub.assign([config_map("mine")], orphans=OrphanedResources(warn=False))
    await hub.synced()
    assert names(await listed(hub)) == ["ConfigMap/left"]
    assert not warning(hub.statuses[hub.application()])
    hub.assign([config_map("mine")], orphans=ASKED)
    await told(hub, bool)
    hub.assign([config_map("mine")], orphans=OrphanedResources(warn=False))
    await told(hub, lambda w: not w)


async def test_what_is_ignored_or_not_permitted_is_left_out(hub: Hub, people: People) -> None:
    for name in ("left", "left-too"):
        await people.create(config_map(name))
    await people.create(secret("s"))
    wanted = OrphanedResources(ignore=(KindRule("", "ConfigMap", "*-too"),), denied=(KindRule("", "Secret"),))
    hub.assign([config_map("mine")], orphans=wanted)
    assert (await told(hub, bool)).endswith("ConfigMap/left")
    hub.assign([config_map("mine")], orphans=OrphanedResources(permitted=(KindRule("", "Secret"),)))
    await told(hub, lambda w: w.endswith("application: Secret/s"))
    assert names(await listed(hub)) == ["Secret/s"]


async def test_objects_of_other_applications_are_none_until_these_go(hub: Hub, people: People) -> None:
    other = hub.assign([config_map("theirs")], name="other")
    await hub.synced("other")
    hub.assign([config_map("mine")], orphans=ASKED)
    assert names(await listed(hub)) == []
    assert not warning(await hub.synced())
    hub.delete(other, cascade=False)
    assert "ConfigMap/theirs" in await told(hub, bool)
    hub.assign([config_map("theirs")], name="other", uid="uid-anew")
    await told(hub, lambda w: not w)


async def test_what_is_assigned_and_not_yet_adopted_is_none(hub: Hub, people: People) -> None:
    await people.create(config_map("mine"))
    id = tracking_id(hub.tracking(), hub.key("ConfigMap", "pruned"))
    await people.create(config_map("pruned", annotations={TRACKING_ANNOTATION: id}))
    hub.assign([config_map("mine")], policy=MANUAL, orphans=ASKED)
    assert names(await listed(hub)) == []
    # Taken out of Git, it is an orphan.
    hub.assign([config_map("other")], policy=MANUAL, orphans=ASKED)
    assert "ConfigMap/mine" in await told(hub, bool)


async def test_nothing_is_watched_for_it_unless_it_is_asked_for(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock
) -> None:
    hub.assign([config_map("mine")])
    await hub.synced()
    with pytest.raises(QuestionFailed, match=r"set spec\.orphanedResources") as failed:
        await ask(hub, "orphans")
    assert failed.value.code == "not-looked-for"
    assert not [call for call in cluster.client.calls if call.verb.endswith("-metadata")]
    hub.assign([config_map("mine")], orphans=ASKED)
    await listed(hub)
    # Of Widgets other tests on the same plane have definitions of their own.
    listed_kinds = (call.kind for call in cluster.client.calls if call.verb == "list-metadata")
    asked = [kind for kind in listed_kinds if kind != "Widget"]
    assert {"Secret", "ConfigMap", "Pod", "CustomResourceDefinition"} <= set(asked)
    assert not {"Event", "Lease", "EndpointSlice", "Node"} & set(asked)
    assert len(asked) == len(set(asked)), "each is listed once"
    # At rest nothing is asked for, whatever comes and goes.
    before = len(cluster.client.calls)
    await people.create(config_map("left"))
    await told(hub, bool)
    hub.assign([config_map("mine")])
    await told(hub, lambda w: not w)
    assert {c.verb for c in cluster.client.calls[before:]} <= {"discover", "watch-metadata", "watch"}
    before = len(cluster.client.calls)
    await people.create(config_map("unseen"))
    hub.assign([config_map("mine", {"k": "2"})])
    await hub.synced()
    assert not [c for c in cluster.client.calls[before:] if c.verb.endswith("-metadata")]


async def test_a_kind_that_comes_later_is_looked_at_too(hub: Hub, people: People, clock: TurnedClock) -> None:
    hub.assign([config_map("mine")], orphans=ASKED)
    await listed(hub)
    await people.create(crd(hub.namespace))
    await people.kind(group_of(hub.namespace), "Widget")
    await people.create(widget(hub.namespace, "left"))
    assert f"Widget.{group_of(hub.namespace)}/left" in await told(hub, bool)


async def test_more_namespaces_are_looked_into(hub: Hub, people: People, clock: TurnedClock) -> None:
    hub.assign([config_map("mine")], orphans=ASKED)
    await listed(hub)
    second = f"{hub.namespace}-b"
    await people.create(namespace(second))
    await people.create(config_map("left", namespace=second))
    hub.assign([config_map("mine")], name="second", namespace=second, orphans=ASKED)
    await hub.synced("second")
    clock.advance(WIDEN_SECONDS)
    assert f"in namespace {second} 1 resource" in await told(hub, bool, "second")
    # The first application's is as it was.
    await people.create(config_map("left"))
    assert f"in namespace {hub.namespace} 1 resource" in await told(hub, bool)
    # And an application that moves tells of where it is.
    hub.assign([config_map("mine")], namespace=second, orphans=ASKED)
    await told(hub, lambda w: second in w)


async def test_a_kind_that_may_not_be_looked_at_holds_up_no_other(hub: Hub, cluster: Cluster, people: People) -> None:
    def trouble(call: Call) -> errors.KubeError | None:
        forbidden = (call.verb, call.kind) == ("list-metadata", "Secret")
        return errors.Forbidden("secrets is forbidden") if forbidden else None

    cluster.client.trouble = trouble
    await people.create(config_map("left"))
    hub.assign([config_map("mine")], orphans=ASKED)
    assert (await told(hub, bool)).endswith("ConfigMap/left")
    answer = await listed(hub)
    assert names(answer) == ["ConfigMap/left"]
    unseen = [words for words in answer["unseen"] if not words.startswith("Widget")]
    assert unseen == ["Secret (v1): secrets is forbidden (Forbidden: grant this to the agent's account)"]


@pytest.mark.parametrize("later", [errors.Unreachable("conversion webhook failed"), errors.Forbidden("no more")])
async def test_a_kind_that_cannot_be_listed_holds_up_no_other_for_long(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock, later: errors.KubeError
) -> None:
    """As one does whose conversion webhook is away."""
    tried = 0

    def trouble(call: Call) -> errors.KubeError | None:
        nonlocal tried
        if (call.verb, call.kind) != ("list-metadata", "Secret"):
            return None
        tried += 1
        return later if tried > 1 else errors.Unreachable("conversion webhook failed")

    cluster.client.trouble = trouble
    await people.create(config_map("left"))
    hub.assign([config_map("mine")], orphans=ASKED)
    await hub.synced()

    async def words() -> str:
        clock.advance(UNHEARD_SECONDS / 2 if tried > 1 else 0)
        return warning(hub.statuses[hub.application()])

    assert (await until(words, bool)).endswith("ConfigMap/left")
    unseen = [words for words in (await listed(hub))["unseen"] if words.startswith("Secret")]
    assert unseen == [f"Secret (v1): {later}{later.hint}"]
    # And it is looked at once it can be.
    cluster.client.trouble = None
    await people.create(secret("s"))
    assert "Secret/s" in await told(hub, lambda w: "Secret" in w)
    assert not [words for words in (await listed(hub))["unseen"] if words.startswith("Secret")]


async def test_a_server_that_answers_nothing_says_of_nothing_that_it_is_all_there_is(
    hub: Hub, cluster: Cluster, clock: TurnedClock
) -> None:
    tried: set[str] = set()

    def trouble(call: Call) -> errors.KubeError | None:
        if call.verb != "list-metadata":
            return None
        tried.add(call.kind)
        return errors.Unreachable("away")

    async def all_tried() -> bool:
        return {"ConfigMap", "Secret", "ServiceAccount", "CustomResourceDefinition"} <= tried

    cluster.client.trouble = trouble
    hub.assign([config_map("mine")], orphans=ASKED)
    await until(all_tried, bool)
    for _ in range(5):
        clock.advance(UNHEARD_SECONDS)
        await hub.idle()
    with pytest.raises(QuestionFailed) as failed:
        await ask(hub, "orphans")
    assert failed.value.code == "not-listed"


async def test_a_kind_is_looked_at_in_the_version_that_is_served(hub: Hub, people: People, clock: TurnedClock) -> None:
    definition = crd(hub.namespace)
    await people.create(people.leave(definition))
    await people.kind(group_of(hub.namespace), "Widget")
    await people.create(widget(hub.namespace, "left"))
    hub.assign([config_map("mine")], orphans=ASKED)
    await told(hub, lambda w: "/left" in w)
    await people.apply(in_next_version(definition))

    async def made() -> bool:
        clock.advance(1)
        try:
            await people.kind(group_of(hub.namespace), "Widget")
            await people.create(widget(hub.namespace, "later", "v2"))
        except errors.KubeError:
            return False
        return True

    await until(made, bool)
    await told(hub, lambda w: "/later" in w)


async def test_definitions_that_never_rest_do_not_keep_new_kinds_unseen(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock
) -> None:
    """As where two controllers have the same definition, and each writes what the other has undone."""
    definition = people.leave(crd(hub.namespace))
    await people.create(definition)
    key = ResourceKey("apiextensions.k8s.io", "CustomResourceDefinition", "", definition["metadata"]["name"])
    hub.assign([config_map("mine")], orphans=ASKED)
    await listed(hub)
    await people.kind(group_of(hub.namespace), "Widget")
    other = f"b.{group_of(hub.namespace)}"
    spec = {**definition["spec"], "group": other}
    await people.create(people.leave({**definition, "metadata": {"name": f"widgets.{other}"}, "spec": spec}))
    await people.kind(other, "Widget")
    before = len(cluster.client.calls)
    count = itertools.count()

    async def asked() -> bool:
        clock.advance(KINDS_SECONDS / 2)
        await people.edit(key, {"metadata": {"annotations": {"example.com/fight": str(next(count))}}})
        return any(call.verb == "list-metadata" for call in cluster.client.calls[before:])

    await until(asked, bool)


async def test_kinds_that_the_settings_leave_alone_are_not_looked_at(
    hub: Hub, cluster: Cluster, people: People
) -> None:
    """Nor waited for."""

    def trouble(call: Call) -> errors.KubeError | None:
        return errors.Unreachable("away") if (call.verb, call.kind) == ("list-metadata", "Secret") else None

    cluster.client.trouble = trouble
    for obj in (config_map("left"), deployment("forgotten")):
        await people.create(obj)
    hub.assign([config_map("mine")], orphans=ASKED)
    await hub.synced()
    leave_alone(hub, "Secret")
    assert "2 resources" in await told(hub, bool)
    leave_alone(hub, "Secret", "ConfigMap")
    await told(hub, lambda w: "1 resource belongs" in w and "forgotten" in w)
    leave_alone(hub, "Secret")
    await told(hub, lambda w: "2 resources" in w)


def leave_alone(hub: Hub, *kinds: str) -> None:
    exclusions = json.dumps([{"apiGroups": [""], "kinds": kinds}])
    hub.syncer.take_settings(json.dumps({"resource.exclusions": exclusions}).encode(), ())


async def test_a_kind_that_goes_is_waited_for_no_longer(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.syncer.orphans.UNHEARD_SECONDS", 3600.0)
    group = group_of(hub.namespace)
    definition = crd(hub.namespace)
    definition["metadata"]["name"] = f"gadgets.{group}"
    definition["spec"]["names"] = {"kind": "Gadget", "plural": "gadgets", "singular": "gadget", "listKind": "Gadgets"}
    await people.create(people.leave(definition))
    await people.kind(group, "Gadget")
    tried = asyncio.Event()

    def trouble(call: Call) -> errors.KubeError | None:
        if (call.verb, call.kind) != ("list-metadata", "Gadget"):
            return None
        tried.set()
        return errors.Unreachable("away")

    cluster.client.trouble = trouble
    await people.create(config_map("left"))
    hub.assign([config_map("mine")], orphans=ASKED)
    await hub.synced()
    async with asyncio.timeout(LIMIT):
        await tried.wait()
    assert not warning(hub.statuses[hub.application()])
    key = ResourceKey("apiextensions.k8s.io", "CustomResourceDefinition", "", f"gadgets.{group}")
    await people.remove(key)
    await people.gone(key)
    assert "/left" in await told(hub, bool)


async def test_what_was_known_of_a_namespace_that_nobody_asked_about_for_a_while_is_not_believed(
    hub: Hub, cluster: Cluster, people: People, clock: TurnedClock
) -> None:
    second = f"{hub.namespace}-b"
    await people.create(people.leave(namespace(second)))
    hub.assign([config_map("mine")], orphans=ASKED)
    hub.assign([config_map("mine")], name="second", namespace=second, orphans=ASKED)
    await people.create(config_map("left", namespace=second))
    await told(hub, lambda w: "/left" in w, "second")
    hub.assign([config_map("mine")], name="second", namespace=second)
    await told(hub, lambda w: not w, "second")
    assert not hub.syncer._orphans.seen(second), "nor kept"
    await people.create(config_map("unseen", namespace=second))
    go = asyncio.Event()

    async def gate(call: Call) -> None:
        if call.verb == "list-metadata":
            await go.wait()

    cluster.client.gate = gate
    hub.assign([config_map("mine")], name="second", namespace=second, orphans=ASKED)
    await hub.idle()
    with pytest.raises(QuestionFailed) as failed:
        await hub.syncer.answer(Question("q", hub.application("second"), "orphans", b"{}", 10))
    assert failed.value.code == "not-listed"
    go.set()
    clock.advance(WIDEN_SECONDS)
    await told(hub, lambda w: "2 resources" in w, "second")


async def test_an_application_on_its_way_out_tells_of_none(hub: Hub, people: People) -> None:
    await people.create(config_map("left"))
    assignment = hub.assign([config_map("mine", finalizers=["example.com/held"])], orphans=ASKED)
    await told(hub, bool)
    hub.delete(assignment)
    status = await hub.wait(lambda s: any(c.type == "DeletionError" for c in s.conditions))
    assert not warning(status)
    await people.edit(hub.key("ConfigMap", "mine"), {"metadata": {"finalizers": None}})


async def test_a_restart_looks_again(hub: Hub, people: People) -> None:
    await people.create(config_map("left"))
    hub.assign([config_map("mine")], orphans=ASKED)
    await told(hub, bool)
    await hub.restart()
    assert "ConfigMap/left" in await told(hub, bool)
