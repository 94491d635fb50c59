"""A simulated cluster behind an API server's protocol, on a thread of its own: it outlives the agents that use it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import yaml
from aiohttp import web

from agent.engine.resource import ResourceKey
from agent.kube import errors
from agent.kube.client import ApplyOptions, DeleteOptions, Discovery, Kind, KubeClient
from tests.faults.witness import Witness
from tests.kube.serving import Server, refusal, serving, status

START_SECONDS = 20.0

_CODES: dict[type[errors.KubeError], tuple[int, str]] = {
    errors.NotFound: (404, "NotFound"),
    errors.KindUnknown: (404, "NotFound"),
    errors.Conflict: (409, "Conflict"),
    errors.Gone: (410, "Expired"),
    errors.Rejected: (422, "Invalid"),
}


class FarCluster:
    """The cluster as its administrator sees it, from the test's own thread."""

    def __init__(self, witness: Witness, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        self.witness = witness
        self._server = server
        self._loop = loop

    def write_kubeconfig(self, path: Path) -> Path:
        connection = self._server.connection()
        assert connection.ca is not None
        authority = path.with_suffix(".pem")
        authority.write_bytes(connection.ca.read())
        cluster = {"server": connection.server, "certificate-authority": str(authority)}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "far",
            "contexts": [{"name": "far", "context": {"cluster": "far", "user": "agent"}}],
            "clusters": [{"name": "far", "cluster": cluster}],
            "users": [{"name": "agent", "user": {"token": connection.token}}],
        }
        path.write_text(yaml.safe_dump(content))
        return path

    def edit(self, key: ResourceKey, patch: dict[str, Any]) -> None:
        """Change an object as a person would."""
        asyncio.run_coroutine_threadsafe(self.witness.edit(key, patch), self._loop).result(10)


@contextlib.contextmanager
def far_cluster() -> Iterator[FarCluster]:
    """Serve a cluster while the context lasts."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="far-cluster", daemon=True)
    thread.start()
    stop = asyncio.Event()

    async def serve(started: asyncio.Future[FarCluster]) -> None:
        witness = Witness()
        async with serving(_answering(witness)) as server:
            started.set_result(FarCluster(witness, server, loop))
            await stop.wait()
        await witness.close()

    async def begin() -> tuple[FarCluster, asyncio.Task[None]]:
        ready = loop.create_future()
        task = asyncio.create_task(serve(ready))
        return await ready, task

    cluster, task = asyncio.run_coroutine_threadsafe(begin(), loop).result(START_SECONDS)

    async def end() -> None:
        stop.set()
        await task
        # Watches of agents that were killed learn of it with the next event, which does not come any more.
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for each in rest:
            each.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await loop.shutdown_default_executor()

    try:
        yield cluster
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(START_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _answering(client: KubeClient) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        discovery = await client.discover()
        match request.path.strip("/").split("/"):
            case ["version"]:
                return web.json_response({"gitVersion": discovery.version})
            case ["api"]:
                return web.json_response(_served(k for k in discovery.kinds.values() if not k.group))
            case ["apis"]:
                return web.json_response(_served(k for k in discovery.kinds.values() if k.group))
        try:
            call = _Call(client, request, discovery)
        except errors.KindUnknown as error:
            return refusal(*_code(error), error.message)
        try:
            return await call.answer()
        except errors.KubeError as error:
            return refusal(*_code(error), error.message, **call.about)

    return answer


def _code(error: errors.KubeError) -> tuple[int, str]:
    return _CODES.get(type(error), (500, "InternalError"))


def _served(kinds: Iterator[Kind]) -> dict[str, Any]:
    """Aggregated discovery."""
    groups: dict[str, dict[str, list[Any]]] = {}
    for kind in kinds:
        resource = {
            "resource": kind.plural,
            "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "verbs": sorted(kind.verbs),
        }
        groups.setdefault(kind.group, {}).setdefault(kind.version, []).append(resource)
    items = [
        {
            "metadata": {"name": group},
            "versions": [{"version": v, "resources": r, "freshness": "Current"} for v, r in versions.items()],
        }
        for group, versions in groups.items()
    ]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": items}


class _Call:
    """One request for objects."""

    def __init__(self, client: KubeClient, request: web.Request, discovery: Discovery) -> None:
        self._client = client
        self._request = request
        root, *parts = request.path.strip("/").split("/")
        group = parts.pop(0) if root == "apis" else ""
        version, self._namespace = parts.pop(0), ""
        if parts[0] == "namespaces" and len(parts) > 2:
            _, self._namespace, *parts = parts
        plural, self._name = parts[0], parts[1] if len(parts) > 1 else ""
        found = (k for k in discovery.kinds.values() if (k.group, k.version, k.plural) == (group, version, plural))
        kind = next(found, None)
        if kind is None:
            raise errors.KindUnknown(f"nothing is served at {request.path}")
        self._kind = kind

    @property
    def about(self) -> dict[str, Any]:
        """What a refusal says that it is about: a server that does not serve a kind says nothing."""
        return {"kind": self._kind.plural, "name": self._name} if self._name else {}

    async def answer(self) -> web.StreamResponse:
        client, kind, query = self._client, self._kind, self._request.query
        manager, dry_run = query.get("fieldManager", ""), query.get("dryRun") == "All"
        match self._request.method:
            case "GET" if self._name:
                found = await client.get(kind, self._namespace, self._name)
                if found is None:
                    raise errors.NotFound(f'{kind.plural} "{self._name}" not found')
                return web.json_response(found)
            case "GET" if query.get("watch"):
                return await self._watch()
            case "GET":
                return await self._list()
            case "PATCH":
                options = ApplyOptions(manager, query.get("force") == "true", dry_run)
                return web.json_response(await client.apply(kind, await self._body(), options))
            case "PUT":
                manifest = await self._body()
                return web.json_response(await client.replace(kind, manifest, field_manager=manager, dry_run=dry_run))
            case "DELETE":
                return await self._delete()
        raise errors.Rejected(f"{self._request.method} is not served")

    async def _body(self) -> Any:
        return orjson.loads(await self._request.read())

    async def _list(self) -> web.StreamResponse:
        selector = self._request.query.get("labelSelector", "")
        found = await self._client.list(self._kind, namespace=self._namespace, selector=selector)
        metadata = {"resourceVersion": found.resource_version}
        return web.json_response({"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": found.items})

    async def _watch(self) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        # Whoever was killed reads no further.
        with contextlib.suppress(ConnectionError):
            await response.prepare(self._request)
            await self._follow(response)
        return response

    async def _follow(self, response: web.StreamResponse) -> None:
        query = self._request.query
        events = self._client.watch(
            self._kind,
            namespace=self._namespace,
            selector=query.get("labelSelector", ""),
            resource_version=query["resourceVersion"],
            timeout_seconds=float(query["timeoutSeconds"]),
        )
        try:
            async with contextlib.aclosing(events):  # type: ignore[type-var]  # the implementations are generators
                async for event in events:
                    await response.write(orjson.dumps({"type": event.type, "object": event.object}) + b"\n")
        except errors.KubeError as error:
            document = status(*_code(error), error.message)
            await response.write(orjson.dumps({"type": "ERROR", "object": document}) + b"\n")

    async def _delete(self) -> web.StreamResponse:
        body = await self._body()
        conditions = body.get("preconditions", {})
        options = DeleteOptions(
            propagation=body["propagationPolicy"].lower(),
            uid=conditions.get("uid"),
            resource_version=conditions.get("resourceVersion"),
            dry_run=bool(body.get("dryRun")),
        )
        if not await self._client.delete(self._kind, self._namespace, self._name, options):
            raise errors.NotFound(f'{self._kind.plural} "{self._name}" not found')
        return web.json_response({"kind": "Status", "apiVersion": "v1", "status": "Success"})
