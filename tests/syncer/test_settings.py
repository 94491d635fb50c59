"""System-wide settings on a cluster: each has its effect at once, takes none back that stays, and outlives the hub."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.assignment import IgnoreDifference, SyncPolicy
from agent.engine.drift import content_hash
from agent.engine.resource import GroupKind, ResourceKey
from agent.engine.status import ApplicationStatus
from agent.engine.updates import update_hash
from agent.errors import StorageError
from agent.hubclient.fetched import Question
from agent.storage import Storage
from agent.syncer.settings import Settings
from tests.syncer.cluster import Cluster, People, until
from tests.syncer.harness import Hub, config_map, deployment
from tests.syncer.seeing import seen

HEALTH = "resource.customizations.health."
IGNORE = "resource.customizations.ignoreDifferences."
NO_DISK: Any = None
NO_HEALING = SyncPolicy(automated=True, prune=True)
UPDATES = "resource.customizations.ignoreResourceUpdates."


def set_(hub: Hub, data: dict[str, str], *clusters: str) -> None:
    hub.syncer.take_settings(json.dumps(data, sort_keys=True).encode(), clusters)


def conditions(status: ApplicationStatus) -> dict[str, str]:
    return {c.type: c.message for c in status.conditions}


# --- health


async def test_health_is_judged_anew_when_its_check_comes_and_when_it_goes(hub: Hub) -> None:
    hub.assign([config_map("one", {"state": "bad"}), config_map("two", {"state": "good"})])
    await hub.synced()
    script = """
    if obj.data.state == "bad" then return {status = "Degraded", message = "it says so"} end
    return {status = "Healthy"}
    """
    set_(hub, {f"{HEALTH}ConfigMap": script})
    status = await hub.wait(lambda s: s.health == "Degraded")
    assert status.health_message.endswith("it says so") and len(status.resources) == 1
    set_(hub, {f"{HEALTH}ConfigMap": "{'status': 'Suspended', 'message': 'by expression'}"})
    assert (await hub.wait(lambda s: s.health == "Suspended")).health_message.endswith("by expression")
    set_(hub, {})
    await hub.wait(lambda s: s.health == "Healthy" and s.sync == "Synced")


async def test_only_kinds_that_are_judged_otherwise_are_listed_anew(hub: Hub, cluster: Cluster) -> None:
    hub.assign([config_map("one"), deployment("web")])
    await hub.synced()
    set_(hub, {f"{HEALTH}ConfigMap": "'Suspended'"})
    await hub.wait(lambda s: s.health == "Suspended")
    cluster.client.calls.clear()
    set_(hub, {f"{HEALTH}ConfigMap": "'Suspended'", "resource.inclusions": "[]"})
    set_(hub, {f"{HEALTH}ConfigMap": "'Degraded'"})
    await hub.wait(lambda s: s.health == "Degraded")
    assert {c.kind for c in cluster.client.calls if c.verb == "list"} == {"ConfigMap"}


# --- comparing


async def test_differences_that_are_ignored_everywhere(hub: Hub, cluster: Cluster, people: People) -> None:
    hub.assign([config_map("one", {"a": "1", "b": "1"})], policy=NO_HEALING)
    await hub.synced()
    key = hub.key("ConfigMap", "one")
    await people.edit(key, {"data": {"a": "2"}})
    await hub.wait(lambda s: s.sync == "OutOfSync")
    set_(hub, {f"{IGNORE}ConfigMap": "jsonPointers: [/data/a]"})
    await hub.wait(lambda s: s.sync == "Synced")
    assert await diff_of(hub) == []
    await seen(hub, people, key)
    cluster.client.calls.clear()
    await people.edit(key, {"data": {"a": "3"}})
    await seen(hub, people, key)
    assert cluster.client.named("apply", dry_run=True) == [], "an update of nothing else costs no request"
    set_(hub, {})
    status = await hub.wait(lambda s: s.sync == "OutOfSync")
    assert [d.path for d in status.resources[0].drift] == ["/data/a"], "what was hidden is seen again"
    assert [row["change"] for row in await diff_of(hub)] == ["update"]


@pytest.mark.parametrize("killed", [False, True], ids=["running", "killed"])
async def test_what_was_hidden_is_compared_again_even_by_an_agent_that_was_killed(
    hub: Hub, people: People, killed: bool
) -> None:
    counting = {"resource.compareoptions": "ignoreDifferencesOnResourceUpdates: false"}
    set_(hub, counting | {f"{IGNORE}ConfigMap": "jsonPointers: [/data/a]"})
    hub.assign([config_map("one", {"a": "1"})], policy=NO_HEALING)
    await hub.synced()
    await people.edit(hub.key("ConfigMap", "one"), {"data": {"a": "2"}})
    await seen(hub, people, hub.key("ConfigMap", "one"))
    set_(hub, counting)
    if killed:
        await hub.restart()
    await hub.wait(lambda s: s.sync == "OutOfSync")


async def diff_of(hub: Hub) -> list[dict[str, str]]:
    found = json.loads(await hub.syncer.answer(Question("q", hub.application(), "diff", b"{}", 10.0), {}))
    rows: list[dict[str, str]] = found["resources"]
    return rows


async def test_an_applications_own_entries_are_taken_back_too(hub: Hub, people: People) -> None:
    ignore = IgnoreDifference(kind="ConfigMap", json_pointers=("/data/a",))
    objects = [config_map("one", {"a": "1"})]
    hub.assign(objects, policy=NO_HEALING, ignore=(ignore,))
    await hub.synced()
    await people.edit(hub.key("ConfigMap", "one"), {"data": {"a": "2"}})
    await seen(hub, people, hub.key("ConfigMap", "one"))
    hub.assign(objects, policy=NO_HEALING)
    await hub.wait(lambda s: s.sync == "OutOfSync")


async def test_updates_that_mean_nothing_cost_no_request(hub: Hub, cluster: Cluster, people: People) -> None:
    hub.assign([config_map("one", {"a": "1"})])
    await hub.synced()
    key = hub.key("ConfigMap", "one")
    set_(hub, {f"{UPDATES}ConfigMap": 'jqPathExpressions: [.metadata.annotations."example.com/beat"]'})
    await hub.synced()
    await seen(hub, people, key)
    cluster.client.calls.clear()
    for beat in "12":
        await people.edit(key, {"metadata": {"annotations": {"example.com/beat": beat}}})
        await seen(hub, people, key)
    assert cluster.client.named("apply", dry_run=True) == []
    await people.edit(key, {"data": {"a": "2"}})
    await hub.healed()


async def test_every_update_is_looked_at_where_that_is_asked_for(hub: Hub, cluster: Cluster, people: People) -> None:
    set_(hub, {"resource.ignoreResourceUpdatesEnabled": "false"})
    hub.assign([config_map("one")])
    await hub.synced()
    key = hub.key("ConfigMap", "one")
    await seen(hub, people, key)
    cluster.client.calls.clear()
    leader = {"control-plane.alpha.kubernetes.io/leader": "me"}
    await people.edit(key, {"metadata": {"annotations": leader}})
    await until(lambda: _named(cluster), bool)


async def _named(cluster: Cluster) -> list[str]:
    return cluster.client.named("apply", dry_run=True)


# --- what is left alone


async def test_kinds_that_are_excluded_are_left_alone_and_told(hub: Hub, people: People) -> None:
    objects = [config_map("one"), deployment("web")]
    hub.assign(objects)
    await hub.synced()
    set_(hub, {"resource.exclusions": "- apiGroups: [apps]\n  clusters: [paris]\n"}, "paris")
    status = await hub.wait(lambda s: "ExcludedResourceWarning" in conditions(s))
    assert "Deployment.apps/web" in conditions(status)["ExcludedResourceWarning"]
    assert (status.total, status.sync) == (1, "Synced")
    key = hub.key("Deployment", "web", "apps")
    await people.edit(key, {"spec": {"replicas": 2}})
    status = await hub.synced_to(hub.assign([config_map("one", {"now": "without the other"})]))
    left = await people.get(key)
    assert left is not None and left["spec"]["replicas"] == 2, "neither healed nor pruned"
    assert "ExcludedResourceWarning" not in conditions(status)
    hub.assign(objects)
    await hub.wait(lambda s: "ExcludedResourceWarning" in conditions(s) and s.sync == "Synced")
    set_(hub, {"resource.exclusions": "- apiGroups: [apps]\n  clusters: [paris]\n"}, "rome")
    status = await hub.wait(lambda s: s.total == 2 and s.sync == "Synced" and not s.conditions)
    again = await people.get(key)
    assert again is not None and again["spec"]["replicas"] == 1, "on a cluster of another name it is healed"


async def test_what_clusters_make_themselves_is_excluded_by_default(hub: Hub, people: People) -> None:
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "held"}, "spec": {}}
    hub.assign([config_map("one"), lease])
    status = await hub.synced()
    assert "Lease.coordination.k8s.io/held" in conditions(status)["ExcludedResourceWarning"]
    assert await people.get(hub.key("Lease", "held", "coordination.k8s.io")) is None


# --- what cannot be read, and where they are kept


async def test_what_cannot_be_read_is_told_and_the_rest_is_in_force(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    hub.assign([config_map("one")])
    await hub.synced()
    with caplog.at_level(logging.WARNING):
        set_(hub, {"resource.compareoptions": "[", f"{HEALTH}ConfigMap": "'Suspended'"})
    assert "resource.compareoptions" in caplog.text
    status = await hub.wait(lambda s: s.health == "Suspended" and "InvalidSpecError" in conditions(s))
    assert "resource.compareoptions" in conditions(status)["InvalidSpecError"]
    set_(hub, {f"{HEALTH}ConfigMap": "'Suspended'"})
    await hub.wait(lambda s: not s.conditions)


async def test_an_expression_that_is_not_served_is_told_where_it_matters(hub: Hub) -> None:
    hub.assign([config_map("one")])
    hub.assign([deployment("web")], name="other")
    await hub.synced()
    await hub.synced("other")
    set_(hub, {f"{IGNORE}ConfigMap": "jqPathExpressions: ['.data | input']"})
    await hub.wait(lambda s: "InvalidSpecError" in conditions(s))
    assert not hub.statuses[hub.application("other")].conditions


async def test_settings_are_in_force_after_a_start_without_the_hub(hub: Hub) -> None:
    assert hub.syncer.settings_digest() == ""
    hub.assign([config_map("one")])
    set_(hub, {f"{HEALTH}ConfigMap": "'Suspended'"}, "paris")
    digest = hub.syncer.settings_digest()
    await hub.wait(lambda s: s.health == "Suspended")
    await hub.restart()
    assert hub.syncer.settings_digest() == digest and len(digest) == 64
    assert hub.syncer.settings.current.filter.clusters == ("paris",)
    await hub.wait(lambda s: s.health == "Suspended")


async def test_settings_that_cannot_be_stored_are_not_in_force(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.assign([config_map("one")])
    await hub.synced()
    before = hub.syncer.settings.current

    def full(key: str, value: str) -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr(hub.storage, "put", full)
    with pytest.raises(StorageError):
        set_(hub, {f"{HEALTH}ConfigMap": "'Suspended'"})
    assert hub.syncer.settings.current is before and hub.syncer.settings_digest() == ""
    monkeypatch.undo()
    hub.syncer.take_settings(b"[]", [])
    hub.syncer.take_settings(b'{"a": 1}', [])
    assert hub.syncer.settings.current is before, "what is no settings at all is left"


def test_an_agent_without_settings_loads_no_yaml() -> None:
    code = (
        "import sys, agent.agent; from agent.storage import Storage; from agent.syncer.settings import Settings; "
        "from pathlib import Path; import tempfile; "
        "d = tempfile.TemporaryDirectory(); s = Storage(Path(d.name) / 'a.db'); x = Settings(s); x.restore(); "
        "x.put_in_force(x.read(b'{\"resource.customizations.health.Pod\": \"true\"}', []), b''); s.close(); "
        "print('yaml' in sys.modules, 'lupa' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"], done.stderr


def test_a_deep_text_ends_nothing(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "agent.db")
    settings = Settings(storage)
    found = settings.read(json.dumps({"resource.exclusions": "[" * 10_000}).encode(), [])
    assert found is not None and "deeper" in found.problems[0]
    assert found.filter.excludes(GroupKind("", "Endpoints"))
    storage.close()


@given(
    st.dictionaries(
        st.sampled_from(["status", "data", "spec"]), st.sampled_from([{"a": "1"}, {"b": []}, [], "x", None])
    ),
    st.lists(st.sampled_from(["/status", "/data/a", "/data/b", "/spec", "/spec/0"]), max_size=3),
)
def test_the_short_way_to_a_hash_gives_the_long_ones(fields: dict[str, object], pointers: list[str]) -> None:
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, **fields}
    settings = Settings(NO_DISK)
    settings.register("app", (IgnoreDifference(kind="ConfigMap", json_pointers=tuple(pointers)),))
    key = ResourceKey("", "ConfigMap", "", "one")
    found = settings.update_hash("app", key, obj, content_hash(obj))
    assert found == update_hash(obj, settings.update_ignores("app", key))
