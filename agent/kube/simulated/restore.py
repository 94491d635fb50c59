"""Brings a simulated cluster back from its disk."""

from __future__ import annotations

import logging
from typing import Final

from agent.engine.resource import GroupKind, Object, split_api_version
from agent.kube.simulated.collector import Collector
from agent.kube.simulated.persistence import VERSION_GAP
from agent.kube.simulated.registry import Registry
from agent.kube.simulated.storage import Storage

_log: Final = logging.getLogger(__name__)


def restore(storage: Storage, registry: Registry, collector: Collector, version: int, objects: list[Object]) -> None:
    """Put saved objects into an empty storage, definitions first, so that their instances find their kinds."""
    storage.restart(version + VERSION_GAP)
    for tree in sorted(objects, key=lambda tree: tree["kind"] != "CustomResourceDefinition"):
        group, _ = split_api_version(tree["apiVersion"])
        resource = registry.stored(GroupKind(group, tree["kind"]))
        if resource is None:
            _log.warning("left out %s %s: nothing defines its kind", tree["kind"], tree["metadata"]["name"])
            continue
        table = storage.table(resource)
        collector.adopt(table, storage.restore(table, tree))
        if tree["kind"] == "CustomResourceDefinition":
            registry.add(tree)
