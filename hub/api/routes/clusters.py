"""Clusters: adding one makes the token its agent joins with, removing one ends its agent's certificate at once."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping

from hub.api.context import Api, ApiDep, Caller, CallerDep
from hub.api.convert import cluster_item
from hub.api.errors import documented
from hub.api.models.cluster import ClusterAdd, ClusterItem, ClusterList, ClusterPatch, ClusterRemoved, JoinReply
from hub.api.params import ClusterName, Continue, Limit, Selector, page, read_selector
from hub.api.routes.router import private_router
from hub.domain.application import ApplicationId
from hub.domain.cluster import Cluster
from hub.domain.names import labels_problem, name_problem
from hub.errors import Invalid, NotFound

router = private_router("clusters")

_SERVER = re.compile(r"https?://[^\s/@?#]+(?:/[^\s@?#]*)?", re.IGNORECASE)


@router.get("/clusters", operation_id="listClusters", summary="Clusters, by name", responses=documented("invalid"))
async def list_clusters(
    api: ApiDep, caller: CallerDep, selector: Selector = "", limit: Limit = 1000, after: Continue = ""
) -> ClusterList:
    wanted = read_selector(selector)
    store = api.services.store
    found = [
        cluster
        for cluster in await store.list_clusters()
        if wanted.matches(cluster.labels) and caller.may("clusters", "get", cluster.name)
    ]
    items, rest = page(found, [cluster.name for cluster in found], limit, after)
    counts = (await api.overviews.get()).assigned
    return ClusterList(items=[cluster_item(c, counts.get(c.uid, 0)) for c in items], continue_=rest)


@router.post(
    "/clusters",
    operation_id="addCluster",
    summary="Add a cluster, and make the token its agent joins with",
    status_code=201,
    responses=documented("invalid", "conflict"),
)
async def add_cluster(body: ClusterAdd, api: ApiDep, caller: CallerDep) -> JoinReply:
    if problem := name_problem(body.name):
        raise Invalid(f"{body.name[:70]!r} {problem}")
    _check(body.labels, body.server)
    caller.require("clusters", "create", body.name)
    services = api.services
    cluster = Cluster(
        uid=str(uuid.uuid4()),
        name=body.name,
        labels=body.labels,
        server=body.server.strip(),
        created_at=services.clock(),
    )
    await services.store.add_cluster(cluster)
    await _changed(api, caller, cluster, "ClusterAdded", f"cluster {cluster.name} was added")
    return await _join(api, cluster)


@router.get("/clusters/{name}", operation_id="getCluster", summary="One cluster", responses=documented("not-found"))
async def get_cluster(name: ClusterName, api: ApiDep, caller: CallerDep) -> ClusterItem:
    cluster = await _find(api, caller, name, "get")
    return cluster_item(cluster, len(await _assigned(api, cluster)))


@router.patch(
    "/clusters/{name}",
    operation_id="changeCluster",
    summary="Change a cluster's labels or address",
    responses=documented("invalid", "not-found"),
)
async def change_cluster(name: ClusterName, body: ClusterPatch, api: ApiDep, caller: CallerDep) -> ClusterItem:
    async with api.cluster_changes:
        cluster = await _find(api, caller, name, "update")
        labels = {key: value for key, value in {**cluster.labels, **body.labels}.items() if value is not None}
        _check(labels, body.server or "")
        server = None if body.server is None else body.server.strip()
        changed = await api.services.store.update_cluster(cluster.uid, labels=labels, server=server)
    await _changed(api, caller, changed, "ClusterChanged", f"cluster {name} was changed")
    return cluster_item(changed, len(await _assigned(api, changed)))


@router.delete(
    "/clusters/{name}",
    operation_id="removeCluster",
    summary="Remove a cluster: its agent is let in no more",
    responses=documented("not-found"),
)
async def remove_cluster(name: ClusterName, api: ApiDep, caller: CallerDep) -> ClusterRemoved:
    cluster = await _find(api, caller, name, "delete")
    applications = await _assigned(api, cluster)
    services = api.services
    await services.store.remove_cluster(cluster.uid, services.clock())
    await services.revocations.refresh()
    await services.bus.publish("revocations", cluster.uid)
    await _changed(api, caller, cluster, "ClusterRemoved", f"cluster {name} was removed")
    shown = [ApplicationId.parse(id).display for id in applications]
    return ClusterRemoved(cluster=name, applications=shown, message=_fate(name, len(shown)))


@router.post(
    "/clusters/{name}/rotate-token",
    operation_id="rotateJoinToken",
    summary="Make a new join token; an unused earlier one is worth nothing from now on",
    status_code=201,
    responses=documented("not-found"),
)
async def rotate_token(name: ClusterName, api: ApiDep, caller: CallerDep) -> JoinReply:
    cluster = await _find(api, caller, name, "update")
    reply = await _join(api, cluster)
    message = f"a new join token was made for cluster {name}"
    await api.services.audit.record("JoinTokenMade", message, actor=caller.name, cluster=cluster.uid)
    return reply


async def _find(api: Api, caller: Caller, name: str, action: str) -> Cluster:
    """Raises NotFound, PermissionDenied."""
    caller.require("clusters", action, name)
    cluster = await api.services.store.find_cluster(name)
    if cluster is None:
        raise NotFound(f"there is no cluster {name}")
    return cluster


async def _assigned(api: Api, cluster: Cluster) -> list[str]:
    """Return the ids of the applications assigned to a cluster."""
    index = await api.services.store.assignment_index([cluster.uid])
    return sorted(index.get(cluster.uid, ()))


async def _changed(api: Api, caller: Caller, cluster: Cluster, reason: str, message: str) -> None:
    api.overviews.invalidate()
    await api.services.audit.record(reason, message, actor=caller.name, cluster=cluster.uid)
    await api.services.bus.publish("clusters", cluster.uid)


async def _join(api: Api, cluster: Cluster) -> JoinReply:
    services = api.services
    expires_at = services.clock() + services.pki.settings.join_token_validity
    token = await services.join_tokens.issue(cluster.uid)
    address, pin = services.settings.hub_address, services.pki.pin
    return JoinReply(
        cluster=cluster.name,
        token=token,
        expires_at=expires_at,
        ca_pin=pin,
        hub=address,
        command=f"escadre-agent run --hub {address} --ca-pin {pin} --token-file TOKEN_FILE --data-dir DATA_DIR",
    )


def _check(labels: Mapping[str, str], server: str) -> None:
    """Raises Invalid."""
    if problem := labels_problem(labels):
        raise Invalid(f"labels{problem}")
    if len(labels) > 100:
        raise Invalid("a cluster has at most 100 labels")
    if server.strip() and not _SERVER.fullmatch(server.strip()):
        raise Invalid("a cluster's server is an address such as https://10.0.0.1:6443")


def _fate(name: str, applications: int) -> str:
    if not applications:
        return f"cluster {name} is removed; its agent's certificate is revoked, and nothing was assigned to it"
    whose = "one application" if applications == 1 else f"{applications} applications"
    return (
        f"cluster {name} is removed and its agent's certificate revoked. What {whose} put there stays as it is, and "
        "its agent keeps it so until it is uninstalled; elsewhere nothing changes. To have it deleted there, delete "
        "the applications before the cluster is removed"
    )
