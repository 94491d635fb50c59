"""Mirrors that a crash, a bad disk or a full one has spoilt."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.source import GitSource
from hub.source.errors import MirrorDamaged, RepositoryDenied, SourceStorageError
from hub.source.failures import storage_errors, translated
from hub.source.tree import _Mirrors
from tests.source.conftest import Sources
from tests.source.repos import Repo


def mirror_of(source: GitSource, repo: Repo) -> Path:
    return source.tree(repo.url, "0" * 40)._mirror


def spoil_head(mirror: Path) -> None:
    (mirror / "HEAD").write_bytes(b"")


def empty_packs(mirror: Path) -> None:
    for path in mirror.glob("objects/pack/*.pack"):
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:40])
    for path in mirror.glob("objects/??/*"):
        path.chmod(0o644)
        path.write_bytes(b"")


def lose_objects(mirror: Path) -> None:
    shutil.rmtree(mirror / "objects")


@pytest.mark.parametrize("spoil", [spoil_head, empty_packs, lose_objects])
async def test_a_damaged_mirror_is_made_anew(repo: Repo, sources: Sources, spoil: Callable[[Path], None]) -> None:
    first = sources.open()
    sha = (await first.resolve(repo.url, "main")).sha
    spoil(mirror_of(first, repo))
    # Another process, that has nothing of it in memory.
    source = sources.open()
    await source.refresh(repo.url, force=True)
    assert (await source.resolve(repo.url, "main")).sha == sha
    assert source.tree(repo.url, sha).read("apps/web/a.yaml", 10) == b"a: 1\n"


async def test_damage_met_while_reading_is_mended_by_the_next_poll(
    repo: Repo, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = (await sources.open().resolve(repo.url, "main")).sha
    source = sources.open()
    empty_packs(mirror_of(source, repo))
    # As in a process that has read nothing of it yet.
    monkeypatch.setattr("hub.source.tree._MIRRORS", _Mirrors())
    with pytest.raises(MirrorDamaged) as caught:
        source.object_ids(repo.url, sha, ["apps"])
    assert caught.value.retryable
    await source.refresh(repo.url)
    assert source.object_ids(repo.url, sha, ["apps"])["apps"]


async def test_an_update_into_a_damaged_mirror(repo: Repo, sources: Sources) -> None:
    await sources.open().resolve(repo.url, "main")
    source = sources.open()
    lose_objects(mirror_of(source, repo))
    new = repo.commit({"x": "1"})
    await source.refresh(repo.url)
    assert (await source.resolve(repo.url, "main")).sha == new


async def test_a_repair_keeps_commits_that_the_server_has_forgotten(repo: Repo, source: GitSource) -> None:
    old = repo.commit({"x": "old"})
    await source.resolve(repo.url, "main")
    repo.git("reset", "--quiet", "--hard", "HEAD~1")
    repo.commit({"x": "new"})
    repo.git("gc", "--quiet", "--prune=now")
    await source.refresh(repo.url)
    # Something else is damaged: a branch that leads nowhere.
    (mirror_of(source, repo) / "refs/heads/broken").write_text("1" * 40 + "\n")
    await source.refresh(repo.url, force=True)
    assert not (mirror_of(source, repo) / "refs/heads/broken").exists()
    assert source.tree(repo.url, old).read("x", 10) == b"old"


async def test_a_repair_that_fails_leaves_what_there_was(repo: Repo, source: GitSource) -> None:
    sha = (await source.resolve(repo.url, "main")).sha
    mirror = mirror_of(source, repo)
    (mirror / "refs/heads/broken").write_text("1" * 40 + "\n")
    repo.bare.rename(repo.bare.with_name("away"))
    with pytest.raises(RepositoryDenied):
        await source.refresh(repo.url, force=True)
    assert source.tree(repo.url, sha).read("apps/web/a.yaml", 10) == b"a: 1\n"
    assert sorted(mirror.parent.iterdir()) == sorted([mirror, mirror.resolve()])


async def test_checks_and_repairs_are_not_repeated_at_will(repo: Repo, sources: Sources) -> None:
    clock = [0.0]
    source = sources.open(clock=lambda: clock[0])
    await source.resolve(repo.url, "main")

    async def force() -> None:
        # A commit that is to be kept and is not there: only making the mirror anew helps.
        (mirror_of(source, repo) / "refs/escadre/keep" / ("1" * 40)).write_text("1" * 40 + "\n")
        await source.refresh(repo.url, force=True)

    first = mirror_of(source, repo).resolve()
    await force()
    second = mirror_of(source, repo).resolve()
    assert second != first
    for seconds in (1, 61):
        clock[0] += seconds
        with pytest.raises(MirrorDamaged):
            await force()
        assert mirror_of(source, repo).resolve() == second
    clock[0] += 600
    await force()
    assert mirror_of(source, repo).resolve() != second


async def test_what_a_killed_hub_left_is_cleared(repo: Repo, sources: Sources) -> None:
    first = sources.open()
    sha = (await first.resolve(repo.url, "main")).sha
    mirror = mirror_of(first, repo)
    (mirror.parent / "half-fetched.abc").mkdir()
    (mirror.parent / "dangling.git").symlink_to("gone.abc")
    source = sources.open()
    assert source.tree(repo.url, sha).read("apps/web/a.yaml", 10) == b"a: 1\n"
    assert sorted(mirror.parent.iterdir()) == sorted([mirror, mirror.resolve()])


async def test_a_damaged_list_of_refs_is_asked_for_again(repo: Repo, sources: Sources) -> None:
    first = sources.open()
    sha = (await first.resolve(repo.url, "main")).sha
    (mirror_of(first, repo) / "escadre-refs.json").write_text("{")
    assert (await sources.open().resolve(repo.url, "main")).sha == sha


class TestStorage:
    def test_a_full_disk_is_called_full(self, tmp_path: Path) -> None:
        with pytest.raises(SourceStorageError, match="full") as caught, storage_errors(tmp_path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        assert caught.value.retryable
        assert str(tmp_path) in caught.value.message

    def test_git_says_it_too(self, tmp_path: Path) -> None:
        error = translated("r", "error: file write error: No space left on device\nfatal: index-pack failed", tmp_path)
        assert isinstance(error, SourceStorageError)

    async def test_a_disk_that_refuses(self, repo: Repo, sources: Sources) -> None:
        """A file where the directory should be: chmod does not stop root."""
        source = sources.open()
        shutil.rmtree(sources.root / "repositories")
        (sources.root / "repositories").write_text("")
        with pytest.raises(SourceStorageError):
            await source.refresh(repo.url)

    async def test_a_fetch_onto_a_full_disk(self, repo: Repo, sources: Sources) -> None:
        wrapper = sources.root.parent / "git"
        wrapper.write_text('#!/bin/sh\necho "fatal: write error: No space left on device" >&2; exit 128\n')
        wrapper.chmod(0o755)
        with pytest.raises(SourceStorageError, match="full"):
            await sources.open(git=str(wrapper)).refresh(repo.url)
        assert (await sources.open().refresh(repo.url)).head


@pytest.mark.parametrize(
    ("stderr", "code"),
    [
        ("fatal: Authentication failed for 'https://h/a/'", "repository-denied"),
        ("remote: Repository not found.\nfatal: repository 'https://h/a/' not found", "repository-denied"),
        ("fatal: unable to access 'https://h/tls-certificate/': Could not resolve host: h", "repository-unreachable"),
        ("fatal: early EOF\nfatal: fetch-pack: invalid index-pack output", "repository-unreachable"),
        ("error: object file .git/objects/aa/bb is empty\nfatal: loose object aabb is corrupt", "mirror-damaged"),
        ("fatal: something nobody has seen yet", "repository-unreachable"),
        ("", "repository-unreachable"),
    ],
)
def test_what_git_says_is_told_in_the_hubs_words(stderr: str, code: str, tmp_path: Path) -> None:
    error = translated("https://h/a", stderr, tmp_path)
    assert error.code == code
    assert error.detail == stderr
    assert "fatal" not in error.message
