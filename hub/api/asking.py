"""Putting one question to many clusters at once, so that one that is slow or away costs the others' answers nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from hub.api.about import About
from hub.api.models.resource import ClusterDiff, ClusterTree, DiffItem, Problem, TreeNode
from hub.api.turns import Turns
from hub.domain.cluster import Cluster, Liveness
from hub.domain.manifest import ManifestSetRef
from hub.errors import HubError, Invalid, StoreUnavailable
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
        self, application: str, kind: str, clusters: Sequence[Cluster], about: About | None = None
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
                        group.create_task(self._ask(application, kind, cluster, about[cluster.uid] if about else None))
                        for cluster in clusters
                    ]
            except* StoreUnavailable as failures:
                raise failures.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _ask(
        self, application: str, kind: str, cluster: Cluster, about: ManifestSetRef | Problem | None
    ) -> Answer:
        if isinstance(about, Problem):
            return Answer(cluster.name, {}, about)
        if cluster.connection.liveness is not Liveness.CONNECTED:
            message = f"the agent of {cluster.name} is not connected"
            return Answer(cluster.name, {}, Problem(code="cluster-unreachable", message=message))
        parameters = _parameters(about) if about is not None else {}
        question = Question(cluster.uid, application, kind, parameters, ANSWER_SECONDS)
        try:
            async with self._slots:
                content = await self._desk.ask(question)
            value = await asyncio.to_thread(orjson.loads, content)
        except StoreUnavailable:
            raise
        except HubError as error:
            return Answer(cluster.name, {}, Problem(code=error.code, message=error.message))
        except orjson.JSONDecodeError:
            return _malformed(cluster.name)
        return Answer(cluster.name, value) if isinstance(value, dict) else _malformed(cluster.name)


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
            DiffItem(**_key(row["key"]), change=str(row["change"]), diff=str(row["diff"]), message=str(row["message"]))
            for row in answer.value.get("resources", ())
        ]
    except (KeyError, TypeError, ValueError):
        return ClusterDiff(cluster=answer.cluster, error=_malformed(answer.cluster).problem, resources=[])
    return ClusterDiff(cluster=answer.cluster, error=answer.problem, resources=rows)


def tree_of(answer: Answer) -> ClusterTree:
    """As `diff_of`."""
    try:
        nodes = [
            TreeNode(
                **_key(node["key"]),
                uid=str(node["uid"]),
                parent=str(node["parent"] or ""),
                health=str(node["health"] or ""),
                message=str(node["message"] or ""),
                managed=bool(node["managed"]),
            )
            for node in answer.value.get("nodes", ())
        ]
    except (KeyError, TypeError, ValueError):
        return ClusterTree(cluster=answer.cluster, error=_malformed(answer.cluster).problem, nodes=[])
    return ClusterTree(cluster=answer.cluster, error=answer.problem, nodes=nodes)


def _key(parts: Any) -> dict[str, str]:
    group, kind, namespace, name = parts
    return {"group": str(group), "kind": str(kind), "namespace": str(namespace), "name": str(name)}


def _malformed(cluster: str) -> Answer:
    message = f"the agent of {cluster} gave an answer that is not understood; it may be newer than the hub"
    return Answer(cluster, {}, Problem(code="malformed-answer", message=message))
