"""Putting one question to many clusters at once, so that one that is slow or away costs the others' answers nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson

from hub.api.about import About
from hub.api.models.resource import (
    ClusterDiff,
    ClusterOrphans,
    ClusterTree,
    DiffItem,
    ObjectName,
    Problem,
    TreeNode,
)
from hub.api.turns import Turns
from hub.domain.cluster import Cluster, Liveness
from hub.domain.manifest import ManifestSetRef
from hub.errors import HubError, Invalid, StoreUnavailable, Unavailable
from hub.fleet.desk import Desk, Question

MOST_CLUSTERS = 200
"""Asked in one request."""
PARALLEL = 32
"""Questions under way at once, of this process."""
ANSWER_SECONDS = 30.0
_WAITING = 64
"""Requests that wait for their answers at once."""


@dataclass(frozen=True, slots=True)
class Answer:
    cluster: str
    value: dict[str, Any]
    problem: Problem | None = None


class Asker:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._slots = asyncio.Semaphore(PARALLEL)
        self._turns = Turns(_WAITING, 0, "requests wait for clusters")

    async def ask(
        self,
        application: str,
        kind: str,
        clusters: Sequence[Cluster],
        about: About | None = None,
        parameters: Mapping[str, Any] = MappingProxyType({}),
    ) -> list[Answer]:
        """Return one answer or problem for each cluster, in their order; `about` what is assigned to them, if nothing
        else is given.

        Raises Invalid for more clusters than are asked at once, TooManyRequests, StoreUnavailable.
        """
        check_number(clusters)
        async with self._turns.turn():
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [
                        group.create_task(
                            self._ask(application, kind, cluster, about[cluster.uid] if about else None, parameters)
                        )
                        for cluster in clusters
                    ]
            except* StoreUnavailable as failures:
                raise failures.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _ask(
        self,
        application: str,
        kind: str,
        cluster: Cluster,
        about: ManifestSetRef | Problem | None,
        parameters: Mapping[str, Any],
    ) -> Answer:
        if isinstance(about, Problem):
            return Answer(cluster.name, {}, about)
        given = {**parameters, **(_parameters(about) if about is not None else {})}
        try:
            return Answer(cluster.name, await self._value(application, kind, cluster, given, ANSWER_SECONDS))
        except StoreUnavailable:
            raise
        except HubError as error:
            return Answer(cluster.name, {}, Problem(code=error.code, message=error.message))

    async def ask_one(
        self, application: str, kind: str, cluster: Cluster, parameters: Mapping[str, Any], seconds: float
    ) -> dict[str, Any]:
        """Return one cluster's answer. Raises HubError with the code of its problem, TooManyRequests,
        StoreUnavailable."""
        async with self._turns.turn():
            return await self._value(application, kind, cluster, parameters, seconds)

    async def _value(
        self, application: str, kind: str, cluster: Cluster, parameters: Mapping[str, Any], seconds: float
    ) -> dict[str, Any]:
        if cluster.connection.liveness is not Liveness.CONNECTED:
            raise Unavailable(f"the agent of {cluster.name} is not connected", code="cluster-unreachable")
        async with self._slots:
            content = await self._desk.ask(Question(cluster.uid, application, kind, parameters, seconds))
        try:
            value = await asyncio.to_thread(orjson.loads, content)
        except orjson.JSONDecodeError:
            value = None
        if isinstance(value, dict):
            return value
        problem = malformed(cluster.name).problem
        assert problem is not None
        raise Unavailable(problem.message, code=problem.code)


def check_number(clusters: Sequence[Cluster]) -> None:
    """Raises Invalid for more clusters than are asked at once."""
    if len(clusters) > MOST_CLUSTERS:
        raise Invalid(
            f"the application is on {len(clusters)} clusters and at most {MOST_CLUSTERS} are asked at once: "
            "name a cluster",
            code="too-many-clusters",
        )


def _parameters(ref: ManifestSetRef) -> dict[str, str | int]:
    """Name a manifest set as agents take it, who fetch what they lack of it."""
    return {
        "manifest_set": ref.digest,
        "resources": ref.resources,
        "signature": ref.signature.hex(),
        "key_id": ref.key_id,
    }


def diff_of(answer: Answer) -> ClusterDiff:
    """Read an agent's answer, which is outside text: rows that are none become a problem."""
    try:
        rows = [
            DiffItem(
                **key_fields(row["key"]), change=str(row["change"]), diff=str(row["diff"]), message=str(row["message"])
            )
            for row in answer.value.get("resources", ())
        ]
    except (KeyError, TypeError, ValueError):
        return ClusterDiff(cluster=answer.cluster, error=malformed(answer.cluster).problem, resources=[])
    return ClusterDiff(cluster=answer.cluster, error=answer.problem, resources=rows)


def tree_of(answer: Answer) -> ClusterTree:
    """As `diff_of`."""
    try:
        nodes = [
            TreeNode(
                **key_fields(node["key"]),
                uid=str(node["uid"]),
                parent=str(node["parent"] or ""),
                health=str(node["health"] or ""),
                message=str(node["message"] or ""),
                managed=bool(node["managed"]),
            )
            for node in answer.value.get("nodes", ())
        ]
    except (KeyError, TypeError, ValueError):
        return ClusterTree(cluster=answer.cluster, error=malformed(answer.cluster).problem, nodes=[])
    return ClusterTree(cluster=answer.cluster, error=answer.problem, nodes=nodes)


def orphans_of(answer: Answer) -> ClusterOrphans:
    """As `diff_of`."""
    cluster, value = answer.cluster, answer.value
    try:
        resources = [ObjectName(**key_fields(key)) for key in value.get("resources", ())]
        more, unseen = max(0, int(value.get("more", 0))), [str(words) for words in value.get("unseen", ())]
    except (TypeError, ValueError):
        problem = malformed(cluster).problem
        return ClusterOrphans(cluster=cluster, error=problem, resources=[], more=0, unseen=[])
    return ClusterOrphans(cluster=cluster, error=answer.problem, resources=resources, more=more, unseen=unseen)


def key_fields(parts: Any) -> dict[str, str]:
    group, kind, namespace, name = parts
    return {"group": str(group), "kind": str(kind), "namespace": str(namespace), "name": str(name)}


def malformed(cluster: str) -> Answer:
    message = f"the agent of {cluster} gave an answer that is not understood; it may be newer than the hub"
    return Answer(cluster, {}, Problem(code="malformed-answer", message=message))
