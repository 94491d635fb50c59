"""How the real client reaches a control plane of the tests."""

from __future__ import annotations

from agent.kube.connection import Connection, Pem
from tests.controlplane.access import ClusterAccess


def connect(plane: ClusterAccess) -> Connection:
    """As the administrator."""
    return Connection(server=plane.server_url, ca=Pem(data=plane.ca_pem.encode()), token=plane.admin_token)
