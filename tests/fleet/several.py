"""An application of several sources: a chart, a repository that lends it its values, and plain manifests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.fleet.kit import Repository, application
from tests.syncer.harness import config_map

CHART, VALUES, PLAIN = 1, 2, 3
"""Positions, as people count them."""


class SeveralSources:
    """Three repositories, with a branch `next` in each that differs from `main`. The ConfigMap `settings` says which
    chart and which values made it, the ConfigMap `plain` which manifests."""

    def __init__(self, root: Path) -> None:
        self.chart, self.values, self.plain = (Repository(root / name) for name in ("charts", "values", "plain"))
        self.commits: dict[int, dict[str, str]] = {CHART: {}, VALUES: {}, PLAIN: {}}
        """Position → branch → commit."""
        for branch in ("main", "next"):
            for position, repository in self.repositories.items():
                if branch != "main":
                    repository.git("switch", "--quiet", "--create", branch)
                self.write(position, branch)
                self.commits[position][branch] = repository.commit(f"{repository.path.name} {branch}")
                repository.git("switch", "--quiet", "main")

    @property
    def repositories(self) -> dict[int, Repository]:
        return {CHART: self.chart, VALUES: self.values, PLAIN: self.plain}

    def write(self, position: int, word: str) -> None:
        """Have a source's files say a word."""
        if position == CHART:
            told = config_map("settings", {"chart": word, "values": "{{ .Values.word }}", "set": "{{ .Values.set }}"})
            self.chart.write("web/Chart.yaml", {"apiVersion": "v2", "name": "web", "version": "1.0.0"})
            self.chart.write("web/values.yaml", {"word": "of the chart", "set": "nothing"})
            self.chart.write("web/templates/settings.yaml", told)
        elif position == VALUES:
            self.values.write("prod/values.yaml", {"word": word})
        else:
            self.plain.write("plain/all.yaml", config_map("plain", {"plain": word}))

    def application(self, **spec: Any) -> dict[str, Any]:
        helm = {"valueFiles": ["$values/prod/values.yaml"]}
        of_plain = {"repoURL": self.plain.url, "path": "plain", "targetRevision": "main"}
        sources = [
            {"repoURL": self.chart.url, "path": "web", "targetRevision": "main", "name": "chart", "helm": helm},
            {"repoURL": self.values.url, "targetRevision": "main", "name": "values", "ref": "values"},
            of_plain,
        ]
        made = application("web", "", "", syncPolicy={}, sources=sources, **spec)
        del made["spec"]["source"]
        return made
