"""Charts in Git that depend on charts elsewhere: fetched by the hub, at the versions that real helm locks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub.domain.assignment import Assignment
from hub.domain.manifest import ManifestSet
from hub.domain.project import Project, ProjectDestination
from hub.domain.repository import Credentials
from hub.domain.repository import Repository as RegisteredRepository
from hub.source.vault import seal_entry
from tests.fleet.kit import Fleet, Repository, application
from tests.reconcile.test_controller import condition, until
from tests.source.chart_servers import (
    ChartRepository,
    Registry,
    Tls,
    make_tls,
    package,
    run_helm,
    serve_charts,
    serve_registry,
)
from tests.source.test_oci import tar

CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return make_tls(tmp_path)


@pytest.fixture
def charts(tmp_path: Path, tls: Tls) -> Iterator[ChartRepository]:
    with serve_charts(tmp_path / "served", tls) as charts:
        for version in ("1.0.0", "1.1.0"):
            charts.add(package(tmp_path, "base", version))
        yield charts


@pytest.fixture
def registry(tls: Tls) -> Iterator[Registry]:
    with serve_registry(tls) as registry:
        yield registry


@pytest.fixture
async def fleet(tmp_path: Path, tls: Tls) -> AsyncIterator[Fleet]:
    fleet = Fleet(tmp_path, roles=("controller",), poll_seconds=3600.0, git_ca_file=tls.ca_file)
    await fleet.start()
    await fleet.add_cluster("one")
    yield fleet
    await fleet.stop()


@pytest.fixture
def git(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "git")


def write(git: Repository, *dependencies: dict[str, Any], **values: Any) -> Path:
    directory = git.path / "umbrella"
    (directory / "templates").mkdir(parents=True, exist_ok=True)
    chart = {"apiVersion": "v2", "name": "umbrella", "version": "0.1.0", "dependencies": list(dependencies)}
    (directory / "Chart.yaml").write_text(yaml.safe_dump(chart))
    (directory / "values.yaml").write_text(json.dumps(values))
    own = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own"}}
    (directory / "templates" / "own.yaml").write_text(json.dumps(own))
    return directory


async def deploy(fleet: Fleet, git: Repository, **spec: Any) -> None:
    git.commit()
    made = application("shop", git.url, "umbrella")
    made["spec"] |= spec
    await fleet.apply(made)


async def rendered(fleet: Fleet, assignment: Assignment) -> dict[str, dict[str, str]]:
    """name → data"""
    digest = assignment.content.manifest_set.digest
    entries = ManifestSet.decode((await fleet.hub.store.get_blobs([digest]))[digest]).entries
    blobs = await fleet.hub.store.get_blobs([entry.digest for entry in entries])
    objects = [json.loads(blobs[entry.digest]) for entry in entries]
    return {o["metadata"]["name"]: o.get("data", {}) for o in objects}


async def deployed(fleet: Fleet) -> dict[str, dict[str, str]]:
    found = await until(fleet, "shop", lambda a: len(a) == 1)
    return await rendered(fleet, found["one"])


async def test_at_the_version_of_the_lock(
    fleet: Fleet, git: Repository, charts: ChartRepository, tls: Tls, tmp_path: Path
) -> None:
    url = f"{charts.front.url}/charts"
    values = {"tags": ["<a>&"], "import-values": [{"child": "b", "parent": "a"}], "condition": "base.enabled"}
    directory = write(git, {"name": "base", "version": ">=1.0.0, <2", "repository": url, **values}, base={"word": "up"})
    run_helm("dependency", "update", str(directory), ca_file=tls.ca_file)
    for archive in (directory / "charts").glob("*.tgz"):
        archive.unlink()
    charts.add(package(tmp_path, "base", "1.2.0"))
    await deploy(fleet, git)
    assert await deployed(fleet) == {"own": {}, "shop-base": {"version": "1.1.0", "word": "up"}}
    charts.front.status = 500
    write(git, {"name": "base", "version": ">=1.0.0, <2", "repository": url, **values}, base={"word": "again"})
    git.commit()
    await fleet.refresh("shop")
    first = (await until(fleet, "shop", lambda a: len(a) == 1))["one"].content.manifest_set.digest
    again = await until(fleet, "shop", lambda a: a["one"].content.manifest_set.digest != first)
    assert (await rendered(fleet, again["one"]))["shop-base"]["word"] == "again"


async def test_a_lock_of_other_dependencies(fleet: Fleet, git: Repository, charts: ChartRepository, tls: Tls) -> None:
    url = f"{charts.front.url}/charts"
    directory = write(git, {"name": "base", "version": "1.0.0", "repository": url})
    run_helm("dependency", "update", str(directory), ca_file=tls.ca_file)
    next((directory / "charts").glob("*.tgz")).unlink()
    write(git, {"name": "base", "version": "1.1.0", "repository": url})
    with pytest.raises(AssertionError, match="out of sync"):
        run_helm("dependency", "build", str(directory))
    await deploy(fleet, git)
    assert "Chart.lock in umbrella is out of step with Chart.yaml" in await condition(fleet, "shop", "ComparisonError")


async def test_without_a_lock_the_newest_that_fits(
    fleet: Fleet, git: Repository, charts: ChartRepository, tmp_path: Path
) -> None:
    charts.add(package(tmp_path, "base", "2.0.0-rc.1"))
    write(git, {"name": "base", "version": "^1", "repository": f"{charts.front.url}/charts"})
    await deploy(fleet, git)
    assert (await deployed(fleet))["shop-base"]["version"] == "1.1.0"
    charts.add(package(tmp_path, "base", "1.9.0"))
    before = (await until(fleet, "shop", lambda a: len(a) == 1))["one"].content.manifest_set.digest
    await fleet.refresh("shop", "hard")
    after = await until(fleet, "shop", lambda a: a["one"].content.manifest_set.digest != before)
    assert (await rendered(fleet, after["one"]))["shop-base"]["version"] == "1.9.0"


async def test_one_chart_under_two_names_and_one_switched_off(
    fleet: Fleet, git: Repository, charts: ChartRepository, tmp_path: Path
) -> None:
    url = f"{charts.front.url}/charts"
    named = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Chart.Name }}"}})
    charts.add(package(tmp_path, "named", "1.0.0", {"templates/map.yaml": named}))
    charts.add(package(tmp_path, "named", "2.0.0", {"templates/map.yaml": named}))
    write(
        git,
        {"name": "named", "version": "1.0.0", "repository": url, "alias": "left"},
        {"name": "named", "version": "2.0.0", "repository": url, "alias": "right"},
        {"name": "base", "version": "1.0.0", "repository": url, "condition": "base.enabled"},
        base={"enabled": False},
    )
    await deploy(fleet, git)
    assert sorted(await deployed(fleet)) == ["left", "own", "right"]


async def test_of_a_registry_and_nested(
    fleet: Fleet, git: Repository, charts: ChartRepository, registry: Registry
) -> None:
    """A chart of a registry depends on one of the repository, and came without it."""
    inner = {"name": "base", "version": "1.0.0", "repository": f"{charts.front.url}/charts"}
    registry.put("charts/middle", "1.0.3", [(CHART, with_dependency(inner))])
    write(git, {"name": "middle", "version": "~1.0", "repository": f"oci://{registry.host}/charts"})
    await deploy(fleet, git)
    assert sorted(await deployed(fleet)) == ["own", "shop-base", "shop-middle"]


def with_dependency(dependency: dict[str, str]) -> bytes:
    """Return a chart's archive with a dependency that it does not hold, which helm would not pack."""
    chart = {"apiVersion": "v2", "name": "middle", "version": "1.0.3", "dependencies": [dependency]}
    own = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-middle"}}
    return tar({"middle/Chart.yaml": yaml.safe_dump(chart), "middle/templates/x.yaml": json.dumps(own)})


async def test_what_cannot_be_fetched_is_told(fleet: Fleet, git: Repository, charts: ChartRepository) -> None:
    write(git, {"name": "absent", "version": "1.0.0", "repository": f"{charts.front.url}/charts"})
    await deploy(fleet, git)
    assert "has no chart 'absent'" in await condition(fleet, "shop", "ComparisonError")


async def test_a_name_that_nobody_registered(fleet: Fleet, git: Repository) -> None:
    write(git, {"name": "base", "version": "1.0.0", "repository": "@internal"})
    await deploy(fleet, git)
    message = await condition(fleet, "shop", "ComparisonError")
    assert "the repository called 'internal', and none is registered so" in message


async def test_charts_that_depend_on_each_other(fleet: Fleet, git: Repository, registry: Registry) -> None:
    repository = f"oci://{registry.host}/charts"
    content = with_dependency({"name": "middle", "version": "1.0.3", "repository": repository})
    registry.put("charts/middle", "1.0.3", [(CHART, content)])
    write(git, {"name": "middle", "version": "1.0.3", "repository": repository})
    await deploy(fleet, git)
    assert "look for one that depends on itself" in await condition(fleet, "shop", "ComparisonError")


@pytest.mark.parametrize(
    ("rules", "refused"), [(("*", "!https://127.0.0.1*/**"), True), (("file://**",), False), (("*",), False)]
)
async def test_projects(
    fleet: Fleet, git: Repository, charts: ChartRepository, rules: tuple[str, ...], refused: bool
) -> None:
    """What is open to everyone may be depended on unless a rule denies it."""
    project = Project("narrow", source_repos=rules, destinations=(ProjectDestination("*", "*"),))
    await fleet.hub.store.put_project(project)
    write(git, {"name": "base", "version": "1.0.0", "repository": f"{charts.front.url}/charts"})
    await deploy(fleet, git, project="narrow")
    if refused:
        assert "denies the repository" in await condition(fleet, "shop", "ComparisonError")
        assert charts.front.seen == []
    else:
        assert "shop-base" in await deployed(fleet)


async def register(fleet: Fleet, url: str) -> None:
    entry = RegisteredRepository(
        url=url, name="internal", credentials=Credentials(username="ada", password="s3cret-word")
    )
    await fleet.hub.store.put_entries([seal_entry(entry, fleet.hub.trust.box)])
    await fleet.hub.bus.publish("repositories")


@pytest.mark.parametrize("prefix", ["@", "alias:"])
async def test_of_a_registered_repository_by_its_name(
    fleet: Fleet, git: Repository, charts: ChartRepository, prefix: str
) -> None:
    charts.front.credentials = "ada:s3cret-word"
    await register(fleet, f"{charts.front.url}/charts")
    write(git, {"name": "base", "version": "1.0.0", "repository": f"{prefix}internal"})
    await deploy(fleet, git)
    assert "shop-base" in await deployed(fleet)


async def test_a_source_cannot_be_named_so(fleet: Fleet, charts: ChartRepository) -> None:
    """What a project denies is an address: a name would lead past its rules."""
    await register(fleet, f"{charts.front.url}/charts")
    made = application("shop", "@internal", "x")
    made["spec"]["source"] = {"repoURL": "@internal", "chart": "base", "targetRevision": "1.0.0"}
    await fleet.apply(made)
    assert "'oci://internal/base' is no address" in await condition(fleet, "shop", "ComparisonError")
    assert charts.front.seen == []


async def test_where_the_hub_has_credentials_the_project_has_to_permit_it(
    fleet: Fleet, git: Repository, charts: ChartRepository
) -> None:
    charts.front.credentials = "ada:s3cret-word"
    await register(fleet, f"{charts.front.url}/charts")
    project = Project("narrow", source_repos=("file://**",), destinations=(ProjectDestination("*", "*"),))
    await fleet.hub.store.put_project(project)
    write(git, {"name": "base", "version": "1.0.0", "repository": "@internal"})
    await deploy(fleet, git, project="narrow")
    message = await condition(fleet, "shop", "ComparisonError")
    assert "project narrow does not permit the repository" in message
    assert charts.front.seen == []
