"""What every `KubeClient` must do, whatever cluster is behind it.

Each class asks for two fixtures: `kube`, a client that may do anything, and `namespace`, a namespace of the test's
own. The modules `test_contract_*` run them over the simulated cluster and over a real API server. Only what the
protocol promises is used, so nothing here may name an implementation.
"""

from __future__ import annotations

from tests.kube.contract_apply import ApplyContract
from tests.kube.contract_kinds import CustomKindContract, NamespaceContract
from tests.kube.contract_reads import DiscoveryContract, ListContract, WatchContract
from tests.kube.contract_types import TypedApplyContract
from tests.kube.contract_workloads import WorkloadContract
from tests.kube.contract_writes import CreateAndReplaceContract, DeleteContract, PatchContract

__all__ = [
    "ApplyContract",
    "CreateAndReplaceContract",
    "CustomKindContract",
    "DeleteContract",
    "DiscoveryContract",
    "ListContract",
    "NamespaceContract",
    "PatchContract",
    "TypedApplyContract",
    "WatchContract",
    "WorkloadContract",
]
