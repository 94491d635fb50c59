"""Bad input in Git: said where and what to do, the last good state kept, every other application unharmed."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hub.config import Settings
from hub.server import source_policy
from hub.source.policy import SourcePolicy
from tests.faults.bad_inputs import BAD, GOOD, MANIFEST, SHOWN, Bad, write
from tests.faults.pair import CLUSTER, WEB_BRANCH, Pair
from tests.faults.scene import at
from tests.faults.waiting import answered
from tests.faults.witness import Witness
from tests.fleet.kit import Fleet, Repository, application
from tests.source.servers import GitHttp, serve_http

RENDER_SECONDS = 3.0
RENDER_MEGABYTES = 2048
"""As little as a hub may be given: to fill more takes longer."""
GIT_SECONDS = 3.0
NORMAL_SECONDS = 10.0
"""An application that nothing is wrong with has its commit within this on a busy machine; usually in a tenth of it."""


class Spoilt(Pair):
    """`web`, which is spoilt, and `other`, which is not, on one cluster; each a ConfigMap of one key, k."""

    def __init__(self, fleet: Fleet, repository: Repository) -> None:
        super().__init__(fleet)
        self.repository = repository
        self.cluster = Witness()

    async def open(self, web_url: str = "") -> None:
        write(self.repository, {MANIFEST: GOOD, "other/all.yaml": GOOD.replace("settings", "other")})
        self.good = self.commit_web()
        await self.fleet.add_agent(CLUSTER, client=self.cluster)
        web = application("web", web_url or self.repository.url, "web")
        web["spec"]["source"]["targetRevision"] = WEB_BRANCH
        await self.fleet.apply(web, application("other", self.repository.url, "other"))
        for name in ("web", "other"):
            await self.fleet.synced(name, 1)
        self.uids = self.cluster.uids(("settings", "other"))

    def commit_web(self) -> str:
        """Commit what is there, for `web` to see, too."""
        revision = self.repository.commit()
        self.repository.git("branch", "--force", WEB_BRANCH)
        return revision

    async def other_goes_on(self, value: str) -> None:
        """Commit for `other`, and wait until its cluster has it, in normal time."""
        write(self.repository, {"other/all.yaml": GOOD.replace("settings", "other").replace('"1"', f'"{value}"')})
        revision = self.repository.commit()
        await self.fleet.refresh("other")
        await self.arrived("other", revision, NORMAL_SECONDS)
        assert self.cluster.data("other") == {"k": value}

    async def assert_kept(self) -> None:
        """The last good state is there, and nothing of it was ever taken away."""
        assert self.cluster.data("settings") == {"k": "1"}
        assert at(await self.status(), self.good)
        self.assert_nothing_was_deleted()

    def assert_nothing_was_deleted(self) -> None:
        assert self.cluster.deleted == []
        assert self.cluster.uids(("settings", "other")) == self.uids

    async def repair(self) -> None:
        """Commit something good, which arrives, after which nothing is said any more."""
        shutil.rmtree(self.repository.path / "web", ignore_errors=True)
        write(self.repository, {MANIFEST: GOOD.replace('"1"', '"2"')})
        revision = self.commit_web()
        await self.fleet.refresh("web")
        await self.arrived("web", revision)
        await answered(self.silent, "the conditions to go")
        assert self.cluster.data("settings") == {"k": "2"}
        self.assert_nothing_was_deleted()


def impatient(settings: Settings) -> SourcePolicy:
    return replace(source_policy(settings), poll_seconds=GIT_SECONDS, silence_seconds=GIT_SECONDS)


@pytest.fixture
async def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fleet]:
    """A hub that learns of commits only when it is told, and gives up renders and repositories soon."""
    monkeypatch.setattr("hub.server.source_policy", impatient)
    limits = {"render_timeout_seconds": RENDER_SECONDS, "render_memory_mb": RENDER_MEGABYTES}
    fleet = Fleet(tmp_path, poll_seconds=3600.0, render_workers=2, **limits)
    await fleet.start()
    yield fleet
    await fleet.stop()


@pytest.fixture
def pair(fleet: Fleet, repository: Repository) -> Spoilt:
    return Spoilt(fleet, repository)


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
async def test_a_bad_input_is_told_and_harms_nothing(pair: Spoilt, bad: Bad) -> None:
    await pair.open()
    bad.spoil(pair.repository)
    if WEB_BRANCH in pair.repository.git("branch", "--list", WEB_BRANCH):
        pair.commit_web()
    await pair.fleet.refresh("web")
    if bad.slow:
        await pair.other_goes_on("2")
        assert await pair.silent(), "the others wait for nothing that hangs"
    message = await pair.said(bad.condition)
    for words in (*bad.where, bad.advice):
        assert words in message
    assert len(message) <= SHOWN
    await pair.assert_kept()
    await pair.other_goes_on("3")
    assert not await pair.told("other")
    await pair.repair()


@pytest.mark.parametrize("name", ["an unknown kind", "an empty directory", "a doubled key"])
async def test_a_commit_that_is_taken_back_leaves_nothing_said(pair: Spoilt, name: str) -> None:
    """What is assigned again is what was there all along: no operation is needed to say that all is well."""
    await pair.open()
    BAD[name].spoil(pair.repository)
    pair.commit_web()
    await pair.fleet.refresh("web")
    await pair.said(BAD[name].condition)
    pair.repository.git("revert", "--no-edit", "HEAD")
    pair.repository.git("branch", "--force", WEB_BRANCH)
    await pair.fleet.refresh("web")
    await answered(pair.silent, "the conditions to go")
    assert (await pair.status()).sync == "Synced"
    assert pair.cluster.data("settings") == {"k": "1"}
    pair.assert_nothing_was_deleted()


@pytest.fixture
def server(repository: Repository) -> Iterator[GitHttp]:
    with serve_http(repository.path) as server:
        yield server


@pytest.mark.parametrize(
    ("fault", "advice"),
    [("silent", "git was ended because it"), ("stall_packs", "git was ended because it was silent")],
)
async def test_a_repository_that_hangs_is_told_and_holds_up_nobody(
    pair: Spoilt, server: GitHttp, fault: str, advice: str
) -> None:
    """The hub has read it before, and has all it needs to go on with what it knows: people must hear of it none the
    less, or they look for their commit in vain."""
    await pair.open(f"{server.url}/.git")
    setattr(server, fault, True)
    write(pair.repository, {MANIFEST: GOOD.replace('"1"', '"late"')})
    pair.commit_web()
    await pair.fleet.refresh("web")
    await pair.other_goes_on("2")
    assert await pair.silent(), "the others wait for nothing that hangs"
    message = await pair.said("ComparisonError")
    assert server.url in message and advice in message and "keeps trying" in message
    await pair.assert_kept()
    assert not await pair.told("other")
    setattr(server, fault, False)
    await pair.repair()
