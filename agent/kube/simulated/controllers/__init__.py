"""The controllers of a simulated cluster: what makes the things people deploy come up, or visibly fail to.

They are driven by changes and by nothing else, so that kinds no controller cares about cost nothing, and an idle
cluster does nothing. Each looks at one object and takes one step; the change this makes drives the next.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from agent.engine.resource import GroupKind, Object, split_api_version
from agent.kube.client import EventType
from agent.kube.errors import KubeError, Unreachable
from agent.kube.simulated.controllers import deployments, jobs, pods, policies, services, sets
from agent.kube.simulated.controllers.context import Context
from agent.kube.simulated.storage import Record, Storage, Table

_log: Final = logging.getLogger(__name__)

Handler: TypeAlias = Callable[[Context, Object], None]

HANDLERS: Final[Mapping[GroupKind, Handler]] = {
    deployments.DEPLOYMENT: deployments.reconcile,
    deployments.REPLICA_SET: deployments.reconcile_set,
    jobs.JOB: jobs.reconcile,
    pods.POD: pods.reconcile,
    policies.API_SERVICE: policies.reconcile_api_service,
    policies.AUTOSCALER: policies.reconcile_autoscaler,
    policies.BUDGET: policies.reconcile_budget,
    policies.DEFINITION: policies.reconcile_definition,
    services.CLAIM: services.reconcile_claim,
    services.INGRESS: services.reconcile_ingress,
    services.SERVICE: services.reconcile_service,
    sets.DAEMON_SET: sets.reconcile_daemon,
    sets.STATEFUL_SET: sets.reconcile_stateful,
}

_LOOKS_AT_OTHERS: Final[Mapping[GroupKind, tuple[GroupKind, ...]]] = {
    pods.POD: (policies.BUDGET,),
    deployments.DEPLOYMENT: (policies.AUTOSCALER,),
    sets.STATEFUL_SET: (policies.AUTOSCALER,),
}
"""What else in the namespace is looked at again when an object of a kind changes."""


class Controllers:
    """Runs the handlers of one cluster."""

    __slots__ = ("_context", "_queued", "_storage")

    def __init__(self, context: Context, storage: Storage) -> None:
        self._context = context
        self._storage = storage
        self._queued: set[tuple[GroupKind, str, str]] = set()

    def observe(self, table: Table, event: EventType, record: Record, tree: Object) -> None:
        """React to a change: called by the storage after each."""
        group_kind = table.resource.kind.group_kind
        if group_kind == policies.DEFINITION:
            self._define(event, tree)
        if event is not EventType.DELETED and not record.deleting and group_kind in HANDLERS:
            self._queue(group_kind, record.namespace, record.name)
        if record.owners:
            for owner in tree["metadata"].get("ownerReferences", ()):
                group, _ = split_api_version(owner["apiVersion"])
                self._queue(GroupKind(group, owner["kind"]), record.namespace, owner["name"])
        for other in _LOOKS_AT_OTHERS.get(group_kind, ()):
            for neighbour in self._neighbours(other, record.namespace):
                self._queue(other, neighbour.namespace, neighbour.name)

    def resume(self) -> None:
        """Look at every object: after a start, with what an earlier run left half done."""
        for group_kind, table in list(self._storage.tables.items()):
            for record in list(table.records()):
                if group_kind == policies.DEFINITION:
                    self._define(EventType.ADDED, record.tree())
                if group_kind == pods.POD and not record.deleting:
                    pods.finish_later(self._context, record.tree())
                elif group_kind in HANDLERS:
                    self._queue(group_kind, record.namespace, record.name)

    def _neighbours(self, group_kind: GroupKind, namespace: str) -> list[Record]:
        table = self._storage.tables.get(group_kind)
        return list(table.records(namespace)) if table else []

    def _define(self, event: EventType, tree: Object) -> None:
        registry = self._context.registry
        spec = tree["spec"]
        group, kind = spec["group"], spec["names"]["kind"]
        if event is EventType.DELETED:
            registry.discard(tree)
            table = self._storage.tables.get(GroupKind(group, kind))
            for follower in table.watches if table else ():
                follower.cut(Unreachable(f"the server serves no {kind} any more"))
            return
        registry.add(tree)
        resource = registry.stored(GroupKind(group, kind))
        if resource is not None:
            self._storage.table(resource).resource = resource

    def _queue(self, group_kind: GroupKind, namespace: str, name: str) -> None:
        key = (group_kind, namespace, name)
        if group_kind in HANDLERS and key not in self._queued:
            self._queued.add(key)
            self._context.tasks.soon(lambda: self._run(key))

    def _run(self, key: tuple[GroupKind, str, str]) -> None:
        self._queued.discard(key)
        tree = self._context.read(*key)
        if tree is None:
            return
        try:
            HANDLERS[key[0]](self._context, tree)
        except KubeError as error:
            # As on a real cluster, a namespace may be going away under a controller; the next change looks again.
            _log.debug("the simulated controller of %s %s/%s stopped: %s", key[0].kind, key[1], key[2], error)
