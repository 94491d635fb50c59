"""Applications that their annotation leaves as they are, with the real store, Git and renderer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from hub.domain.application import (
    DELETION_APPROVED,
    SKIP_RECONCILE,
    Application,
    ApplicationId,
    Automated,
    Deletion,
    SyncPolicy,
    with_annotation,
)
from hub.domain.assignment import Assignment, AssignmentContent
from hub.domain.operation import OperationKind
from hub.domain.repository import Place
from hub.reconcile.left_alone import leave_alone
from hub.reconcile.watcher import Watcher
from hub.source.sources import Sources
from tests.faults.waiting import answered
from tests.fleet.kit import Fleet, Repository, application
from tests.reconcile.test_controller import ask, condition, names_in, settled, until
from tests.reconcile.test_unassigned import failed
from tests.store import builders
from tests.store.builders import START
from tests.syncer.harness import config_map

WARNING = "SkipReconcileWarning"


def left(value: str = "true") -> dict[str, str]:
    return {SKIP_RECONCILE: value}


async def apply(fleet: Fleet, url: str, annotations: dict[str, str]) -> None:
    wanted = application("web", url, "web")
    wanted["metadata"]["annotations"] = annotations
    await fleet.apply(wanted)


async def leave(fleet: Fleet, repository: Repository) -> None:
    """Annotate the application, and wait until the controller has taken it up."""
    await apply(fleet, repository.url, left())
    await condition(fleet, "web", WARNING)


async def looked(fleet: Fleet) -> None:
    """Wait until another application, which reads the same repository, was looked at after all that came before."""
    for mode in ("normal", "hard"):
        await fleet.refresh("other", mode)
        await fleet.refresh("web", mode)

        async def done() -> bool:
            states = await fleet.hub.store.get_refresh_states()
            return not any(states[f"argocd/{name}"].requested for name in ("web", "other"))

        await answered(done, "the refreshes to be done")


async def test_commits_and_clusters_come_and_go_without_it(fleet: Fleet, repository: Repository) -> None:
    first = await settled(fleet, repository, config_map("a"))
    await fleet.apply(application("other", repository.url, "web"))
    await until(fleet, "other", lambda a: len(a) == 1)
    await leave(fleet, repository)
    repository.write("web/all.yaml", config_map("b"))
    repository.commit("second")
    await fleet.add_cluster("two")
    await fleet.hub.bus.publish("clusters")
    await fleet.refresh("other")
    await until(fleet, "other", lambda a: {x.content.manifest_set for x in a.values()} != {first.content.manifest_set})
    await looked(fleet)
    found = await until(fleet, "web", lambda a: True)
    assert list(found) == ["one"], "the cluster that joined is not given it"
    assert found["one"].content.manifest_set == first.content.manifest_set
    assert found["one"].content.policy.automated is None, "and its agent begins nothing by itself"

    await apply(fleet, repository.url, {})

    async def goes_on() -> bool:
        found = await until(fleet, "web", lambda a: len(a) == 2)
        names = [await names_in(fleet, found[cluster]) for cluster in ("one", "two")]
        automated = found["one"].content.policy.automated is not None
        return automated and names == [["b"], ["b"]] and await fleet.conditions("web") == {}

    await answered(goes_on, "the commit to be on both clusters")


async def test_taking_the_annotation_away_asks_git_at_once(fleet: Fleet, repository: Repository) -> None:
    """Nothing else reads the repository, and the next poll is an hour away."""
    await settled(fleet, repository, config_map("a"))
    await leave(fleet, repository)
    repository.write("web/all.yaml", config_map("b"))
    repository.commit("second")
    await apply(fleet, repository.url, left("false"))

    async def names() -> bool:
        found = await until(fleet, "web", lambda a: True)
        return await names_in(fleet, found["one"]) == ["b"]

    await answered(names, "the commit to be assigned")


async def test_a_look_that_was_under_way_changes_nothing(
    fleet: Fleet, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await settled(fleet, repository, config_map("a"))
    store, looking, known = fleet.hub.store, asyncio.Event(), asyncio.Event()
    put_blobs, applications_since = store.put_blobs, store.applications_since

    async def late(blobs: Mapping[str, bytes]) -> None:
        looking.set()
        await known.wait()
        await put_blobs(blobs)

    async def since(sequence: int) -> tuple[list[Application], list[ApplicationId], int]:
        found = await applications_since(sequence)
        # What is returned is taken up before the look is given its turn.
        if any(changed.skips_reconcile for changed in found[0]):
            asyncio.get_running_loop().call_later(0.1, known.set)
        return found

    monkeypatch.setattr(store, "put_blobs", late)
    monkeypatch.setattr(store, "applications_since", since)
    repository.write("web/all.yaml", config_map("b"))
    repository.commit("second")
    await fleet.refresh("web")
    await asyncio.wait_for(looking.wait(), 20)
    await leave(fleet, repository)
    (now,) = (await until(fleet, "web", lambda a: True)).values()
    assert now.content.manifest_set == first.content.manifest_set


async def test_a_new_application_is_not_begun(fleet: Fleet, repository: Repository) -> None:
    repository.write("web/all.yaml", config_map("a"))
    repository.commit("first")
    await fleet.add_cluster("one")
    await leave(fleet, repository)
    assert await until(fleet, "web", lambda a: True) == {}
    assert SKIP_RECONCILE in await condition(fleet, "web", WARNING)
    await apply(fleet, repository.url, {})
    await until(fleet, "web", lambda a: len(a) == 1)


async def test_what_was_just_asked_for_fails_and_what_runs_can_be_ended(fleet: Fleet, repository: Repository) -> None:
    await settled(fleet, repository, config_map("a"))
    await ask(fleet, "web", "op-1")
    await until(fleet, "web", lambda a: a["one"].content.operation is not None)
    await leave(fleet, repository)
    await ask(fleet, "web", "op-2")
    assert SKIP_RECONCILE in await failed(fleet, "op-2")
    await ask(fleet, "web", "op-3", kind=OperationKind.ROLLBACK)
    assert SKIP_RECONCILE in await failed(fleet, "op-3")
    (now,) = (await until(fleet, "web", lambda a: True)).values()
    assert now.content.operation is not None and now.content.operation.id == "op-1"


async def test_an_operation_under_way_is_ended(fleet: Fleet, repository: Repository) -> None:
    await settled(fleet, repository, config_map("a"))
    await ask(fleet, "web", "op-1")
    await until(fleet, "web", lambda a: a["one"].content.operation is not None)
    await leave(fleet, repository)
    await ask(fleet, "web", "op-2", terminate=True)

    found = await until(
        fleet, "web", lambda a: bool(a["one"].content.operation and a["one"].content.operation.terminate)
    )
    assert found["one"].content.operation is not None and found["one"].content.operation.id == "op-1"


async def test_a_deletion_works_at_once(fleet: Fleet, repository: Repository) -> None:
    await settled(fleet, repository, config_map("a"))
    await leave(fleet, repository)
    await fleet.delete("web")
    found = await until(fleet, "web", lambda a: a["one"].content.deletion is not None)
    await fleet.hub.store.unassign([(found["one"].cluster, "argocd/web")])
    await fleet.hub.bus.publish("statuses")

    async def gone() -> bool:
        return await fleet.hub.store.get_application(ApplicationId("argocd", "web")) is None

    await answered(gone, "the application to be gone")


async def test_automation_is_back_although_nothing_can_be_rendered(fleet: Fleet, repository: Repository) -> None:
    first = await settled(fleet, repository, config_map("a"))
    await leave(fleet, repository)
    repository.write("web/all.yaml", {"kind": "ConfigMap"})
    repository.commit("broken")
    await apply(fleet, repository.url, {})
    found = await until(fleet, "web", lambda a: a["one"].content.policy.automated is not None)
    assert found["one"].content.manifest_set == first.content.manifest_set
    await condition(fleet, "web", "ComparisonError")
    assert WARNING not in await fleet.conditions("web")


async def test_what_the_last_look_found_is_still_told(fleet: Fleet, repository: Repository) -> None:
    await settled(fleet, repository, config_map("a"))
    repository.write("web/all.yaml", {"kind": "ConfigMap"})
    repository.commit("broken")
    await fleet.refresh("web")
    await condition(fleet, "web", "ComparisonError")
    await leave(fleet, repository)
    assert list(await fleet.conditions("web")) == [WARNING, "ComparisonError"]


def test_only_what_argo_cd_takes_for_true_leaves_it() -> None:
    def skips(value: str) -> bool:
        id = ApplicationId("argocd", "web")
        return Application(id, None, annotations=left(value)).skips_reconcile  # type: ignore[arg-type]

    assert all(map(skips, ("true", "True", "TRUE", "t", "T", "1")))
    assert not any(map(skips, ("false", "yes", "on", "", "tRue", "0")))


# --- what is written of it


PLAIN = replace(builders.content(), policy=SyncPolicy(automated=Automated()))
ENDING = replace(PLAIN, deletion=Deletion(True, "foreground", "ada", START))
WANTED = with_annotation(builders.application(), SKIP_RECONCILE, "true")


def standing(content: AssignmentContent, **values: Any) -> Assignment:
    return Assignment("u1", content, 1, content.digest(), 1, **values)


def contents(application: Application, *existing: Assignment) -> list[tuple[str, AssignmentContent]]:
    return leave_alone(application, existing, [], None, START).contents


def test_its_agents_begin_nothing_by_themselves_and_are_told_so_once() -> None:
    (left,) = contents(WANTED, standing(PLAIN))
    assert left == ("u1", replace(PLAIN, policy=replace(PLAIN.policy, automated=None)))
    assert contents(WANTED, standing(left[1])) == []


def test_what_waits_for_git_or_is_ended_goes_on_so() -> None:
    """What a restored hub remembers is older than what the agent has: sent again, it would be pruned to."""
    assert contents(WANTED, standing(PLAIN, held=True), standing(ENDING)) == []


def test_deletions_are_confirmed_all_the_same() -> None:
    confirmed = with_annotation(WANTED, DELETION_APPROVED, START.isoformat())
    ((_, left),) = contents(confirmed, standing(PLAIN))
    assert left.approved_at == START


def test_it_is_told_since_when() -> None:
    first = leave_alone(WANTED, [], [], None, START).state
    later = leave_alone(WANTED, [], [], first, START + timedelta(hours=1)).state
    assert later == first and [c.last_transition_at for c in later.conditions] == [START]


def test_nobody_asks_its_repositories() -> None:
    watcher = Watcher(cast(Sources, None), 0.0, 0.0)
    watcher.follow([WANTED])
    assert watcher.due() == []
    watcher.follow([WANTED, builders.application("other")])
    assert watcher.due() == [Place("https://git.example/shop.git")]
