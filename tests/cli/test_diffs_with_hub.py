"""Differences over the whole road: another revision, a working tree, and what was deployed before Git went away."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.cli.test_with_hub import Shell, data, eventually, fleet, manual, repository, shell, write
from tests.fleet.kit import Fleet, Repository
from tests.syncer.harness import bad_deployment, config_map, deployment
from tests.syncer.objects import secret

__all__ = ["fleet", "repository", "shell"]


async def deployed(fleet: Fleet, shell: Shell, repository: Repository, tmp_path: Path, **spec: Any) -> Any:
    cluster = await fleet.add_agent("one")
    await eventually(shell, ("cluster", "list"), lambda outcome: " Connected " in outcome.out)
    await shell.good("apply", "-f", write(tmp_path / "web.yaml", manual(repository.url, **spec)))
    await shell.good("app", "sync", "web", "--timeout", "30s")
    await shell.good("app", "wait", "web", "--timeout", "30s")
    return cluster


async def test_against_another_revision(fleet: Fleet, shell: Shell, repository: Repository, tmp_path: Path) -> None:
    cluster = await deployed(fleet, shell, repository, tmp_path)
    repository.git("switch", "--quiet", "--create", "feature")
    repository.write("web/all.yaml", config_map("settings", {"k": "2"}), config_map("more"))
    commit = repository.commit("Feature")
    for revision in ("feature", commit[:10]):
        outcome = await shell("app", "diff", "web", "--revision", revision)
        assert outcome.code == 1, outcome
        heads = [line for line in outcome.out.splitlines() if line.startswith("=====")]
        assert sorted(heads) == [
            "===== one: ConfigMap default/more: create =====",
            "===== one: ConfigMap default/settings: update =====",
            "===== one: apps/Deployment default/web: prune =====",
        ]
    assert (await shell("app", "diff", "web", "--revision", "main")).code == 0
    assert (await shell("app", "diff", "web")).code == 0, "nothing of it was assigned"
    assert await data(cluster) == {"k": "1"}
    outcome = await shell("app", "diff", "web", "--revision", "nowhere")
    assert (outcome.code, "nowhere" in outcome.err) == (2, True)


async def test_against_a_working_tree(fleet: Fleet, shell: Shell, repository: Repository, tmp_path: Path) -> None:
    repository.write("web/all.yaml", config_map("settings", {"k": "1"}), secret("s", password="swordfish", same="tuna"))
    repository.commit("Second")
    await deployed(fleet, shell, repository, tmp_path)
    tree = tmp_path / "tree"
    shutil.copytree(repository.path, tree)
    local = ("app", "diff", "web", "--local", str(tree / "web"))
    assert (await shell(*local)).code == 0, "as Git says"
    Repository.write(
        repository,
        "../tree/web/all.yaml",
        config_map("settings", {"k": "2"}),
        secret("s", password="sturgeon", same="tuna"),
    )
    outcome = await shell(*local, "-o", "json")
    assert outcome.code == 1
    (item,) = json.loads(outcome.out)["items"]
    diffs = {row["kind"]: row["diff"] for row in item["resources"]}
    assert set(diffs) == {"ConfigMap", "Secret"}
    assert "password" in diffs["Secret"]
    for value in ("swordfish", "sturgeon", "c3dvcmRmaXNo", "c3R1cmdlb24="):
        assert value not in outcome.out
    assert (await shell(*local, "--exit-code=false")).code == 0
    assert (await shell("app", "diff", "web")).code == 0, "nothing of it was assigned"
    # It is no application's deployment either: nothing of it can be found again.
    renders = {a.content.revision.short for a in await fleet.hub.store.assignments_of_application("argocd/web")}
    assert renders == {repository.git("rev-parse", "HEAD")[:7]}


async def test_a_working_tree_of_kustomize_and_its_root(
    fleet: Fleet, shell: Shell, repository: Repository, tmp_path: Path
) -> None:
    base = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    repository.write("base/kustomization.yaml", {**base, "resources": ["all.yaml"]})
    repository.write("base/all.yaml", config_map("settings", {"k": "1"}))
    repository.write("web/kustomization.yaml", {**base, "resources": ["../base"]})
    (repository.path / "web/all.yaml").unlink()
    repository.commit("Kustomize")
    await deployed(fleet, shell, repository, tmp_path)
    repository.write("base/all.yaml", config_map("settings", {"k": "2"}))
    local = ("app", "diff", "web", "--local", str(repository.path / "web"))
    outcome = await shell(*local, "--local-repo-root", str(repository.path))
    assert outcome.code == 1 and "ConfigMap default/settings: update" in outcome.out, outcome
    outcome = await shell(*local)
    assert outcome.code == 2 and "base" in outcome.err, outcome


async def test_rolling_back_where_git_is_gone(
    fleet: Fleet, shell: Shell, repository: Repository, tmp_path: Path
) -> None:
    cluster = await deployed(fleet, shell, repository, tmp_path)
    repository.write("web/all.yaml", config_map("settings", {"k": "2"}), deployment("web", 1))
    repository.commit("Second")
    await shell.good("app", "sync", "web", "--timeout", "30s")
    assert await data(cluster) == {"k": "2"}
    # The hub's own mirrors too: what rendered it is nowhere any more.
    shutil.rmtree(repository.path)
    shutil.rmtree(fleet.root / "hub" / "repositories")
    out = await shell.good("app", "rollback", "web", "--dry-run", "--timeout", "30s")
    assert out.index("one: ConfigMap default/settings: update") < out.index("rollback succeeded on 1 of 1")
    assert await data(cluster) == {"k": "2"}
    await shell.good("app", "rollback", "web", "1", "--timeout", "30s")
    assert await data(cluster) == {"k": "1"}


async def test_syncing_once_to_another_revision(
    fleet: Fleet, shell: Shell, repository: Repository, tmp_path: Path
) -> None:
    cluster = await deployed(fleet, shell, repository, tmp_path)
    repository.git("switch", "--quiet", "--create", "feature")
    repository.write("web/all.yaml", config_map("settings", {"k": "2"}), config_map("more"))
    commit = repository.commit("Feature")
    out = await shell.good("app", "sync", "web", "--revision", "feature", "--dry-run", "--timeout", "30s")
    told = {line.split()[2]: line for line in out.splitlines() if line.strip().startswith("Sync")}
    assert "would be created" in told["default/more"] and "would be changed" in told["default/settings"]
    assert await data(cluster) == {"k": "1"}
    await shell.good("app", "sync", "web", "--revision", "feature", "--timeout", "30s")
    assert await data(cluster) == {"k": "2"}
    # Once: what is assigned is what the source says, and so the cluster is out of sync with it.
    await eventually(shell, ("app", "get", "web"), lambda outcome: "OutOfSync" in outcome.out)
    newest, first = json.loads(await shell.good("app", "history", "web", "-o", "json"))["items"]
    assert (newest["revisions"][0]["revision"], newest["revisions"][0]["message"]) == (commit, "Feature")
    assert [entry["sources"][0]["targetRevision"] for entry in (newest, first)] == ["feature", "main"]
    outcome = await shell("app", "sync", "web", "--revision", "nowhere", "--timeout", "30s")
    assert outcome.code == 1 and "nowhere" in outcome.out + outcome.err
    await shell.good("app", "set", "web", "--sync-policy", "auto")
    outcome = await shell("app", "sync", "web", "--revision", "feature")
    assert outcome.code == 2 and "synced automatically to 'main'" in outcome.err
    await shell.good("app", "sync", "web", "--revision", "feature", "--dry-run", "--timeout", "30s")


async def test_another_revision_where_the_sources_own_is_broken(
    fleet: Fleet, shell: Shell, repository: Repository, tmp_path: Path
) -> None:
    cluster = await deployed(fleet, shell, repository, tmp_path)
    repository.write("web/all.yaml", config_map("settings", {"k": "2"}), deployment("web", 1))
    good = repository.commit("Good")
    (repository.path / "web/all.yaml").write_text("apiVersion: v1\nkind: [ConfigMap\n")
    repository.commit("Broken")
    await shell.good("app", "refresh", "web")
    await eventually(shell, ("app", "get", "web"), lambda outcome: "ComparisonError" in outcome.out)
    await shell.good("app", "sync", "web", "--revision", good, "--timeout", "30s")
    assert await data(cluster) == {"k": "2"}


async def test_history_says_with_what_it_was_made(
    fleet: Fleet, shell: Shell, repository: Repository, tmp_path: Path
) -> None:
    (repository.path / "web/all.yaml").rename(repository.path / "all.yaml")
    (repository.path / "web/templates").mkdir()
    repository.write("web/Chart.yaml", {"apiVersion": "v2", "name": "web", "version": "1.0.0"})
    values = config_map("settings", {"k": "{{ .Values.k }}"})
    repository.write("web/templates/settings.yaml", values)
    repository.commit("Chart")
    helm = {"parameters": [{"name": "k", "value": "one"}]}
    source = {"repoURL": repository.url, "path": "web", "targetRevision": "main", "helm": helm}
    await deployed(fleet, shell, repository, tmp_path, source=source)
    await shell.good("app", "set", "web", "--helm-set", "k=two")
    await shell.good("app", "sync", "web", "--timeout", "30s")
    items = json.loads(await shell.good("app", "history", "web", "-o", "json"))["items"]
    assert [entry["sources"][0]["helm"]["parameters"][0]["value"] for entry in items] == ["two", "one"]
    wide = await shell.good("app", "history", "web", "-o", "wide")
    assert "k=two" in wide and "k=one" in wide and "Ada" in wide and "PARAMETERS" in wide
    # Back to the first: with what the first was made with.
    await shell.good("app", "rollback", "web", "1", "--timeout", "30s")
    newest = json.loads(await shell.good("app", "history", "web", "-o", "json"))["items"][0]
    assert (newest["id"], newest["sources"][0]["helm"]["parameters"][0]["value"]) == (3, "one")


async def test_a_cluster_that_is_away_has_no_diff(
    fleet: Fleet, shell: Shell, repository: Repository, tmp_path: Path
) -> None:
    await deployed(fleet, shell, repository, tmp_path)
    await fleet.stop_agent("one")
    await eventually(shell, ("cluster", "list"), lambda outcome: " Connected " not in outcome.out)
    outcome = await shell("app", "diff", "web", "--revision", "main")
    assert (outcome.code, "not connected" in outcome.err) == (3, True)


async def test_a_sync_is_tried_again_with_what_git_says_then(
    fleet: Fleet, shell: Shell, repository: Repository, tmp_path: Path
) -> None:
    cluster = await deployed(fleet, shell, repository, tmp_path)
    repository.write("web/all.yaml", config_map("settings", {"k": "2"}), bad_deployment("bad"))
    repository.commit("Bad")
    retry = ("--retry-limit", "100", "--retry-backoff-duration", "1s", "--retry-backoff-factor", "1", "--retry-refresh")
    await shell.good("app", "sync", "web", *retry, "--async")
    outcome = await eventually(shell, ("app", "get", "web"), lambda outcome: " of 101 failed" in outcome.out)
    assert "the next one is 1 s later" in outcome.out
    repository.write("web/all.yaml", config_map("settings", {"k": "3"}))
    commit = repository.commit("Good")
    await shell.good("app", "refresh", "web")
    items = ("app", "history", "web", "-o", "json")
    outcome = await eventually(shell, items, lambda outcome: len(json.loads(outcome.out)["items"]) == 2)
    assert json.loads(outcome.out)["items"][0]["revisions"][0]["revision"] == commit
    assert await data(cluster) == {"k": "3"}
