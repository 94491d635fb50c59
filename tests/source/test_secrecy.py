"""Credentials are nowhere where others could read them, not even while they are used."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import resource
import socket
import stat
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hub.domain.repository import Access, Credentials, GitHubApp
from hub.source import GitSource, SourcePolicy
from hub.source.command import no_core_dumps
from hub.source.errors import SourceError
from tests.source.conftest import Sources
from tests.source.repos import Repo
from tests.source.servers import new_key, serve_http
from tests.source.tls import Authority
from tests.source.waiting import until

PASSWORDS = ("pa55word-x", "b3arer-x", "pr0xy-x")


@pytest.fixture
def key(tmp_path: Path) -> str:
    new_key(tmp_path / "key")
    return (tmp_path / "key").read_text()


@pytest.fixture
def access(key: str) -> Access:
    """One with every secret there is."""
    authority = Authority()
    certificate, client_key = authority.client()
    return Access(
        Credentials("bob", PASSWORDS[0], PASSWORDS[1], key, certificate, client_key),
        authorities=authority.pem,
        known_hosts="git.example.com ssh-ed25519 AAAA\n",
        force_basic_auth=True,
    )


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes connections and says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(10)
        yield listener.getsockname()[1]


@pytest.fixture
def dumping() -> Iterator[None]:
    """As where the system lets programs leave core dumps."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    no_core_dumps.cache_clear()
    yield
    resource.setrlimit(resource.RLIMIT_CORE, before)


def secrets_of(access: Access) -> list[str]:
    """What to look for: of keys, a line out of the middle."""
    credentials = access.credentials
    keys = (credentials.ssh_private_key, credentials.client_key)
    return [*PASSWORDS, *(key.splitlines()[1] for key in keys)]


def descendants() -> dict[int, Path]:
    """Every process that this one has started, and those below."""
    found: dict[int, Path] = {}
    parents: dict[int, int] = {}
    for path in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
    for pid in parents:
        ancestor = parents[pid]
        while ancestor > 1 and ancestor != os.getpid():
            ancestor = parents.get(ancestor, 0)
        if ancestor == os.getpid():
            found[pid] = Path(f"/proc/{pid}")
    return found


def names(name: str) -> list[Path]:
    paths = []
    for path in descendants().values():
        with contextlib.suppress(OSError):
            if name in (path / "cmdline").read_text():
                paths.append(path)
    return paths


@contextlib.asynccontextmanager
async def under_way(source: GitSource, url: str, program: str) -> AsyncIterator[list[Path]]:
    """Look at every process of a fetch while it is under way."""
    task = asyncio.create_task(source.refresh(url))
    try:
        await until(lambda: names(program))
        yield list(descendants().values())
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await source.close()


@pytest.mark.parametrize(
    ("scheme", "program", "proxied"),
    [("https", "remote-https", False), ("https", "remote-https", True), ("ssh", "ssh", False), ("ssh", "tunnel", True)],
)
async def test_while_a_fetch_is_under_way(
    dumping: None, sources: Sources, access: Access, silent: int, scheme: str, program: str, proxied: bool
) -> None:
    if proxied:
        access = replace(access, proxy=f"http://pat:{PASSWORDS[2]}@127.0.0.1:{silent}")
    source = sources.open(access=lambda url, project: access)
    private = sources.root / "home" / "private"
    async with under_way(source, f"{scheme}://127.0.0.1:{silent}/x.git", program) as processes:
        (directory,) = private.iterdir()
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
        files = list(directory.iterdir())
        assert {stat.S_IMODE(file.stat().st_mode) for file in files if file.is_file()} == {0o600}
        assert any(secret in file.read_text() for file in files if file.is_file() for secret in secrets_of(access))
        for process in processes:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                seen = (process / "cmdline").read_text() + (process / "environ").read_text()
                assert not [secret for secret in secrets_of(access) if secret in seen]
                limit = re.search(r"Max core file size\s+(\d+)", (process / "limits").read_text())
                assert limit and limit[1] == "0", "no core dump holds them"
    assert list(private.iterdir()) == []


async def test_nothing_of_it_stays(repo: Repo, sources: Sources, caplog: pytest.LogCaptureFixture, key: str) -> None:
    caplog.set_level(logging.DEBUG)
    authority = Authority()
    certificate, client_key = authority.client()
    credentials = Credentials("bob", PASSWORDS[0], "", key, certificate, client_key)
    with serve_http(repo.bare.parent, authority.server()) as server:
        server.credentials = f"bob:{PASSWORDS[0]}"
        access = Access(credentials, authorities=authority.pem)
        source = sources.open(access=lambda url, project: access)
        url = f"{server.url}/repo.git"
        assert (await source.resolve(url, "main")).sha
        server.credentials = "bob:another"
        with pytest.raises(SourceError) as caught:
            await source.refresh(url, force=True)
    written = "".join(path.read_text("latin1") for path in sources.root.rglob("*") if path.is_file())
    shown = caplog.text + str(caught.value) + caught.value.detail + repr(access) + written
    assert not [secret for secret in secrets_of(access) if secret in shown]


async def test_what_a_killed_hub_left_goes_with_the_next_start(sources: Sources) -> None:
    left = sources.root / "home" / "private" / "left"
    left.mkdir(parents=True)
    (left / "key").write_text("KEY")
    sources.open()
    assert not left.exists()


def test_nothing_shows_itself_in_a_repr() -> None:
    app = GitHubApp(1, private_key="PEM-x")
    credentials = Credentials("bob", *PASSWORDS[:2], "KEY-x", "CERT", "CKEY-x", app)
    shown = repr(Access(credentials, proxy=f"http://p:{PASSWORDS[2]}@h")) + repr(app)
    assert not re.search("|".join([*PASSWORDS, "KEY-x", "PEM-x"]), shown)
    assert set(credentials.secrets) == {*PASSWORDS[:2], "KEY-x", "CKEY-x", "PEM-x"}


async def test_one_without_access_is_not_served_from_the_copy_of_one_with(repo: Repo, sources: Sources) -> None:
    """And credentials that are renewed make no second copy."""
    known = {"team": Access(Credentials("bob", "one"), scope="project/team"), "": Access()}
    with serve_http(repo.bare.parent) as server:
        server.credentials = "bob:one"
        url = f"{server.url}/repo.git"
        source = sources.open(access=lambda url, project: known[project])
        sha = (await source.resolve(url, "main", "team")).sha
        with pytest.raises(SourceError):
            await source.resolve(url, sha)
        assert not source.asked(url)
        server.credentials = "bob:two"
        known["team"] = Access(Credentials("bob", "two"), scope="project/team")
        assert (await source.refresh(url, "team")).head == sha
        assert source.tree(url, sha, "team").read("apps/web/a.yaml", 10) == b"a: 1\n"
        assert len(list((sources.root / "repositories").glob("*.git"))) == 1


async def test_policy_is_kept(sources: Sources) -> None:
    """An access opens no local directory."""
    source = sources.open(SourcePolicy(), access=lambda url, project: Access(insecure=True))
    with pytest.raises(SourceError, match="not among the directories"):
        await source.refresh("file:///etc")
