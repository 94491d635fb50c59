"""A cluster as the hub knows it: its name and labels, who connects for it, and whether it is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

IN_CLUSTER_SERVER = "https://kubernetes.default.svc"
IN_CLUSTER_NAME = "in-cluster"


BUILT_IN_GROUPS = frozenset(
    {
        "",
        "apps",
        "autoscaling",
        "batch",
        "coordination.k8s.io",
        "discovery.k8s.io",
        "events.k8s.io",
        "networking.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
    }
)
"""Kubernetes' own groups that have namespaced kinds."""

BUILT_IN_CLUSTER_KINDS = frozenset(
    {
        ("", "Namespace"),
        ("", "Node"),
        ("", "PersistentVolume"),
        ("networking.k8s.io", "IngressClass"),
        ("networking.k8s.io", "IPAddress"),
        ("networking.k8s.io", "ServiceCIDR"),
        ("rbac.authorization.k8s.io", "ClusterRole"),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    }
)
"""The others in those groups live in namespaces. Known without a report, so that rules hold before the first one."""


class Liveness(StrEnum):
    NEVER_CONNECTED = "NeverConnected"
    CONNECTED = "Connected"
    UNREACHABLE = "Unreachable"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What charts may ask about a cluster, as its agent reports it."""

    kubernetes_version: str = ""
    api_versions: tuple[str, ...] = ()
    digest: str = ""
    """Hex SHA-256 over all of it; empty before the agent's first report."""
    cluster_kinds: tuple[str, ...] = ()
    """"<group>/<Kind>" of every kind that lives in no namespace."""

    def is_namespaced(self, group: str, kind: str) -> bool | None:
        """Say whether a kind lives in namespaces; None when the cluster has not told."""
        if (group, kind) in BUILT_IN_CLUSTER_KINDS or f"{group}/{kind}" in self.cluster_kinds:
            return False
        if group in BUILT_IN_GROUPS:
            return True
        prefix, suffix = f"{group}/", f"/{kind}"
        return True if any(a.startswith(prefix) and a.endswith(suffix) for a in self.api_versions) else None


@dataclass(frozen=True, slots=True)
class Connection:
    """Where and since when an agent is connected, or was."""

    replica: str = ""
    """The gateway replica that holds the stream; empty while there is none."""
    session: str = ""
    changed_at: datetime | None = None
    """Connected since, or unreachable since."""
    last_seen_at: datetime | None = None
    agent_version: str = ""
    simulated: bool = False

    @property
    def liveness(self) -> Liveness:
        if self.replica:
            return Liveness.CONNECTED
        return Liveness.UNREACHABLE if self.changed_at else Liveness.NEVER_CONNECTED


@dataclass(frozen=True, slots=True)
class Cluster:
    uid: str
    """What certificates name. A cluster removed and added again under its name has another one."""
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    server: str = ""
    """The address applications may name it by; as given, else as its agent reports it."""
    created_at: datetime | None = None
    capabilities: Capabilities = Capabilities()
    connection: Connection = Connection()
