"""An application of several sources over the whole road: some of them at other revisions once, back again, and files in
the place of one of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from agent.kube.simulated import SimulatedCluster
from tests.cli.test_with_hub import Shell, eventually, fleet, shell, write
from tests.fleet.kit import Fleet
from tests.fleet.several import CHART, PLAIN, VALUES, SeveralSources
from tests.syncer.harness import config_map

__all__ = ["fleet", "shell"]

MAIN = {"chart": "main", "values": "main", "set": "nothing", "plain": "main"}


@pytest.fixture
def several(tmp_path: Path) -> SeveralSources:
    return SeveralSources(tmp_path)


@pytest.fixture
async def cluster(fleet: Fleet, shell: Shell, several: SeveralSources, tmp_path: Path) -> SimulatedCluster:
    """One cluster with the application as Git says."""
    cluster = await fleet.add_agent("one")
    await eventually(shell, ("cluster", "list"), lambda outcome: " Connected " in outcome.out)
    await shell.good("apply", "-f", write(tmp_path / "web.yaml", several.application()))
    await shell.good("app", "sync", "web", "--timeout", "30s")
    assert await live(cluster) == MAIN
    return cluster


async def live(cluster: SimulatedCluster) -> dict[str, str]:
    """What the ConfigMaps on the cluster say."""
    kind = (await cluster.discover()).kinds[("", "v1", "ConfigMap")]
    said: dict[str, str] = {}
    for name in ("settings", "plain"):
        found = await cluster.get(kind, "default", name)
        assert found is not None
        said |= found["data"]
    return said


async def history(shell: Shell) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(await shell.good("app", "history", "web", "-o", "json"))["items"]
    return items


async def test_sync_history_and_rollback(shell: Shell, several: SeveralSources, cluster: SimulatedCluster) -> None:
    pairs = ("--revisions", "next", "--source-positions", str(CHART), "--revisions", "next", "--source-names", "values")
    outcome = await shell("app", "sync", "web", *pairs)
    assert (outcome.code, "by position and by name" in outcome.err) == (2, True)
    pairs = ("--revisions", "next", "--source-names", "chart", "--revisions", "next", "--source-names", "values")
    await shell.good("app", "sync", "web", *pairs, "--dry-run", "--timeout", "30s")
    assert await live(cluster) == MAIN
    out = await shell.good("app", "sync", "web", *pairs, "--timeout", "30s")
    assert await live(cluster) == {**MAIN, "chart": "next", "values": "next"}
    commits = [several.commits[CHART]["next"], several.commits[VALUES]["next"], several.commits[PLAIN]["main"]]
    assert ",".join(commit[:7] for commit in commits) in out
    # Once: the application is out of sync with its sources, and says where it is.
    outcome = await eventually(shell, ("app", "get", "web"), lambda outcome: "OutOfSync" in outcome.out)
    assert "Source 2:" in outcome.out and "(name values, ref values)" in outcome.out

    newest, first = await history(shell)
    assert [source["revision"] for source in newest["revisions"]] == commits
    assert [source["targetRevision"] for source in newest["sources"]] == ["next", "next", "main"]
    assert "1: charts next; 2: values next; 3: plain main" in await shell.good("app", "history", "web")
    row = json.loads(await shell.good("app", "get", "web", "-o", "json"))["clusters"][0]
    assert row["operation"]["revisions"] == commits

    await shell.good("app", "rollback", "web", str(first["id"]), "--timeout", "30s")
    assert await live(cluster) == MAIN
    await shell.good("app", "rollback", "web", str(newest["id"]), "--timeout", "30s")
    assert await live(cluster) == {**MAIN, "chart": "next", "values": "next"}
    again = (await history(shell))[0]
    for what in ("revisions", "sources", "manifest_set"):
        assert again[what] == newest[what], "a rollback is to what every source was then"

    named = (
        "--revisions",
        commits[0][:10],
        "--source-positions",
        "1",
        "--revisions",
        commits[2],
        "--source-positions",
        "3",
    )
    assert "chart: next" in await shell.good("app", "manifests", "web", *named)
    outcome = await shell("app", "manifests", "web", "--revisions", commits[0], "--source-positions", "2")
    assert (outcome.code, "never deployed" in outcome.err) == (2, True)


async def test_a_revision_alone_is_refused_with_the_sources_there_are(
    shell: Shell, several: SeveralSources, cluster: SimulatedCluster, tmp_path: Path
) -> None:
    for words in (("sync", "--revision", "next"), ("diff", "--revision", "next"), ("diff", "--local", str(tmp_path))):
        outcome = await shell("app", words[0], "web", *words[1:])
        assert outcome.code == 2 and "2 sources that are rendered" in outcome.err, outcome
        assert f"1 {several.chart.url} web (named 'chart'), 2 {several.values.url} (named 'values'" in outcome.err
    outcome = await shell("app", "sync", "web", "--revisions", "nowhere", "--source-positions", "2", "--timeout", "30s")
    assert outcome.code == 1 and "nowhere" in outcome.out + outcome.err
    await shell.good("app", "set", "web", "--sync-policy", "auto")
    outcome = await shell("app", "sync", "web", "--revisions", "next", "--source-positions", "2")
    assert outcome.code == 2 and "source 2 of application web is synced automatically to 'main'" in outcome.err


async def test_differences_at_revisions_of_some_sources(
    shell: Shell, several: SeveralSources, cluster: SimulatedCluster
) -> None:
    outcome = await shell("app", "diff", "web", "--revisions", "next", "--source-positions", str(PLAIN))
    heads = [line for line in outcome.out.splitlines() if line.startswith("=====")]
    assert (outcome.code, heads) == (1, ["===== one: ConfigMap default/plain: update ====="])
    outcome = await shell(
        "app", "diff", "web", "--revisions", "next", "--revisions", "next", "--source-positions", "1,2"
    )
    assert outcome.code == 1
    added = {line[1:].strip() for line in outcome.out.splitlines() if line.startswith("+ ")}
    assert added == {"chart: next", "values: next"}
    same = ("--revisions", "main", "--revisions", several.commits[PLAIN]["main"], "--source-positions", "1,3")
    assert (await shell("app", "diff", "web", *same)).code == 0
    assert (await shell("app", "diff", "web")).code == 0, "nothing of it was assigned"


async def test_differences_of_files_in_the_place_of_one_source(
    shell: Shell, several: SeveralSources, cluster: SimulatedCluster, tmp_path: Path
) -> None:
    trees = {name: tmp_path / f"my-{name}" for name in ("charts", "values")}
    for name, tree in trees.items():
        shutil.copytree(tmp_path / name, tree)
    values = ("--local", str(trees["values"]), "--source-name", "values")
    chart = ("--local", str(trees["charts"] / "web"), "--source-position", str(CHART))
    assert (await shell("app", "diff", "web", *values)).code == 0, "as Git says"
    assert (await shell("app", "diff", "web", *chart)).code == 0
    (trees["values"] / "prod/values.yaml").write_text("word: mine\n")
    outcome = await shell("app", "diff", "web", *values)
    assert outcome.code == 1 and "+  values: mine" in outcome.out, outcome
    told = config_map("settings", {"chart": "mine", "values": "{{ .Values.word }}", "set": "{{ .Values.set }}"})
    several.chart.write(str(trees["charts"] / "web/templates/settings.yaml"), told)
    for words in (chart, (*chart, "--local-repo-root", str(trees["charts"]))):
        outcome = await shell("app", "diff", "web", *words)
        added = [line for line in outcome.out.splitlines() if line.startswith("+ ")]
        assert (outcome.code, added) == (1, ["+  chart: mine"]), outcome
    outcome = await shell(
        "app", "diff", "web", *values[:2], "--source-name", "values", "--local-repo-root", str(tmp_path)
    )
    assert outcome.code == 2 and "source 2 has no path" in outcome.err
    assert (await shell("app", "diff", "web")).code == 0, "nothing of it was assigned"
