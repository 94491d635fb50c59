"""Charts on their way to clusters: what they make up, and what they ask of a cluster."""

from __future__ import annotations

import pytest

from hub.domain.cluster import Capabilities
from hub.domain.manifest import ManifestSet
from tests.faults.waiting import answered
from tests.fleet.kit import Fleet, Repository, application
from tests.reconcile.test_controller import condition, until
from tests.syncer.harness import config_map

TEMPLATE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: made}\ndata: {made: {{ %s | quote }}}\n"


def write_chart(repository: Repository, expression: str) -> None:
    chart = repository.path / "chart"
    (chart / "templates").mkdir(parents=True, exist_ok=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: chart\nversion: 1.0.0\n")
    (chart / "templates" / "made.yaml").write_text(TEMPLATE % expression)
    repository.commit(expression)


async def done(fleet: Fleet, name: str) -> bool:
    return (await fleet.hub.store.get_refresh_states())[f"argocd/{name}"].requested == ""


async def refreshed(fleet: Fleet, name: str, mode: str) -> None:
    await fleet.refresh(name, mode)
    await answered(lambda: done(fleet, name), "the refresh to be done")


async def digest(fleet: Fleet, name: str) -> str:
    return (await until(fleet, name, lambda a: len(a) == 1))["one"].content.manifest_set.digest


async def test_what_a_chart_makes_up_is_told_and_changes_with_a_hard_refresh(
    fleet: Fleet, repository: Repository
) -> None:
    write_chart(repository, "randAlphaNum 20")
    await fleet.add_cluster("one")
    await fleet.apply(application("web", repository.url, "chart"))
    before = await digest(fleet, "web")
    assert "made.yaml (randAlphaNum)" in await condition(fleet, "web", "RenderWarning")
    await refreshed(fleet, "web", "normal")
    assert await digest(fleet, "web") == before
    await refreshed(fleet, "web", "hard")
    assert await digest(fleet, "web") != before


async def test_what_is_frozen_stays_through_hard_refreshes_and_rest(fleet: Fleet, repository: Repository) -> None:
    write_chart(repository, "randAlphaNum 20")
    await fleet.add_cluster("one")
    for name in ("web", "loose"):
        given = application(name, repository.url, "chart")
        # One release, so the same input: only who asks for it freezes it.
        given["spec"]["source"]["helm"] = {"releaseName": "same"}
        if name == "web":
            given["metadata"]["annotations"] = {"escadre.io/helm-random": "frozen"}
        await fleet.apply(given)
    before, loose = await digest(fleet, "web"), await digest(fleet, "loose")
    assert before != loose
    for name in ("loose", "web"):
        await refreshed(fleet, name, "hard")
    assert await digest(fleet, "loose") != loose
    assert await digest(fleet, "web") == before


@pytest.mark.parametrize(
    "expression", [".Capabilities.KubeVersion.Version", '.Capabilities.APIVersions.Has "x/v1/New"']
)
async def test_a_chart_is_told_what_its_cluster_is_and_when_that_changes(
    fleet: Fleet, repository: Repository, expression: str
) -> None:
    write_chart(repository, expression)
    repository.write("plain/all.yaml", config_map("a"))
    repository.commit("plain manifests")
    cluster = await fleet.add_cluster("one")
    store, renderer = fleet.hub.store, fleet.hub.renderer
    assert renderer is not None
    await store.put_capabilities(cluster.uid, Capabilities("v1.30.1", ("x/v1/Old",), "d1"), "")
    await fleet.hub.bus.publish("clusters", cluster.uid)
    for name, path in (("web", "chart"), ("plain", "plain")):
        await fleet.apply(application(name, repository.url, path))
    first, plain = await digest(fleet, "web"), await digest(fleet, "plain")
    renders = renderer.renders_total
    await store.put_capabilities(cluster.uid, Capabilities("v1.31.0", ("x/v1/New",), "d2"), "")
    await fleet.hub.bus.publish("clusters", cluster.uid)
    found = await until(fleet, "web", lambda a: a["one"].content.manifest_set.digest != first)
    ref = found["one"].content.manifest_set
    (entry,) = ManifestSet.decode((await store.get_blobs([ref.digest]))[ref.digest]).entries
    content = (await store.get_blobs([entry.digest]))[entry.digest]
    assert (b"v1.31.0" if "KubeVersion" in expression else b'"made":"true"') in content
    assert await digest(fleet, "plain") == plain
    # Plain manifests ask nothing of a cluster: they are looked at, and not rendered.
    assert renderer.renders_total == renders + 1
