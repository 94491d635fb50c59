"""How the real client reaches a control plane of the tests."""

from __future__ import annotations

import pytest

from agent.kube.connection import Connection, Pem
from tests.controlplane.access import ClusterAccess

CUT_HANDSHAKES = (
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
)
"""For tests that kill an API server: asyncio (3.11) forgets the socket of a TLS handshake that is cut. They collect
garbage at their end, so that this is not said of another test."""


def connect(plane: ClusterAccess) -> Connection:
    """As the administrator."""
    return Connection(server=plane.server_url, ca=Pem(data=plane.ca_pem.encode()), token=plane.admin_token)
