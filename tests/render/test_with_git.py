"""From a commit to manifests: a real mirror read by real workers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.domain.application import HelmOptions, Source
from hub.render import Rendered, Renderer, RenderError, RendererSettings, RenderRequest, Scan, SourceInput
from hub.source import GitSource, GitTree, SourcePolicy
from tests.render.trees import config_map
from tests.source.repos import Repo


@pytest.fixture
async def git(tmp_path: Path) -> AsyncIterator[GitSource]:
    git = GitSource(tmp_path / "data", policy=SourcePolicy(file_prefixes=(tmp_path,)))
    yield git
    await git.close()


@pytest.fixture
async def renderer(tmp_path: Path, git: GitSource) -> AsyncIterator[Renderer]:
    data = tmp_path / "data"
    settings = RendererSettings(workers=1, hidden=(data,), readable=(data / "repositories",), preload=(GitTree,))
    renderer = Renderer(data / "render", settings)
    await renderer.start()
    yield renderer
    await renderer.close()


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = Repo(tmp_path)
    (repo.work / "chart").mkdir()
    (repo.work / "chart/linked.txt").symlink_to("../plain/b.yaml")
    (repo.work / "out").mkdir()
    (repo.work / "out/x.yaml").symlink_to("/etc/passwd")
    repo.commit(
        {
            "plain/a.yaml": config_map("a"),
            "plain/b.yaml": config_map("b"),
            "chart/Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n",
            "chart/templates/t.yaml": config_map("{{ .Release.Name }}", linked="{{ .Files.Get `linked.txt` | len }}"),
            "overlay/kustomization.yaml": "resources: [../base]\nnamePrefix: over-\n",
            "base/kustomization.yaml": "resources: [c.yaml]\n",
            "base/c.yaml": config_map("c"),
            "values.yaml": "a: 1\n",
        }
    )
    return repo


async def request(git: GitSource, *sources: Source) -> RenderRequest:
    inputs = []
    for source in sources:
        commit = await git.resolve(source.repo_url, source.target_revision)
        inputs.append(SourceInput(source, git.tree(source.repo_url, commit.sha), commit.sha))
    return RenderRequest(tuple(inputs), "shop")


def names(rendered: Rendered) -> list[str]:
    return [json.loads(rendered.blobs[entry.digest])["metadata"]["name"] for entry in rendered.manifest_set.entries]


@pytest.mark.parametrize(("path", "expected"), [("plain", ["a", "b"]), ("chart", ["shop"]), ("overlay", ["over-c"])])
async def test_every_tool(git: GitSource, renderer: Renderer, repo: Repo, path: str, expected: list[str]) -> None:
    given = await request(git, Source(repo.url, path=path))
    assert names(await renderer.render(given, await renderer.scan(given))) == expected


async def test_a_symlink_out_of_the_repository(git: GitSource, renderer: Renderer, repo: Repo) -> None:
    with pytest.raises(RenderError, match=r"'out/x\.yaml' is a symlink to '/etc/passwd'"):
        await renderer.scan(await request(git, Source(repo.url, path="out")))


async def test_several_repositories(git: GitSource, renderer: Renderer, repo: Repo, tmp_path: Path) -> None:
    other = Repo(tmp_path, "values")
    other.commit({"prod.yaml": "a: 2\n"})
    chart = Source(repo.url, path="chart", helm=HelmOptions(value_files=("$values/prod.yaml",)))
    given = await request(git, chart, Source(other.url, ref="values"))
    scan = await renderer.scan(given)
    assert list(scan.inputs) == ["0:chart", "0:plain/b.yaml", "1:prod.yaml"]
    assert names(await renderer.render(given, scan)) == ["shop"]


async def test_inputs_are_what_the_mirror_calls_them(git: GitSource, renderer: Renderer, repo: Repo) -> None:
    """What a scan noted is compared with the next commit by these ids, without another scan."""

    async def look(path: str) -> tuple[Scan, dict[str, str]]:
        source = Source(repo.url, path=path)
        given = await request(git, source)
        scan = await renderer.scan(given)
        paths = [key.removeprefix("0:") for key in scan.inputs]
        found = git.object_ids(repo.url, given.sources[0].revision, paths)
        return scan, {f"0:{path}": object_id for path, object_id in found.items()}

    before = {}
    for path in ("plain", "chart", "overlay"):
        scan, found = await look(path)
        assert found == dict(scan.inputs)
        before[path] = scan
    repo.commit({"base/c.yaml": config_map("changed"), "unread.txt": "x"})
    await git.refresh(repo.url)
    for path in ("plain", "chart", "overlay"):
        scan, _ = await look(path)
        assert (scan.key == before[path].key) is (path != "overlay")
        assert (scan.inputs == before[path].inputs) is (path != "overlay")


async def test_a_commit_beside_what_is_read_costs_no_render(git: GitSource, renderer: Renderer, repo: Repo) -> None:
    """An application at the repository's root: every commit changes the root, few change what it reads."""
    repo.commit({"root.yaml": config_map("root")})
    await git.refresh(repo.url)
    source = Source(repo.url, path=".")
    before = await renderer.scan(await request(git, source))
    repo.commit({"plain/a.yaml": config_map("other")})
    await git.refresh(repo.url)
    after = await renderer.scan(await request(git, source))
    assert before.inputs != after.inputs
    assert before.key == after.key


async def test_other_processes_give_the_same_bytes(git: GitSource, repo: Repo, tmp_path: Path) -> None:
    outcomes = []
    for i in range(2):
        renderer = Renderer(tmp_path / f"render{i}", RendererSettings(workers=1))
        await renderer.start()
        for path in ("plain", "chart", "overlay"):
            given = await request(git, Source(repo.url, path=path))
            rendered = await renderer.render(given, await renderer.scan(given))
            outcomes.append((path, rendered.manifest_set.encode(), rendered.blobs))
        await renderer.close()
    assert outcomes[:3] == outcomes[3:]


async def test_a_damaged_mirror_is_told_as_one(git: GitSource, renderer: Renderer, repo: Repo) -> None:
    given = await request(git, Source(repo.url, path="plain"))
    scan = await renderer.scan(given)
    (mirror,) = (tmp for tmp in (git._directory).glob("*.git"))
    for path in mirror.glob("objects/??/*"):
        path.unlink()
    for path in mirror.glob("objects/pack/*"):
        path.unlink()
    with pytest.raises(RenderError, match="hard refresh") as caught:
        await renderer.render(given, scan)
    assert (caught.value.code, caught.value.retryable) == ("mirror-damaged", True)
