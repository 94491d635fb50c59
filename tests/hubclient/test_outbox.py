"""What waits to be told: nothing of it is lost, and nothing that happens meanwhile ends the telling."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.engine.status import ApplicationStatus, sealed
from agent.errors import StorageError
from agent.hubclient.outbox import Batch, Outbox
from agent.storage import Storage

APP = "argocd/web"


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    storage = Storage(tmp_path / "agent.db")
    yield storage
    storage.close()


def told(generation: int, *, deleted: bool = False) -> Callable[[], ApplicationStatus]:
    return lambda: sealed(ApplicationStatus(APP, "uid", generation, deleted=deleted))


async def next_batch(outbox: Outbox) -> Batch:
    async with asyncio.timeout(5):
        return await outbox.next_batch()


async def test_an_application_assigned_again_before_its_end_is_acknowledged_is_told_of(storage: Storage) -> None:
    outbox = Outbox(storage)
    outbox.changed(APP, told(1, deleted=True))
    assert [s.deleted for s in (await next_batch(outbox)).statuses] == [True]
    outbox.changed(APP, told(2))
    outbox.acknowledged()
    assert [(s.generation, s.deleted) for s in (await next_batch(outbox)).statuses] == [(2, False)]


async def test_an_end_that_was_acknowledged_is_not_told_again(storage: Storage) -> None:
    outbox = Outbox(storage)
    outbox.changed(APP, told(1, deleted=True))
    await next_batch(outbox)
    outbox.acknowledged()
    outbox.resend_all(operations=False)
    assert not outbox._take().statuses
    assert outbox.status_digest() == ""


async def test_a_disk_that_fails_takes_no_status_along(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = Outbox(storage)
    outbox.changed(APP, told(1))

    def failing(limit: int) -> list[bytes]:
        raise StorageError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "drifts", failing)
        with pytest.raises(StorageError):
            await next_batch(outbox)
    outbox.begin_session()
    assert [s.generation for s in (await next_batch(outbox)).statuses] == [1]
