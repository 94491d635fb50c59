"""An application of several sources, some of them at another revision once or in the place of files: what its clusters
are assigned, and what is rendered for whoever asks."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from hub.domain.assignment import Assignment
from hub.domain.manifest import ManifestSet, digest_of
from hub.domain.operation import OperationKind, OperationRequest
from hub.domain.sources import SourceChoice
from hub.errors import HubError
from hub.fleet.post import Post
from hub.fleet.previews import Preview, Wish, ask_preview
from hub.store.bus import InProcessBus
from tests.fleet.kit import Fleet
from tests.fleet.several import CHART, PLAIN, VALUES, SeveralSources
from tests.reconcile.test_controller import ask, condition, until
from tests.source.test_packed import packed
from tests.syncer.cluster import until as until_true
from tests.syncer.harness import config_map

APP = "argocd/web"
MAIN = {"chart": "main", "values": "main", "set": "nothing", "plain": "main"}


@pytest.fixture
def several(tmp_path: Path) -> SeveralSources:
    return SeveralSources(tmp_path)


def choices(several: SeveralSources, **revisions: str) -> tuple[SourceChoice, ...]:
    positions = {"chart": CHART, "values": VALUES, "plain": PLAIN}
    return tuple(
        SourceChoice(positions[name] - 1, revision, several.repositories[positions[name]].url)
        for name, revision in revisions.items()
    )


async def told(fleet: Fleet, digest: str) -> dict[str, str]:
    """What the ConfigMaps of a manifest set say."""
    content = (await fleet.hub.store.get_blobs([digest]))[digest]
    blobs = await fleet.hub.store.get_blobs({entry.digest for entry in ManifestSet.decode(content).entries})
    return {key: value for blob in blobs.values() for key, value in orjson.loads(blob)["data"].items()}


async def assigned(fleet: Fleet, several: SeveralSources, *clusters: str, **spec: Any) -> dict[str, Assignment]:
    for name in clusters:
        await fleet.add_cluster(name)
    await fleet.apply(several.application(**spec))
    return await until(fleet, "web", lambda found: len(found) == len(clusters))


async def operations(fleet: Fleet, id: str, *clusters: str) -> dict[str, OperationRequest]:
    """Wait until the clusters carry a request, and return it as settled for each."""

    def carried(found: dict[str, Assignment]) -> bool:
        return all(name in found and getattr(found[name].content.operation, "id", "") == id for name in clusters)

    found = await until(fleet, "web", carried)
    return {name: operation for name in clusters if (operation := found[name].content.operation) is not None}


# --- once at other revisions


async def test_some_sources_go_to_revisions_of_their_own_and_the_others_stay(
    fleet: Fleet, several: SeveralSources
) -> None:
    await assigned(fleet, several, "one")
    await ask(fleet, "web", "sync", revisions=choices(several, chart="next", values="next"))
    operation = (await operations(fleet, "sync", "one"))["one"]
    assert await told(fleet, operation.manifest_set.digest) == {**MAIN, "chart": "next", "values": "next"}
    read = [(source.repo_url, source.revision, source.message) for source in operation.revision.sources]
    assert read == [
        (several.chart.url, several.commits[CHART]["next"], "charts next"),
        (several.values.url, several.commits[VALUES]["next"], "values next"),
        (several.plain.url, several.commits[PLAIN]["main"], "plain main"),
    ]
    document = (await fleet.hub.store.get_blobs([operation.sources]))[operation.sources]
    assert [source["targetRevision"] for source in orjson.loads(document)] == ["next", "next", "main"]
    # Once: what is assigned is what the sources themselves say.
    found = (await until(fleet, "web", lambda found: len(found) == 1))["one"].content
    assert await told(fleet, found.manifest_set.digest) == MAIN
    # Written down after the assignment is.
    [kept] = await until_true(lambda: fleet.hub.store.operation_requests(APP), lambda requests: requests[0].began)
    assert kept.revisions == operation.revisions


async def test_a_source_that_only_lends_its_files_goes_back_to_a_commit(fleet: Fleet, several: SeveralSources) -> None:
    before = several.commits[VALUES]["main"]
    several.write(VALUES, "newer")
    several.values.commit()
    await assigned(fleet, several, "one")
    await ask(fleet, "web", "sync", revisions=choices(several, values=before))
    operation = (await operations(fleet, "sync", "one"))["one"]
    assert (await told(fleet, operation.manifest_set.digest))["values"] == "main"


async def test_each_cluster_keeps_its_overrides_and_those_that_are_alike_share_a_render(
    fleet: Fleet, several: SeveralSources
) -> None:
    patch = {"name": "chart", "helm": {"parameters": [{"name": "set", "value": "small"}]}}
    overrides = [{"clusters": ["small"], "source": patch}]
    await assigned(fleet, several, "one", "two", "small", overrides=overrides)
    assert fleet.hub.renderer is not None
    renders = fleet.hub.renderer.renders_total
    await ask(fleet, "web", "sync", revisions=choices(several, chart="next"))
    found = await operations(fleet, "sync", "one", "two", "small")
    said = {name: await told(fleet, operation.manifest_set.digest) for name, operation in found.items()}
    assert said["one"] == said["two"] == {**MAIN, "chart": "next"}
    assert said["small"] == {**MAIN, "chart": "next", "set": "small"}
    assert fleet.hub.renderer.renders_total == renders + 2


async def test_requests_for_other_clusters_are_for_revisions_of_their_own(
    fleet: Fleet, several: SeveralSources
) -> None:
    found = await assigned(fleet, several, "one", "two", "three")
    asked = {"one": {"chart": "next"}, "two": {"values": "next"}, "three": {"chart": several.commits[CHART]["main"]}}
    # All of them before the controller hears of any.
    for name, revisions in asked.items():
        wanted = choices(several, **revisions)
        request = OperationRequest(
            name, OperationKind.SYNC, "ada", datetime.now(UTC), clusters=(found[name].cluster,), revisions=wanted
        )
        await fleet.hub.store.record_operation_request(APP, request)
    await fleet.hub.bus.publish("applications", APP)
    said = {}
    for name in asked:
        operation = (await operations(fleet, name, name))[name]
        said[name] = await told(fleet, operation.manifest_set.digest)
    assert said == {"one": {**MAIN, "chart": "next"}, "two": {**MAIN, "values": "next"}, "three": MAIN}


async def test_another_revision_of_the_source_whose_own_cannot_be_rendered(
    fleet: Fleet, several: SeveralSources
) -> None:
    await assigned(fleet, several, "one")
    (several.plain.path / "plain/all.yaml").write_text("apiVersion: v1\nkind: [ConfigMap\n")
    several.plain.commit("broken")
    await fleet.refresh("web")
    await condition(fleet, "web", "ComparisonError")
    await ask(fleet, "web", "sync", revisions=choices(several, plain="next"))
    operation = (await operations(fleet, "sync", "one"))["one"]
    assert await told(fleet, operation.manifest_set.digest) == {**MAIN, "plain": "next"}


async def failure(fleet: Fleet, id: str) -> str:
    """Wait until a request has failed, and return why."""

    async def messages() -> list[str]:
        requests = await fleet.hub.store.operation_requests(APP)
        return [f.message for request in requests if request.id == id for f in request.failures]

    return (await until_true(messages, bool))[0]


async def test_a_revision_that_is_nowhere_ends_the_request_with_its_repository(
    fleet: Fleet, several: SeveralSources
) -> None:
    await assigned(fleet, several, "one")
    await ask(fleet, "web", "sync", revisions=choices(several, chart="next", plain="nowhere"))
    message = await failure(fleet, "sync")
    assert "nowhere" in message and "plain" in message


async def test_where_the_sources_are_others_meanwhile_nothing_begins(fleet: Fleet, several: SeveralSources) -> None:
    await assigned(fleet, several, "one")
    asked = choices(several, chart="next")
    turned = several.application()
    turned["spec"]["sources"].reverse()
    await fleet.apply(turned)

    async def seen() -> int:
        return (await fleet.hub.store.get_refresh_states([APP]))[APP].spec_generation

    await until_true(seen, lambda generation: generation == 2)
    await ask(fleet, "web", "sync", revisions=asked)
    message = await failure(fleet, "sync")
    assert message == (
        "source 1 of the application is not the one any more that 'next' was asked for: look at its sources, and ask "
        "again"
    )
    found = await fleet.hub.store.assignments_of_application(APP)
    assert [a.content.operation for a in found] == [None]


async def test_a_cluster_that_joins_begins_nothing_of_it(fleet: Fleet, several: SeveralSources) -> None:
    await assigned(fleet, several, "one")
    await ask(fleet, "web", "sync", revisions=choices(several, chart="next"))
    await operations(fleet, "sync", "one")
    await until_true(lambda: fleet.hub.store.operation_requests(APP), lambda requests: requests[0].began)
    await fleet.add_cluster("late")
    late = (await until(fleet, "web", lambda found: "late" in found))["late"].content
    assert late.operation is None
    assert await told(fleet, late.manifest_set.digest) == MAIN


# --- for whoever asks


async def preview(fleet: Fleet, **wish: Any) -> Preview:
    bus = fleet.hub.bus
    assert isinstance(bus, InProcessBus)

    async def listens() -> bool:
        return any("previews" in subscription.topics for subscription in bus._subscriptions)

    await until_true(listens, bool)
    return await ask_preview(Post(fleet.hub.store, bus), Wish(APP, **wish))


async def previewed(fleet: Fleet, **wish: Any) -> dict[str, str]:
    found = await preview(fleet, **wish)
    assert found.troubles == {}
    (ref,) = found.sets.values()
    return await told(fleet, ref.digest)


async def sent(fleet: Fleet, files: dict[str, Any]) -> str:
    content = packed({path: yaml.safe_dump(value).encode() for path, value in files.items()})
    await fleet.hub.store.put_blobs({digest_of(content): content})
    return digest_of(content)


async def test_some_sources_at_other_revisions_are_rendered_and_assigned_nowhere(
    fleet: Fleet, several: SeveralSources
) -> None:
    before = (await assigned(fleet, several, "one"))["one"]
    wish = choices(several, values="next", plain="next")
    assert await previewed(fleet, revisions=wish) == {**MAIN, "values": "next", "plain": "next"}
    # A branch is read as it is now, of a source that only lends its files as well.
    several.values.git("switch", "--quiet", "next")
    several.write(VALUES, "pushed")
    several.values.commit()
    assert (await previewed(fleet, revisions=wish))["values"] == "pushed"
    after = (await until(fleet, "web", lambda found: len(found) == 1))["one"]
    assert (after.digest, after.generation) == (before.digest, before.generation)


async def test_files_in_the_place_of_the_chart_use_the_values_of_git(fleet: Fleet, several: SeveralSources) -> None:
    await assigned(fleet, several, "one")
    chart = {"apiVersion": "v2", "name": "web", "version": "1.0.0"}
    template = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "local"},
        "data": {"v": "{{.Values.word}}"},
    }
    files = {"Chart.yaml": chart, "templates/all.yaml": template}
    assert await previewed(fleet, upload=await sent(fleet, files), position=0) == {"v": "main", "plain": "main"}
    rooted = {f"charts/web/{path}": content for path, content in files.items()}
    upload = await sent(fleet, rooted)
    assert await previewed(fleet, upload=upload, position=0, path="charts/web") == {"v": "main", "plain": "main"}


async def test_the_chart_of_git_uses_files_in_the_place_of_its_values(fleet: Fleet, several: SeveralSources) -> None:
    await assigned(fleet, several, "one")
    beside = config_map("beside", {"this": "is rendered by nobody"})
    upload = await sent(fleet, {"prod/values.yaml": {"word": "local", "set": "here"}, "all.yaml": beside})
    for path in ("", "."):
        expected = {**MAIN, "values": "local", "set": "here"}
        assert await previewed(fleet, upload=upload, position=1, path=path) == expected


async def test_value_files_beside_a_chart_that_others_use_are_read_from_what_was_sent(
    fleet: Fleet, several: SeveralSources
) -> None:
    """One source is rendered and lends its files as well: another one reads them by its `ref`."""
    app = several.application()
    app["spec"]["sources"][2]["ref"] = "plain"
    app["spec"]["sources"][0]["helm"]["valueFiles"] = ["$plain/plain/values.yaml", "$plain/shared.yaml"]
    app["spec"]["sources"][0]["helm"]["ignoreMissingValueFiles"] = True
    await fleet.add_cluster("one")
    await fleet.apply(app)
    await until(fleet, "web", lambda found: len(found) == 1)
    plain = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "plain"}, "data": {"plain": "local"}}
    app["spec"]["sources"][2]["directory"] = {"include": "all.yaml"}
    app["spec"]["sources"][0]["helm"]["ignoreMissingValueFiles"] = False
    await fleet.apply(app)
    files = {"all.yaml": plain, "values.yaml": {"word": "beside"}}
    (trouble,) = (await preview(fleet, upload=await sent(fleet, files), position=2)).troubles.values()
    assert trouble.code == "not-rendered" and "$plain/shared.yaml" in trouble.message
    assert trouble.message.endswith("give --local-repo-root where more of it is read.")
    rooted = {f"plain/{path}": content for path, content in files.items()} | {"shared.yaml": {"set": "of the root"}}
    upload = await sent(fleet, rooted)
    said = await previewed(fleet, upload=upload, position=2, path="plain")
    assert said == {"chart": "main", "values": "beside", "set": "of the root", "plain": "local"}


@pytest.mark.parametrize("wish", [{"upload": "00"}, {"upload": "00", "position": 3}, {"revision": "next"}])
async def test_what_does_not_say_which_source_it_means_is_refused(
    fleet: Fleet, several: SeveralSources, wish: dict[str, Any]
) -> None:
    await assigned(fleet, several, "one")
    with pytest.raises(HubError) as refused:
        await preview(fleet, **wish)
    assert (refused.value.code, "3 sources" in refused.value.message) == ("invalid", True)
