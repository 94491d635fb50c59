"""Hides what rendered Secrets hold before people are shown them. Pure.

The hub has to render Secrets that stand in Git as they are; that is no reason to repeat them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MASK = "++++++++"

_SHOWN = frozenset({"apiVersion", "kind", "metadata", "type", "immutable"})
"""Fields a Secret shows; any other at its top is hidden, those the API does not know included."""
_COPIES = frozenset(
    {
        "banzaicloud.com/last-applied",
        "kapp.k14s.io/original",
        "kubectl.kubernetes.io/last-applied-configuration",
        "objectset.rio.cattle.io/applied",
    }
)
"""Annotations in which tools keep a copy of the whole object."""


def masked(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object, and if it is a Secret (of whatever API group) without its values."""
    if manifest.get("kind") != "Secret":
        return dict(manifest)
    return {
        key: (_metadata(value) if key == "metadata" else value) if key in _SHOWN else _hidden(value)
        for key, value in manifest.items()
    }


def _hidden(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict.fromkeys(value, MASK)
    return None if value is None else MASK


def _metadata(metadata: Any) -> Any:
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    if not isinstance(annotations, Mapping):
        return metadata
    shown = {name: MASK if name in _COPIES else value for name, value in annotations.items()}
    return {**metadata, "annotations": shown}
