"""Orphaned resources over the whole road: a project's YAML, the agent's condition, and what people are shown."""

from __future__ import annotations

import json
from pathlib import Path

from agent.engine.resource import ResourceKey
from tests.cli.conftest import Outcome
from tests.cli.test_diffs_with_hub import deployed
from tests.cli.test_with_hub import Shell, eventually, fleet, repository, shell, write
from tests.fleet.kit import Fleet, Repository
from tests.syncer.harness import config_map

__all__ = ["fleet", "repository", "shell"]

LISTED = ("app", "resources", "web", "--orphaned")


def project(**orphaned: object) -> dict[str, object]:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": "default"},
        "spec": {
            "sourceRepos": ["*"],
            "destinations": [{"server": "*", "name": "*", "namespace": "*"}],
            "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
            **({"orphanedResources": orphaned} if orphaned else {}),
        },
    }


async def test_orphaned_resources(fleet: Fleet, shell: Shell, repository: Repository, tmp_path: Path) -> None:
    cluster = await deployed(fleet, shell, repository, tmp_path)
    kind = (await cluster.discover()).kinds[("", "v1", "ConfigMap")]
    for name in ("left", "tolerated"):
        await cluster.create(kind, config_map(name, namespace="default"), field_manager="kubectl-create")
    outcome = await shell(*LISTED)
    assert outcome.code >= 2 and "set spec.orphanedResources there" in outcome.err

    ignore = [{"kind": "ConfigMap", "name": "tol*"}]
    await shell.good("apply", "--strict", "-f", write(tmp_path / "p.yaml", project(warn=True, ignore=ignore)))

    def told(found: Outcome) -> bool:
        return "OrphanedResourceWarning" in found.out

    shown = await eventually(shell, ("app", "get", "web"), told)
    assert "in namespace default 1 resource belongs to no application: ConfigMap/left" in shown.out
    listed = await eventually(shell, (*LISTED, "-o", "json"), lambda found: found.code == 0)
    assert [row["name"] for item in json.loads(listed.out)["items"] for row in item["resources"]] == ["left"]

    await shell.good("apply", "-f", write(tmp_path / "p.yaml", project(warn=False)))
    await eventually(shell, ("app", "get", "web"), lambda found: not told(found))
    both = await eventually(shell, LISTED, lambda found: "tolerated" in found.out)
    assert both.code == 0 and "left" in both.out
    await cluster.remove(ResourceKey("", "ConfigMap", "default", "left"))
    await eventually(shell, LISTED, lambda found: "tolerated" in found.out and "left" not in found.out)
