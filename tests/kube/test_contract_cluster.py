"""The contract of `KubeClient`, over a real API server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from agent.kube.client import KubeClient
from agent.kube.cluster import ClusterClient
from tests.controlplane.access import ClusterAccess
from tests.kube import contract
from tests.kube.planes import connect

pytestmark = pytest.mark.controlplane


@pytest.fixture
async def kube(control_plane: ClusterAccess) -> AsyncIterator[KubeClient]:
    client = ClusterClient(connect(control_plane))
    yield client
    await client.close()


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
