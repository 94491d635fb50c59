from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from hub.domain.application import (
    ApplicationId,
    Automated,
    Deletion,
    Destination,
    HelmOptions,
    KustomizeOptions,
    NameValue,
    Override,
    Source,
    SyncPolicy,
)
from hub.domain.project import Project, ProjectDestination, default_project
from hub.domain.revision import Revision, SourceRevision
from hub.domain.selector import LabelSelector, Operator, Requirement
from hub.domain.status import Condition, RefreshState
from hub.errors import ChangedMeanwhile, Conflict, Invalid
from hub.store.sql import SqlStore
from tests.store.builders import START, Clock, add_clusters, application, content, drift, operation, request, status

SHOP = ApplicationId("argocd", "shop")


async def test_creation_gives_identity_and_time(store: SqlStore, clock: Clock) -> None:
    created = await store.put_application(replace(application(), uid="forged", generation=7))
    assert created.uid not in ("", "forged")
    assert (created.generation, created.created_at) == (1, clock.now)
    assert await store.get_application(SHOP) == created


async def test_an_application_comes_back_as_it_was_put(store: SqlStore) -> None:
    helm = HelmOptions(values_object={"a": [1, None, {"b": 1.5}]}, parameters=(NameValue("x", "1", True),))
    kustomize = KustomizeOptions(common_labels={"a": "b"}, patches=({"patch": "[]"},))
    selector = LabelSelector({"tier": "prod"}, (Requirement("zone", Operator.NOT_IN, ("a", "b")),))
    given = application(
        sources=(Source("https://a", helm=helm), Source("https://b", kustomize=kustomize)),
        destinations=(Destination(selector=selector),),
        overrides=(Override(selector, ("paris",), source={"helm": {"values": "x: 1"}}),),
        sync_policy=SyncPolicy(Automated(prune=True), ("CreateNamespace=true",)),
    )
    given = replace(
        given, labels={"a": "b"}, finalizers=("f",), manifest={"kind": "Application", "n": [1, {"é": None}]}
    )
    created = await store.put_application(given)
    assert created == replace(given, uid=created.uid, generation=1, created_at=created.created_at)
    assert await store.get_application(SHOP) == created


async def test_a_deletion_is_not_taken_back_by_a_change_that_did_not_know_of_it(store: SqlStore, clock: Clock) -> None:
    first = await store.put_application(application())
    deletion = Deletion(True, "foreground", "ada", clock.now)
    deleting = await store.put_application(replace(first, deletion=deletion), expected_generation=1)
    changed = replace(first, labels={"team": "a"})
    with pytest.raises(Conflict, match="being deleted"):
        await store.put_application(changed, expected_generation=1)
    assert await store.get_application(SHOP) == deleting
    await store.remove_application(SHOP)
    assert (await store.put_application(changed)).deletion is None


async def test_only_a_different_spec_raises_the_generation(store: SqlStore, clock: Clock) -> None:
    first = await store.put_application(application())
    clock.advance(hours=1)
    labelled = await store.put_application(replace(application(), labels={"team": "a"}))
    assert (labelled.generation, labelled.uid, labelled.created_at) == (1, first.uid, first.created_at)
    changed = await store.put_application(application(revision_history_limit=3))
    assert (changed.generation, changed.uid, changed.created_at) == (2, first.uid, first.created_at)


async def test_putting_the_same_again_is_no_change_to_follow(store: SqlStore) -> None:
    await store.put_application(application())
    _, _, sequence = await store.applications_since(0)
    await store.put_application(application())
    assert await store.applications_since(sequence) == ([], [], sequence)


async def test_expected_generation(store: SqlStore) -> None:
    await store.put_application(application(), expected_generation=0)
    with pytest.raises(Conflict, match="generation 1, not 0"):
        await store.put_application(application(), expected_generation=0)
    await store.put_application(application(revision_history_limit=3), expected_generation=1)
    with pytest.raises(Conflict, match="generation 2, not 1"):
        await store.put_application(application(revision_history_limit=4), expected_generation=1)
    stored = await store.get_application(SHOP)
    assert stored is not None and stored.spec.revision_history_limit == 3


async def test_of_concurrent_changes_to_one_generation_one_wins(store: SqlStore) -> None:
    await store.put_application(application())
    changes = [
        store.put_application(application(revision_history_limit=limit), expected_generation=1)
        for limit in range(20, 28)
    ]
    outcomes = await asyncio.gather(*changes, return_exceptions=True)
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 7
    stored = await store.get_application(SHOP)
    assert stored is not None and stored.generation == 2


async def test_a_change_of_what_was_changed_meanwhile_is_refused(store: SqlStore) -> None:
    """Also where only a label was, which is no new generation."""
    await store.put_application(application())
    read = await store.get_application(SHOP)
    assert read is not None
    theirs = await store.put_application(replace(read, labels={"team": "theirs"}), over=read)
    assert theirs.generation == read.generation
    with pytest.raises(ChangedMeanwhile, match="application shop was changed meanwhile"):
        await store.put_application(replace(read, labels={"team": "mine"}), over=read)
    assert await store.get_application(SHOP) == theirs
    assert (await store.put_application(replace(theirs, labels={"team": "mine"}), over=theirs)).labels["team"] == "mine"


async def test_of_concurrent_changes_of_one_project_one_wins(store: SqlStore) -> None:
    await store.put_project(Project("team"))
    read = await store.get_project("team")
    assert read is not None
    changes = [store.put_project(replace(read, description=str(n)), over=read) for n in range(8)]
    outcomes = await asyncio.gather(*changes, return_exceptions=True)
    assert sum(isinstance(outcome, ChangedMeanwhile) for outcome in outcomes) == 7
    with pytest.raises(ChangedMeanwhile, match="project gone was changed meanwhile"):
        await store.put_project(Project("gone", "again"), over=Project("gone"))


async def test_what_could_not_be_read_back_is_refused(store: SqlStore) -> None:
    await store.put_application(application())
    broken: list[dict[str, Any]] = [
        {"labels": {"replicas": 3}},
        {"manifest": {"n": 2**70}},
        {"manifest": {"text": "\ud800"}},
        {"manifest": {1: "key"}},
    ]
    for values in broken:
        with pytest.raises(Invalid):
            await store.put_application(replace(application(), **values))
    assert len(await store.list_applications()) == 1


async def test_list_is_sorted_and_filtered(store: SqlStore) -> None:
    await store.put_project(Project("team"))
    for name in ("b", "a"):
        await store.put_application(application(name))
    await store.put_application(application("c", project="team"))
    await store.put_application(application("z", namespace="aaa"))
    assert [str(a.id) for a in await store.list_applications()] == ["aaa/z", "argocd/a", "argocd/b", "argocd/c"]
    assert [a.id.name for a in await store.list_applications(project="team")] == ["c"]


async def test_followers_see_changes_and_removals_once(store: SqlStore) -> None:
    await store.put_application(application("a"))
    await store.put_application(application("b"))
    changed, removed, sequence = await store.applications_since(0)
    assert ([a.id.name for a in changed], removed) == (["a", "b"], [])
    await store.put_application(application("a", revision_history_limit=3))
    await store.remove_application(ApplicationId("argocd", "b"))
    changed, removed, newest = await store.applications_since(sequence)
    assert ([a.id.name for a in changed], removed) == (["a"], [ApplicationId("argocd", "b")])
    assert newest > sequence
    assert await store.applications_since(newest) == ([], [], newest)


async def test_one_that_is_made_again_is_changed_and_not_removed(store: SqlStore) -> None:
    first = await store.put_application(application())
    _, _, sequence = await store.applications_since(0)
    await store.remove_application(SHOP)
    second = await store.put_application(application())
    assert second.uid != first.uid
    changed, removed, _ = await store.applications_since(sequence)
    assert (changed, removed) == ([second], [])


async def test_removal_takes_everything_along(store: SqlStore) -> None:
    await add_clusters(store, "u1")
    for name in ("shop", "other"):
        id = f"argocd/{name}"
        await store.put_application(application(name))
        await store.assign([("u1", content(id))])
        await store.put_statuses([status("u1", id)])
        await store.put_drifts([drift(f"drift-{name}", application=id)])
        await store.put_operations([("u1", id, operation("op"))])
        await store.record_operation_request(id, request("r"))
        await store.put_refresh_states([RefreshState(id)])
        await store.request_refresh([id], "hard")
    assert await store.remove_application(SHOP)
    assert not await store.remove_application(SHOP)
    assert await store.get_application(SHOP) is None
    for id, left in (("argocd/shop", 0), ("argocd/other", 1)):
        assert len(await store.assignments_of_application(id)) == left
        assert len(await store.statuses_of_application(id)) == left
        assert len(await store.drifts_of_application(id)) == left
        assert len(await store.history(id)) == left
        assert len(await store.operation_requests(id)) == left
        assert len(await store.get_refresh_states([id])) == left
    assert await store.take_refresh_requests() == {"argocd/other": "hard"}


async def test_refresh_state_comes_back(store: SqlStore) -> None:
    await store.put_application(application())
    state = RefreshState(
        "argocd/shop",
        Revision((SourceRevision("https://a", "c" * 40, "me", "first line", START),)),
        {"0:deploy": "e" * 40},
        3,
        (Condition("ComparisonError", "no such path", START),),
        START + timedelta(seconds=1),
    )
    await store.put_refresh_states([state])
    assert await store.get_refresh_states() == {"argocd/shop": state}
    assert await store.get_refresh_states(["argocd/shop", "argocd/none"]) == {"argocd/shop": state}
    assert await store.get_refresh_states([]) == {}


async def test_a_refresh_requested_meanwhile_is_not_lost(store: SqlStore) -> None:
    await store.put_application(application())
    await store.request_refresh(["argocd/shop"], "normal")
    await store.put_refresh_states([RefreshState("argocd/shop", spec_generation=4, requested="")])
    states = await store.get_refresh_states()
    assert (states["argocd/shop"].requested, states["argocd/shop"].spec_generation) == ("normal", 4)
    assert await store.take_refresh_requests() == {"argocd/shop": "normal"}
    assert await store.take_refresh_requests() == {}
    assert (await store.get_refresh_states())["argocd/shop"].requested == "normal", "it is not done yet"
    await store.finish_refresh_requests(["argocd/shop"])
    assert (await store.get_refresh_states())["argocd/shop"].requested == ""


async def test_a_refresh_requested_again_while_one_is_done_is_another(store: SqlStore) -> None:
    await store.put_application(application())
    await store.request_refresh(["argocd/shop"], "hard")
    assert await store.take_refresh_requests() == {"argocd/shop": "hard"}
    await store.request_refresh(["argocd/shop"], "normal")
    await store.finish_refresh_requests(["argocd/shop"])
    assert (await store.get_refresh_states())["argocd/shop"].requested == "normal"
    assert await store.take_refresh_requests() == {"argocd/shop": "normal"}


async def test_a_refresh_that_was_taken_and_never_done_is_taken_anew(store: SqlStore) -> None:
    await store.put_application(application())
    await store.request_refresh(["argocd/shop"], "hard")
    await store.take_refresh_requests()
    assert await store.take_refresh_requests(anew=True) == {"argocd/shop": "hard"}
    await store.finish_refresh_requests(["argocd/shop", "argocd/none"])
    assert await store.take_refresh_requests(anew=True) == {}


async def test_a_request_before_the_first_refresh_shows(store: SqlStore) -> None:
    await store.put_application(application())
    await store.request_refresh(["argocd/shop"], "normal")
    assert await store.get_refresh_states() == {"argocd/shop": RefreshState("argocd/shop", requested="normal")}


@pytest.mark.parametrize("modes", [("hard", "normal"), ("normal", "hard")])
async def test_hard_wins(store: SqlStore, modes: tuple[str, str]) -> None:
    await store.put_application(application())
    for mode in modes:
        await store.request_refresh(["argocd/shop"], mode)
    assert await store.take_refresh_requests() == {"argocd/shop": "hard"}


async def test_what_belongs_to_no_application_is_passed_over(store: SqlStore) -> None:
    await store.request_refresh(["argocd/none"], "hard")
    await store.put_refresh_states([RefreshState("argocd/none")])
    assert await store.take_refresh_requests() == {}
    assert await store.get_refresh_states() == {}


async def test_a_request_is_taken_by_one(store: SqlStore) -> None:
    names = [f"app-{number}" for number in range(10)]
    for name in names:
        await store.put_application(application(name))
    ids = {f"argocd/{name}" for name in names}
    await store.request_refresh(ids, "normal")
    taken = await asyncio.gather(*(store.take_refresh_requests() for _ in range(5)))
    assert sorted(id for part in taken for id in part) == sorted(ids)


async def test_the_default_project_is_there(store: SqlStore) -> None:
    assert await store.get_project("default") == default_project()
    assert await store.list_projects() == [default_project()]
    with pytest.raises(Conflict, match="default"):
        await store.remove_project("default")


async def test_projects(store: SqlStore) -> None:
    team = Project("team", "ours", ("https://a",), (ProjectDestination("*", "paris", "shop-*"),), manifest={"a": [1]})
    await store.put_project(team)
    assert await store.get_project("team") == team
    await store.put_project(replace(team, description="theirs"))
    assert [p.description for p in await store.list_projects()] == ["", "theirs"]
    await store.put_application(application(project="team"))
    with pytest.raises(Conflict, match="shop"):
        await store.remove_project("team")
    await store.remove_application(SHOP)
    assert await store.remove_project("team")
    assert not await store.remove_project("team")
    assert await store.get_project("team") is None
