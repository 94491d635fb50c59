"""Syncs that cannot be assigned end as Failed, with the real store, Git and renderer."""

from __future__ import annotations

from typing import Any

import pytest

from hub.domain.operation import OperationKind, OperationRequest
from tests.faults.waiting import answered
from tests.fleet.kit import Fleet, Repository, application
from tests.reconcile.test_controller import ask, settled, until
from tests.syncer.harness import config_map


async def recorded(fleet: Fleet, id: str, name: str = "web") -> OperationRequest:
    (found,) = [r for r in await fleet.hub.store.operation_requests(f"argocd/{name}") if r.id == id]
    return found


async def failed(fleet: Fleet, id: str, name: str = "web") -> str:
    """Wait until a request has failed, and return why."""

    async def failure() -> str:
        return "; ".join(f.message for f in (await recorded(fleet, id, name)).failures)

    return await answered(failure, f"{id} to fail", timeout=20)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"project": "nowhere"}, "project 'nowhere' does not exist"),
        ({"destinations": [{"name": "pariss", "namespace": "default"}]}, "pariss"),
        ({"destinations": [{"selector": {"matchLabels": {"no": "where"}}, "namespace": "x"}]}, "no cluster matches"),
        ({"source": {"path": "web", "targetRevision": "v9"}}, "v9"),
        ({"source": {"path": "nowhere", "targetRevision": "main"}}, "nowhere"),
        ({"source": {"repoURL": "file:///nowhere", "path": "web", "targetRevision": "main"}}, "/nowhere"),
    ],
)
async def test_what_cannot_be_assigned_fails_with_the_reason(
    fleet: Fleet, repository: Repository, changes: dict[str, Any], words: str
) -> None:
    repository.write("web/all.yaml", config_map("a"))
    repository.commit()
    await fleet.add_cluster("one")
    source = {"repoURL": repository.url} | changes.pop("source", {"path": "web", "targetRevision": "main"})
    await fleet.apply(application("web", repository.url, "web", source=source, **changes))
    await ask(fleet, "web", "op-1")
    assert words in await failed(fleet, "op-1")
    assert not (await recorded(fleet, "op-1")).began
    (event,) = await fleet.events("OperationFailed")
    assert (event.application, event.actor, event.severity) == ("argocd/web", "ada", "warning")
    assert words in event.message


async def test_what_failed_does_not_begin_when_its_reason_is_mended(fleet: Fleet, repository: Repository) -> None:
    await settled(fleet, repository, config_map("a"))
    repository.git("rm", "-r", "--quiet", "web")
    repository.write("other/all.yaml", config_map("b"))
    repository.commit("gone")
    await ask(fleet, "web", "op-1")
    await failed(fleet, "op-1")
    repository.write("web/all.yaml", config_map("c"))
    repository.commit("back")
    await ask(fleet, "web", "op-2")
    found = await until(fleet, "web", lambda a: a["one"].content.operation is not None)
    assert found["one"].content.operation is not None and found["one"].content.operation.id == "op-2"
    await fleet.add_cluster("two", {"region": "eu"})

    async def began() -> bool:
        return (await recorded(fleet, "op-2")).began

    await answered(began, "the second to be known as begun")
    assert not (await recorded(fleet, "op-1")).began and not (await recorded(fleet, "op-2")).failures


async def test_a_sync_means_what_git_says_when_it_is_asked_for(fleet: Fleet, repository: Repository) -> None:
    """What the hub knew of Git before is no reason to fail: it was mended just now."""
    await fleet.add_cluster("one")
    repository.write("other/all.yaml", config_map("b"))
    repository.commit()
    await fleet.apply(application("web", repository.url, "web"))
    await ask(fleet, "web", "op-1")
    await failed(fleet, "op-1")
    repository.write("web/all.yaml", config_map("a"))
    repository.commit("mended")
    # Nobody says that it was asked for: a look that begins meanwhile finds it, with what Git said before.
    request = OperationRequest("op-2", OperationKind.SYNC, "ada", (await recorded(fleet, "op-1")).failures[0].at)
    await fleet.hub.store.record_operation_request("argocd/web", request)
    controller = fleet.hub.controller
    assert controller is not None
    controller._want("argocd/web")
    controller._pump()
    found = await until(fleet, "web", lambda a: "one" in a and a["one"].content.operation is not None)
    assert found["one"].content.operation is not None and found["one"].content.operation.id == "op-2"
    assert not (await recorded(fleet, "op-2")).failures


async def test_what_was_asked_for_while_no_controller_ran_is_answered(fleet: Fleet, repository: Repository) -> None:
    repository.write("web/all.yaml", config_map("a"))
    repository.commit()
    await fleet.apply(application("web", repository.url, "web"))
    request = OperationRequest("op-1", OperationKind.SYNC, "ada", (await fleet.add_cluster("x")).created_at)  # type: ignore[arg-type]
    await fleet.hub.store.remove_cluster((await fleet.hub.store.list_clusters())[0].uid, request.requested_at)
    await fleet.hub.store.record_operation_request("argocd/web", request)
    await fleet.restart_hub()
    assert "no cluster matches" in await failed(fleet, "op-1")


async def test_a_rollback_to_nothing_fails(fleet: Fleet, repository: Repository) -> None:
    await settled(fleet, repository, config_map("a"))
    await ask(fleet, "web", "back", kind=OperationKind.ROLLBACK, history_id=9)
    assert "no history entry 9" in await failed(fleet, "back")
    state = (await fleet.hub.store.get_refresh_states())["argocd/web"]
    assert state.conditions == ()
