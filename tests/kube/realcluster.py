"""What tests against a real API server share: kinds, manifests, and waiting for what takes effect a moment later."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from agent.engine.resource import Object
from agent.kube.client import Kind
from agent.kube.cluster import ClusterClient
from agent.kube.errors import KubeError
from agent.kube.kubeconfig import load_kubeconfig
from tests.controlplane.access import ADMIN, ClusterAccess

T = TypeVar("T")
E = TypeVar("E", bound=KubeError)

CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps", True)
SECRET = Kind("", "v1", "Secret", "secrets", True)
NAMESPACE = Kind("", "v1", "Namespace", "namespaces", False)
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments", True)
QUOTA = Kind("", "v1", "ResourceQuota", "resourcequotas", True)
CRD = Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", False)
API_SERVICE = Kind("apiregistration.k8s.io", "v1", "APIService", "apiservices", False)


@contextlib.asynccontextmanager
async def client_as(control_plane: ClusterAccess, user: str = ADMIN) -> AsyncIterator[ClusterClient]:
    client = ClusterClient(load_kubeconfig(control_plane.kubeconfig_for(user)))
    try:
        yield client
    finally:
        await client.close()


def config_map(namespace: str, name: str = "c", **data: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": data,
    }


def deployment(namespace: str, **spec: Any) -> Object:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": namespace},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template, **spec},
    }


async def eventually(call: Callable[[], Awaitable[T]], passing: type[KubeError]) -> T:
    """Return, or raise, what a call comes to in the end, with errors of one type on the way."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await call()
            except passing:
                await asyncio.sleep(0.05)


async def refused(call: Callable[[], Awaitable[object]], error: type[E]) -> E:
    """Return the error that a call ends in; before what refuses it takes effect, the call may succeed a few times."""
    async with asyncio.timeout(30):
        while True:
            try:
                await call()
            except error as found:
                return found
            await asyncio.sleep(0.05)
