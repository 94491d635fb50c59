"""Which tool renders a source, as in Argo CD: the one its options name, else the one its files tell."""

from __future__ import annotations

from collections.abc import Collection

from hub.domain.application import Source

DIRECTORY = "directory"
HELM = "helm"
KUSTOMIZE = "kustomize"
JSONNET = "jsonnet"
"""No tool that a source names: some of the files of a directory."""

CHART_FILE = "Chart.yaml"
KUSTOMIZATION_FILES = ("kustomization.yaml", "kustomization.yml", "Kustomization")


def detect(source: Source, names: Collection[str]) -> str:
    """Return the tool; `names` are what the source's directory holds."""
    if source.kustomize is not None:
        return KUSTOMIZE
    if source.helm is not None:
        return HELM
    if source.directory is not None:
        return DIRECTORY
    if CHART_FILE in names:
        return HELM
    if any(name in names for name in KUSTOMIZATION_FILES):
        return KUSTOMIZE
    return DIRECTORY
