"""Somebody's hands on a cluster: the manual edit the demonstration is about, on a simulated cluster or a real one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

from agent.kube.client import DeleteOptions, Kind, KubeClient
from agent.kube.cluster import ClusterClient
from agent.kube.kubeconfig import load_kubeconfig
from agent.kube.simulated.control import SOCKET_NAME, control

MANAGER = "kubectl-edit"
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps", True)
NAMESPACE = Kind("", "v1", "Namespace", "namespaces", False)


class Hands(Protocol):
    def get(self, namespace: str, name: str) -> dict[str, Any] | None:
        """Return a ConfigMap's data, None when there is no such ConfigMap."""
        ...

    def edit(self, namespace: str, name: str, data: dict[str, str]) -> None:
        """Change some of a ConfigMap's data."""
        ...


class SimulatedHands:
    def __init__(self, data_dir: Path) -> None:
        self._socket = data_dir / SOCKET_NAME

    def get(self, namespace: str, name: str) -> dict[str, Any] | None:
        found = control(self._socket, {"command": "get", "kind": "ConfigMap", "namespace": namespace, "name": name})
        return found.get("data") or {} if found else None

    def edit(self, namespace: str, name: str, data: dict[str, str]) -> None:
        command = {"command": "edit", "kind": "ConfigMap", "namespace": namespace, "name": name}
        control(self._socket, {**command, "patch": {"data": data}})


class RealHands:
    def __init__(self, kubeconfig: Path | None, context: str) -> None:
        self._kubeconfig = kubeconfig
        self._context = context

    def get(self, namespace: str, name: str) -> dict[str, Any] | None:
        async def ask(client: KubeClient) -> dict[str, Any] | None:
            found = await client.get(CONFIG_MAP, namespace, name)
            return found.get("data") or {} if found else None

        found: dict[str, Any] | None = self._with_client(ask)
        return found

    def edit(self, namespace: str, name: str, data: dict[str, str]) -> None:
        async def change(client: KubeClient) -> None:
            found = await client.get(CONFIG_MAP, namespace, name)
            if found is not None:
                found["data"] = {**(found.get("data") or {}), **data}
                await client.replace(CONFIG_MAP, found, field_manager=MANAGER)

        self._with_client(change)

    def remove_namespace(self, name: str, *, seconds: float = 0) -> bool:
        """Remove a namespace with all there is in it, and wait for so long until it is gone; returns whether it is.
        Raises ConfigError, KubeError."""

        async def remove(client: KubeClient) -> bool:
            deadline = time.monotonic() + seconds
            await client.delete(NAMESPACE, "", name, DeleteOptions(propagation="background"))
            while await client.get(NAMESPACE, "", name) is not None:
                if time.monotonic() >= deadline:
                    return False
                await asyncio.sleep(0.2)
            return True

        gone: bool = self._with_client(remove)
        return gone

    def _with_client(self, work: Callable[[KubeClient], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            client = ClusterClient(load_kubeconfig(self._kubeconfig, self._context))
            try:
                return await work(client)
            finally:
                await client.close()

        return asyncio.run(run())
