from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fleet.kit import Fleet, Repository


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    """A hub that is only the controller: what it assigns is read from the store."""
    fleet = Fleet(tmp_path, roles=("controller",), poll_seconds=3600.0)
    await fleet.start()
    yield fleet
    await fleet.stop()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")
