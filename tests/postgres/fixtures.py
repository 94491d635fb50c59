"""PostgreSQL as pytest fixtures. Loaded by ``tests/conftest.py``.

``postgres_server``
    A server shared by the tests of a run (of each worker, with xdist). Do not stop it: start a ``PostgresServer``.
``postgres_url``
    The URL of a fresh, empty database on it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.controlplane.process import StartError
from tests.postgres.server import PostgresServer


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    try:
        server = PostgresServer()
    except StartError as error:
        pytest.fail(str(error), pytrace=False)
    with server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    with postgres_server.database() as url:
        yield url
