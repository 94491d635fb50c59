"""Applications of charts, from the repository to the assignment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.domain.assignment import Assignment
from hub.domain.manifest import ManifestSet
from hub.domain.project import Project, ProjectDestination
from tests.fleet.kit import Fleet, Repository, application
from tests.reconcile.test_controller import condition, names_in, until
from tests.render.trees import config_map
from tests.source.chart_servers import ChartRepository, Tls, make_tls, package, serve_charts, serve_registry
from tests.source.test_oci import GZIPPED, tar


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return make_tls(tmp_path)


@pytest.fixture
def repository(tmp_path: Path, tls: Tls) -> Iterator[ChartRepository]:
    with serve_charts(tmp_path / "served", tls) as repository:
        repository.add(package(tmp_path, "web", "1.0.0", description="Serves"))
        yield repository


@pytest.fixture
async def fleet(tmp_path: Path, tls: Tls) -> AsyncIterator[Fleet]:
    fleet = Fleet(tmp_path, roles=("controller",), poll_seconds=3600.0, git_ca_file=tls.ca_file)
    await fleet.start()
    await fleet.add_cluster("one", {"region": "eu"})
    yield fleet
    await fleet.stop()


def chart_of(url: str, revision: str = "*", **source: Any) -> dict[str, Any]:
    made = application("shop", url, "x")
    made["spec"]["source"] = {"repoURL": url, "chart": "web", "targetRevision": revision, **source}
    return dict(made)


async def assigned(fleet: Fleet, version: str) -> Assignment:
    found = await until(fleet, "shop", lambda a: any(x.content.revision.short == version for x in a.values()))
    return found["one"]


async def test_a_chart_of_a_repository(fleet: Fleet, repository: ChartRepository, tmp_path: Path) -> None:
    await fleet.apply(chart_of(f"{repository.front.url}/charts", "1.x"))
    first = await assigned(fleet, "1.0.0")
    assert await names_in(fleet, first) == ["shop-web"]
    (revision,) = first.content.revision.sources
    assert (revision.chart, revision.message) == ("web", "Serves")
    assert revision.digest.startswith("sha256:")
    repository.add(package(tmp_path, "web", "1.1.0"))
    await fleet.refresh("shop")
    await assigned(fleet, "1.1.0")
    assert fleet.hub.renderer is not None and fleet.hub.renderer.renders_total == 2


async def test_an_index_that_changes_nothing_of_it_costs_no_look(
    fleet: Fleet, repository: ChartRepository, tmp_path: Path
) -> None:
    await fleet.apply(chart_of(f"{repository.front.url}/charts", "1.x"))
    await assigned(fleet, "1.0.0")
    assert fleet.hub.controller is not None
    repository.add(package(tmp_path, "other", "5.0.0"))
    looks = fleet.hub.controller.looks
    await fleet.refresh("shop")
    await until(fleet, "shop", lambda _: repository.front.asked("index") >= 2)
    # The next question comes once this answer has been compared.
    await fleet.refresh("shop")
    await until(fleet, "shop", lambda _: repository.front.asked("index") >= 3)
    assert fleet.hub.controller.looks == looks
    assert repository.front.asked(r"\.tgz") == 1


async def test_a_repository_that_is_away_takes_nothing_away(fleet: Fleet, repository: ChartRepository) -> None:
    await fleet.apply(chart_of(f"{repository.front.url}/charts"))
    await assigned(fleet, "1.0.0")
    repository.front.status = 500
    await fleet.restart_hub()
    await fleet.refresh("shop")
    assert "HTTP 500" in await condition(fleet, "shop", "ComparisonError")
    await assigned(fleet, "1.0.0")


async def test_a_version_that_was_replaced_is_told(fleet: Fleet, repository: ChartRepository, tmp_path: Path) -> None:
    await fleet.apply(chart_of(f"{repository.front.url}/charts"))
    await assigned(fleet, "1.0.0")
    (tmp_path / "again").mkdir()
    repository.add(package(tmp_path / "again", "web", "1.0.0"))
    await fleet.refresh("shop")
    assert "another than when the hub first read it" in await condition(fleet, "shop", "RenderWarning")


async def test_a_project_says_which_repositories(fleet: Fleet, repository: ChartRepository) -> None:
    project = Project(
        "narrow", source_repos=("https://charts.example.com/*",), destinations=(ProjectDestination("*", "*"),)
    )
    await fleet.hub.store.put_project(project)
    made = chart_of(f"{repository.front.url}/charts")
    made["spec"]["project"] = "narrow"
    await fleet.apply(made)
    message = await condition(fleet, "shop", "InvalidSpecError")
    assert "does not permit the repository" in message


async def test_values_beside_a_chart(fleet: Fleet, repository: ChartRepository, tmp_path: Path) -> None:
    git = Repository(tmp_path / "values")
    (git.path / "prod.yaml").write_text("word: from git\n")
    git.commit()
    made = chart_of(f"{repository.front.url}/charts")
    source = made["spec"].pop("source")
    source["helm"] = {"valueFiles": ["$values/prod.yaml"]}
    made["spec"]["sources"] = [source, {"repoURL": git.url, "ref": "values"}]
    await fleet.apply(made)
    found = (await until(fleet, "shop", lambda a: len(a) == 1))["one"]
    digest = found.content.manifest_set.digest
    entries = ManifestSet.decode((await fleet.hub.store.get_blobs([digest]))[digest]).entries
    blob = (await fleet.hub.store.get_blobs([entries[0].digest]))[entries[0].digest]
    assert b"from git" in blob


async def test_a_chart_and_manifests_of_a_registry(fleet: Fleet, tls: Tls, tmp_path: Path) -> None:
    with serve_registry(tls) as registry:
        registry.push(package(tmp_path, "web", "1.0.0"))
        registry.put(
            "apps/plain", "main", [(GZIPPED, tar({"base/a.yaml": config_map("a"), "b.yaml": config_map("b")}))]
        )
        made = chart_of(f"{registry.host}/charts", "1.0.0")
        chart = made["spec"].pop("source")
        made["spec"]["sources"] = [
            chart,
            {"repoURL": f"oci://{registry.host}/apps/plain", "path": "base", "targetRevision": "main"},
        ]
        await fleet.apply(made)
        found = (await until(fleet, "shop", lambda a: len(a) == 1))["one"]
        assert sorted(await names_in(fleet, found)) == ["a", "shop-web"]
        digest = registry.put("apps/plain", "main", [(GZIPPED, tar({"base/a.yaml": config_map("moved")}))])
        await fleet.refresh("shop")
        moved = await until(fleet, "shop", lambda a: a["one"].content.revision.sources[1].revision == digest)
        assert sorted(await names_in(fleet, moved["one"])) == ["moved", "shop-web"]
