"""The contract of `KubeClient`, over the simulated cluster."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest

from agent.kube.client import KubeClient
from agent.kube.simulated import SimulatedCluster
from tests.kube import contract
from tests.kube.manifests import NAMESPACE, manifest


@pytest.fixture
async def kube() -> AsyncIterator[KubeClient]:
    cluster = SimulatedCluster()
    yield cluster
    await cluster.close()


@pytest.fixture
async def namespace(kube: KubeClient) -> str:
    name = f"test-{secrets.token_hex(4)}"
    await kube.apply(NAMESPACE, manifest(NAMESPACE, "", name))
    return name


class TestDiscovery(contract.DiscoveryContract):
    pass


class TestApply(contract.ApplyContract):
    pass


class TestTypedApply(contract.TypedApplyContract):
    pass


class TestCreateAndReplace(contract.CreateAndReplaceContract):
    pass


class TestPatch(contract.PatchContract):
    pass


class TestDelete(contract.DeleteContract):
    pass


class TestList(contract.ListContract):
    pass


class TestWatch(contract.WatchContract):
    pass


class TestNamespaces(contract.NamespaceContract):
    pass


class TestCustomKinds(contract.CustomKindContract):
    pass


class TestWorkloads(contract.WorkloadContract):
    pass
