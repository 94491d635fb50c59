from __future__ import annotations

import asyncio
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.domain.repository import Place
from hub.source import GitRequest, GitSource, SourcePolicy
from hub.source.errors import RepositoryDenied, RepositoryRefused, RepositoryTooLarge, RevisionNotFound, SourceError
from tests.source.conftest import Sources
from tests.source.repos import Repo, run


def kinds(requests: list[GitRequest]) -> list[str]:
    return [request.kind for request in requests]


async def test_a_commit_is_described(repo: Repo, source: GitSource) -> None:
    sha = repo.commit({"x": "1"}, "Deploy it\n\nbecause")
    commit = await source.resolve(repo.url, "HEAD")
    assert (commit.sha, commit.author, commit.message) == (sha, "Ada <ada@example.com>", "Deploy it")
    assert abs((datetime.now(UTC) - commit.committed_at).total_seconds()) < 600


@pytest.mark.parametrize("annotated", [False, True])
async def test_names_of_one_commit(repo: Repo, source: GitSource, annotated: bool) -> None:
    sha = repo.commit({"x": "1"})
    repo.tag("v1.4.0", annotated=annotated)
    repo.commit({"x": "2"})
    for revision in ("v1.4.0", "refs/tags/v1.4.0", "1.x", "^1.2", sha, sha[:7], sha.upper(), "1.4.0"):
        assert (await source.resolve(repo.url, revision)).sha == sha, revision


async def test_other_refs_are_fetched_when_asked_for(repo: Repo, source: GitSource) -> None:
    await source.refresh(repo.url)
    repo.git("checkout", "--quiet", "-b", "fork")
    sha = repo.commit({"x": "fork"}, push=False)
    repo.git("push", "--quiet", "origin", "fork:refs/pull/7/head")
    assert (await source.resolve(repo.url, "refs/pull/7/head")).sha == sha
    again = repo.commit({"x": "fork 2"}, push=False)
    repo.git("push", "--quiet", "origin", "fork:refs/pull/7/head")
    await source.refresh(repo.url)
    assert (await source.resolve(repo.url, "refs/pull/7/head")).sha == again


async def test_a_commit_on_no_branch_is_fetched_by_its_id(repo: Repo, source: GitSource) -> None:
    await source.refresh(repo.url)
    repo.git("checkout", "--quiet", "-b", "away")
    sha = repo.commit({"x": "away"}, push=False)
    repo.git("push", "--quiet", "origin", "away:refs/hidden/1")
    assert (await source.resolve(repo.url, sha)).sha == sha


@pytest.mark.parametrize("revision", ["nope", "9.x", "0" * 40, "abcdef0", "refs/pull/1/head"])
async def test_a_revision_that_is_not_there(repo: Repo, source: GitSource, revision: str) -> None:
    with pytest.raises(RevisionNotFound) as caught:
        await source.resolve(repo.url, revision)
    assert repo.url in caught.value.message
    assert revision in caught.value.message
    assert caught.value.retryable


async def test_a_repository_without_commits(tmp_path: Path, source: GitSource) -> None:
    empty = Repo(tmp_path, "empty")
    assert (await source.refresh(empty.url)).head == ""
    with pytest.raises(RevisionNotFound, match="no commits yet"):
        await source.resolve(empty.url, "HEAD")
    sha = empty.commit({"a": "1"})
    await source.refresh(empty.url)
    assert (await source.resolve(empty.url, "HEAD")).sha == sha


async def test_asking_for_what_is_absent_again_goes_to_no_server(
    repo: Repo, source: GitSource, requests: list[GitRequest]
) -> None:
    for _ in range(3):
        for revision in ("nope", "abcdef0", "refs/pull/1/head"):
            with pytest.raises(RevisionNotFound):
                await source.resolve(repo.url, revision)
    before = len(requests)
    with pytest.raises(RevisionNotFound):
        await source.resolve(repo.url, "abcdef0")
    assert len(requests) == before
    # It may be there after the next push.
    repo.git("branch", "abcdef0")
    repo.push()
    await source.refresh(repo.url)
    assert (await source.resolve(repo.url, "abcdef0")).sha


async def test_a_poll_fetches_only_when_something_wanted_has_moved(
    repo: Repo, source: GitSource, requests: list[GitRequest]
) -> None:
    await source.resolve(repo.url, "main")
    requests.clear()
    await source.refresh(repo.url)
    assert kinds(requests) == ["ls-remote"]

    repo.git("checkout", "--quiet", "-b", "unwanted")
    other = repo.commit({"x": "1"})
    await source.refresh(repo.url)
    assert kinds(requests) == ["ls-remote", "ls-remote"]
    # It is fetched once somebody wants it.
    assert (await source.resolve(repo.url, "unwanted")).sha == other

    requests.clear()
    repo.git("checkout", "--quiet", "main")
    sha = repo.commit({"x": "2"})
    await source.refresh(repo.url)
    assert kinds(requests) == ["ls-remote", "fetch"]
    assert (await source.resolve(repo.url, "main")).sha == sha


async def test_a_new_version_is_fetched_for_those_who_want_a_range(repo: Repo, source: GitSource) -> None:
    repo.tag("v1.0.0")
    first = (await source.resolve(repo.url, "1.x")).sha
    newer = repo.commit({"x": "1"})
    repo.tag("v1.1.0", annotated=True)
    assert (await source.resolve(repo.url, "1.x")).sha == first
    await source.refresh(repo.url)
    assert (await source.resolve(repo.url, "1.x")).sha == newer


async def test_concurrent_refreshes_share_one_request(
    repo: Repo, source: GitSource, requests: list[GitRequest]
) -> None:
    await asyncio.gather(*(source.refresh(repo.url) for _ in range(20)))
    assert kinds(requests) == ["ls-remote", "fetch"]


async def test_a_caller_that_gives_up_takes_nothing_from_the_others(repo: Repo, source: GitSource) -> None:
    impatient = asyncio.create_task(source.refresh(repo.url))
    patient = asyncio.create_task(source.refresh(repo.url))
    await asyncio.sleep(0)
    impatient.cancel()
    assert (await patient).default_branch == "main"


async def test_a_force_push_is_followed_and_the_old_commit_stays_readable(repo: Repo, source: GitSource) -> None:
    old = repo.commit({"x": "old"})
    await source.resolve(repo.url, "main")
    repo.git("reset", "--quiet", "--hard", "HEAD~1")
    new = repo.commit({"x": "new"})
    await source.refresh(repo.url)
    assert (await source.resolve(repo.url, "main")).sha == new
    await source.collect({Place(repo.url): [old]})
    assert source.tree(repo.url, old).read("x", 10) == b"old"
    assert (await source.resolve(repo.url, old)).sha == old


async def test_a_deleted_branch_is_gone_after_the_next_refresh(repo: Repo, source: GitSource) -> None:
    repo.git("branch", "short-lived")
    repo.push()
    await source.resolve(repo.url, "short-lived")
    repo.git("branch", "--delete", "short-lived")
    # A name that only works once the old ref is pruned.
    repo.git("branch", "short-lived/next")
    repo.push()
    await source.refresh(repo.url)
    await source.resolve(repo.url, "short-lived/next")
    with pytest.raises(RevisionNotFound):
        await source.resolve(repo.url, "short-lived")


async def test_a_repository_deleted_and_made_again(repo: Repo, source: GitSource, tmp_path: Path) -> None:
    old = (await source.resolve(repo.url, "main")).sha
    shutil.rmtree(repo.bare)
    with pytest.raises(RepositoryDenied, match="no such repository"):
        await source.refresh(repo.url)
    assert (await source.resolve(repo.url, "main")).sha == old
    assert source.tree(repo.url, old).read("apps/web/a.yaml", 10) == b"a: 1\n"

    made_again = Repo(tmp_path / "elsewhere")
    new = made_again.commit({"fresh": "1"})
    made_again.bare.rename(repo.bare)
    await source.refresh(repo.url)
    assert (await source.resolve(repo.url, "main")).sha == new


async def test_a_restarted_hub_goes_on_with_what_it_had(repo: Repo, sources: Sources) -> None:
    sha = (await sources.open().resolve(repo.url, "main")).sha
    repo.bare.rename(repo.bare.with_name("away"))
    restarted = sources.open()
    assert (await restarted.resolve(repo.url, "main")).sha == sha
    assert restarted.object_ids(repo.url, sha, ["apps", "none"])["none"] == ""


async def test_the_policy_is_asked_first(repo: Repo, sources: Sources) -> None:
    source = sources.open(SourcePolicy())
    for call in (source.refresh(repo.url), source.resolve(repo.url, "main")):
        with pytest.raises(RepositoryRefused) as caught:
            await call
        assert not caught.value.retryable
    with pytest.raises(RepositoryRefused):
        source.tree(repo.url, "0" * 40)


async def test_a_repository_beyond_its_size_is_given_up(repo: Repo, sources: Sources) -> None:
    repo.commit({"big": os.urandom(1_000_000)})
    policy = SourcePolicy(file_prefixes=(repo.bare.parent,), repository_bytes=100_000)
    with pytest.raises(RepositoryTooLarge) as caught:
        await sources.open(policy).refresh(repo.url)
    assert not caught.value.retryable
    assert not list(sources.root.glob("repositories/*"))


async def test_too_many_refs_are_given_up(repo: Repo, sources: Sources) -> None:
    policy = SourcePolicy(file_prefixes=(repo.bare.parent,), refs_bytes=50)
    with pytest.raises(RepositoryTooLarge):
        await sources.open(policy).refresh(repo.url)


class TestCollect:
    async def test_what_nobody_needs_goes(self, repo: Repo, sources: Sources) -> None:
        clock = [0.0]
        source = sources.open(clock=lambda: clock[0])
        old = repo.commit({"x": "old"})
        await source.resolve(repo.url, "main")
        repo.git("reset", "--quiet", "--hard", "HEAD~1")
        new = repo.commit({"x": "new"})
        await source.refresh(repo.url)
        await source.resolve(repo.url, "main")

        await source.collect({Place(repo.url): [new]})
        kept = next(sources.root.glob("repositories/*.git")) / "refs/escadre/keep"
        # Resolved a moment ago: somebody may be about to say that it is needed.
        assert {path.name for path in kept.iterdir()} == {old, new}
        clock[0] += 3601
        await source.collect({Place(repo.url): [new]})
        assert {path.name for path in kept.iterdir()} == {new}

    async def test_mirrors_nobody_names_are_removed(self, repo: Repo, sources: Sources) -> None:
        clock = [0.0]
        source = sources.open(clock=lambda: clock[0])
        await source.resolve(repo.url, "main")
        await source.collect({})
        assert list(sources.root.glob("repositories/*.git"))
        clock[0] += 3601
        await source.collect({})
        assert not list(sources.root.glob("repositories/*.git"))
        # And made again when it is wanted again.
        assert (await source.resolve(repo.url, "main")).sha

    async def test_packs_do_not_pile_up(self, repo: Repo, sources: Sources) -> None:
        source = sources.open()
        await source.resolve(repo.url, "main")
        mirror = next(sources.root.glob("repositories/*.git"))
        # Every fetch leaves a pack, as large ones do.
        run("-C", str(mirror), "config", "fetch.unpackLimit", "1")
        sha = ""
        for i in range(22):
            sha = repo.commit({"f1": f"{i}"})
            await source.refresh(repo.url)
        packs = mirror / "objects/pack"
        assert len(list(packs.glob("*.pack"))) > 20
        await source.collect({Place(repo.url): [sha]})
        assert len(list(packs.glob("*.pack"))) == 1
        assert source.tree(repo.url, sha).read("f1", 10) == b"21"

    async def test_one_that_cannot_be_collected_spoils_nothing(
        self, repo: Repo, sources: Sources, tmp_path: Path
    ) -> None:
        other = Repo(tmp_path, "other")
        other.commit({"a": "1"})
        source = sources.open()
        first = (await source.resolve(repo.url, "main")).sha
        second = (await source.resolve(other.url, "main")).sha
        mirror = source.tree(repo.url, first)._mirror
        (mirror / "HEAD").unlink()
        await source.collect({Place(repo.url): [first], Place(other.url): [second], Place("https://-refused"): ["x"]})
        assert (await source.resolve(other.url, "main")).sha == second


async def test_errors_of_a_source_are_of_one_family(repo: Repo, source: GitSource) -> None:
    with pytest.raises(SourceError) as caught:
        await source.resolve(repo.url, "nope")
    assert caught.value.status == 404
