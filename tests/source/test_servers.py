"""Over the network, with real servers: HTTP, HTTPS and SSH, well-behaved and not."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trustme

from hub.source import GitSource, SourcePolicy
from hub.source.errors import RepositoryDenied, RepositoryUnreachable, RevisionNotFound, SourceError
from tests.source.conftest import Sources
from tests.source.repos import Repo
from tests.source.servers import GitHttp, Ssh, serve_http, serve_ssh
from tests.source.waiting import until


@pytest.fixture
def server(repo: Repo) -> Iterator[GitHttp]:
    with serve_http(repo.bare.parent) as server:
        yield server


@pytest.fixture
def url(server: GitHttp) -> str:
    return f"{server.url}/repo.git"


@pytest.fixture
def quick(sources: Sources) -> GitSource:
    """A source that gives up soon."""
    return sources.open(SourcePolicy(poll_seconds=1.5, fetch_seconds=4.0, silence_seconds=1.5))


async def test_http(repo: Repo, source: GitSource, url: str) -> None:
    sha = (await source.resolve(url, "main")).sha
    assert source.tree(url, sha).read("apps/web/a.yaml", 10) == b"a: 1\n"
    new = repo.commit({"x": "1"})
    await source.refresh(url)
    assert (await source.resolve(url, "main")).sha == new


async def test_https_with_the_operators_authority_and_no_other(repo: Repo, sources: Sources, tmp_path: Path) -> None:
    authority, other = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    for name, ca in (("ca", authority), ("other", other)):
        ca.cert_pem.write_to_path(tmp_path / f"{name}.pem")
    with serve_http(repo.bare.parent, context) as server:
        url = f"{server.url}/repo.git"
        assert (await sources.open(SourcePolicy(ca_file=tmp_path / "ca.pem")).resolve(url, "main")).sha
        with pytest.raises(RepositoryUnreachable, match="TLS certificate"):
            await sources.open(SourcePolicy(ca_file=tmp_path / "other.pem")).refresh(url)


class TestSsh:
    @pytest.fixture
    def ssh(self, tmp_path: Path) -> Iterator[Ssh]:
        with serve_ssh(tmp_path / "ssh") as ssh:
            yield ssh

    async def test_with_a_key_and_a_known_host(self, repo: Repo, sources: Sources, ssh: Ssh) -> None:
        source = sources.open(SourcePolicy(ssh_directory=ssh.directory))
        url = f"{ssh.url}{repo.bare}"
        sha = (await source.resolve(url, "main")).sha
        assert source.tree(url, sha).read("apps/web/a.yaml", 10) == b"a: 1\n"

    async def test_an_unknown_host_is_refused(self, repo: Repo, sources: Sources, ssh: Ssh) -> None:
        (ssh.directory / "known_hosts").write_text("")
        with pytest.raises(RepositoryDenied, match="ssh-keyscan"):
            await sources.open(SourcePolicy(ssh_directory=ssh.directory)).refresh(f"{ssh.url}{repo.bare}")
        assert (ssh.directory / "known_hosts").read_text() == ""

    async def test_without_a_key(self, repo: Repo, sources: Sources, ssh: Ssh) -> None:
        (ssh.directory / "id_ed25519").unlink()
        with pytest.raises(RepositoryDenied, match="SSH key"):
            await sources.open(SourcePolicy(ssh_directory=ssh.directory)).refresh(f"{ssh.url}{repo.bare}")

    async def test_a_repository_that_is_not_there(self, sources: Sources, ssh: Ssh) -> None:
        with pytest.raises(RepositoryDenied, match="no such repository"):
            await sources.open(SourcePolicy(ssh_directory=ssh.directory)).refresh(f"{ssh.url}/none.git")

    async def test_the_operators_agent(self, repo: Repo, sources: Sources, ssh: Ssh, tmp_path: Path) -> None:
        socket = tmp_path / "agent"
        agent = await asyncio.create_subprocess_exec(
            "ssh-agent", "-D", "-a", str(socket), stdout=asyncio.subprocess.DEVNULL
        )
        try:
            await until(socket.exists)
            adding = await asyncio.create_subprocess_exec(
                "ssh-add", "-q", str(ssh.directory / "id_ed25519"), env={**os.environ, "SSH_AUTH_SOCK": str(socket)}
            )
            assert await adding.wait() == 0
            (ssh.directory / "id_ed25519").unlink()
            policy = SourcePolicy(ssh_directory=ssh.directory, ssh_auth_socket=str(socket))
            assert (await sources.open(policy).refresh(f"{ssh.url}{repo.bare}")).head
        finally:
            agent.terminate()
            await agent.wait()


class TestCredentials:
    async def test_those_in_the_url_are_used_and_never_shown(
        self, source: GitSource, server: GitHttp, caplog: pytest.LogCaptureFixture, tmp_path: Path
    ) -> None:
        caplog.set_level(logging.DEBUG)
        server.credentials = "bob:tops3cret"
        url = server.url.replace("//", "//bob:tops3cret@") + "/repo.git"
        assert (await source.resolve(url, "main")).sha
        server.credentials = "bob:changed"
        with pytest.raises(RepositoryDenied, match="credentials") as caught:
            await source.refresh(url)
        shown = caplog.text + str(caught.value) + caught.value.detail
        assert "tops3cret" not in shown
        written = [path.read_bytes() for path in (tmp_path / "mirrors").rglob("*") if path.is_file()]
        assert not any(b"tops3cret" in content for content in written)

    async def test_one_without_them_is_not_served_from_the_mirror_of_one_with(
        self, source: GitSource, server: GitHttp, url: str
    ) -> None:
        server.credentials = "bob:tops3cret"
        await source.resolve(server.url.replace("//", "//bob:tops3cret@") + "/repo.git", "main")
        with pytest.raises(RepositoryDenied):
            await source.resolve(url, "main")

    async def test_they_are_not_on_any_command_line(self, sources: Sources, server: GitHttp, tmp_path: Path) -> None:
        wrapper = tmp_path / "git"
        wrapper.write_text(f'#!/bin/sh\necho "$0 $@" >> {tmp_path}/arguments\nexec git "$@"\n')
        wrapper.chmod(0o755)
        server.credentials = "bob:tops3cret"
        await sources.open(git=str(wrapper)).resolve(server.url.replace("//", "//bob:tops3cret@") + "/repo.git", "main")
        arguments = (tmp_path / "arguments").read_text()
        assert "ls-remote" in arguments
        assert "tops3cret" not in arguments

    async def test_a_redirect_does_not_carry_them_elsewhere(
        self, repo: Repo, source: GitSource, server: GitHttp
    ) -> None:
        with serve_http(repo.bare.parent) as elsewhere:
            server.redirect = elsewhere.url
            await source.refresh(server.url.replace("//", "//bob:tops3cret@") + "/repo.git")
            assert elsewhere.seen
            assert not any(elsewhere.seen)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, RepositoryDenied, "credentials"),
        (403, RepositoryDenied, "credentials"),
        (404, RepositoryDenied, "no such repository"),
        (500, RepositoryUnreachable, "broke off"),
        (429, RepositoryUnreachable, "too often"),
    ],
)
async def test_refusals(
    source: GitSource, server: GitHttp, url: str, status: int, kind: type[SourceError], words: str
) -> None:
    server.status = status
    with pytest.raises(kind, match=words) as caught:
        await source.refresh(url)
    assert url in caught.value.message
    assert "super-secret-detail" not in caught.value.message
    assert caught.value.retryable
    server.status = 0
    assert (await source.refresh(url)).head


async def test_a_server_that_is_away(source: GitSource, repo: Repo) -> None:
    with serve_http(repo.bare.parent) as server:
        url = f"{server.url}/repo.git"
        sha = (await source.resolve(url, "main")).sha
    with pytest.raises(RepositoryUnreachable, match="cannot be connected to"):
        await source.refresh(url)
    assert (await source.resolve(url, "main")).sha == sha


async def test_a_host_without_an_address(source: GitSource) -> None:
    with pytest.raises(RepositoryUnreachable, match="host name"):
        await source.refresh("https://repositories.invalid/a.git")


async def test_a_server_that_says_nothing_is_given_up(quick: GitSource, server: GitHttp, url: str) -> None:
    server.silent = True
    started = time.monotonic()
    with pytest.raises(RepositoryUnreachable, match=r"stopped answering|did not end"):
        await quick.refresh(url)
    assert time.monotonic() - started < 6
    assert await _processes_of(quick) == []


async def test_a_pack_that_stalls_is_given_up(quick: GitSource, server: GitHttp, url: str, repo: Repo) -> None:
    repo.commit({f"f{i}": os.urandom(3000) for i in range(50)})
    server.stall_packs = True
    with pytest.raises(RepositoryUnreachable):
        await quick.refresh(url)
    assert await _processes_of(quick) == []
    server.stall_packs = False
    assert (await quick.resolve(url, "main")).sha


async def test_a_pack_that_is_cut_short_leaves_the_last_good_state(
    source: GitSource, server: GitHttp, url: str, repo: Repo
) -> None:
    old = (await source.resolve(url, "main")).sha
    new = repo.commit({f"f{i}": os.urandom(3000) for i in range(50)})
    server.cut_packs = True
    with pytest.raises(RepositoryUnreachable):
        await source.refresh(url)
    assert (await source.resolve(url, "main")).sha == old
    server.cut_packs = False
    await source.refresh(url)
    assert (await source.resolve(url, "main")).sha == new
    assert source.tree(url, new).entry("f49") is not None


async def test_a_first_fetch_that_fails_leaves_nothing(sources: Sources, server: GitHttp, url: str, repo: Repo) -> None:
    repo.commit({f"f{i}": os.urandom(3000) for i in range(50)})
    server.cut_packs = True
    source = sources.open()
    with pytest.raises(RepositoryUnreachable):
        await source.resolve(url, "main")
    assert list((sources.root / "repositories").iterdir()) == []


async def test_a_hanging_repository_holds_up_nobody(sources: Sources, server: GitHttp, repo: Repo, url: str) -> None:
    """Twenty repositories of one silent server, and one on another: only the twenty wait."""
    source = sources.open(SourcePolicy(file_prefixes=(repo.bare.parent,), poll_seconds=20, poll_slots=4))
    await source.refresh(repo.url)
    server.silent = True
    stuck = [asyncio.create_task(source.refresh(f"{server.url}/r{i}.git")) for i in range(20)]
    await until(lambda: server.seen)
    started = time.monotonic()
    for _ in range(5):
        await source.refresh(repo.url)
    assert time.monotonic() - started < 3
    assert not any(task.done() for task in stuck)
    await source.close()
    await asyncio.gather(*stuck, return_exceptions=True)


async def test_a_new_repository_is_not_behind_a_host_that_hangs(sources: Sources, server: GitHttp, repo: Repo) -> None:
    source = sources.open(SourcePolicy(file_prefixes=(repo.bare.parent,), poll_slots=4, host_slots=2))
    server.silent = True
    stuck = [asyncio.create_task(source.refresh(f"{server.url}/r{i}.git")) for i in range(20)]
    await until(lambda: len(server.seen) >= 2)
    async with asyncio.timeout(10):
        assert (await source.resolve(repo.url, "main")).sha
    await source.close()
    await asyncio.gather(*stuck, return_exceptions=True)


async def test_a_killed_git_is_made_good(source: GitSource, server: GitHttp, url: str, repo: Repo) -> None:
    """The hub's own fetch is killed in the middle of a pack, as when the machine runs out of memory."""
    await source.resolve(url, "main")
    new = repo.commit({f"f{i}": os.urandom(3000) for i in range(50)})
    server.stall_packs = True
    refresh = asyncio.create_task(source.refresh(url))
    leftovers = await until(lambda: list(_mirror(source, url).glob("objects/**/tmp_*")))
    for pid in await _processes_of(source):
        os.kill(pid, 9)
    with pytest.raises(SourceError):
        await refresh
    (_mirror(source, url) / "packed-refs.lock").touch()
    (_mirror(source, url) / "refs/heads/main.lock").touch()
    server.stall_packs = False
    await source.refresh(url)
    assert (await source.resolve(url, "main")).sha == new
    assert not any(path.exists() for path in leftovers)


async def test_closing_ends_what_is_under_way(source: GitSource, server: GitHttp, url: str) -> None:
    server.silent = True
    refresh = asyncio.create_task(source.refresh(url))
    await until(lambda: server.seen)
    await source.close()
    with pytest.raises(asyncio.CancelledError):
        await refresh
    assert await _processes_of(source) == []


async def test_a_commit_the_server_will_not_give(source: GitSource, url: str) -> None:
    with pytest.raises(RevisionNotFound, match="force-pushed"):
        await source.resolve(url, "1" * 40)


async def test_nothing_of_the_operators_own_configuration_is_used(
    repo: Repo, sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(f'[url "file:///nowhere/"]\n\tinsteadOf = file://{repo.bare.parent}/\n')
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / ".gitconfig"))
    assert (await sources.open().refresh(repo.url)).head


async def test_hooks_and_helpers_of_a_repository_do_not_run(repo: Repo, source: GitSource, tmp_path: Path) -> None:
    await source.resolve(repo.url, "main")
    hook = _mirror(source, repo.url) / "hooks/reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    repo.commit({"x": "1"})
    await source.refresh(repo.url)
    assert not (tmp_path / "ran").exists()


def _mirror(source: GitSource, url: str) -> Path:
    return source.tree(url, "0" * 40)._mirror


async def _processes_of(source: GitSource) -> list[int]:
    """Return the processes that run in the source's directories."""
    root = str(source._directory)

    def find() -> list[int]:
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                where = os.readlink(path / "cwd")
            except OSError:
                continue
            if where.startswith(root):
                found.append(int(path.name))
        return found

    return await asyncio.to_thread(find)


@pytest.fixture(autouse=True)
async def nothing_left_running(source: GitSource) -> AsyncIterator[None]:
    yield
    assert await _processes_of(source) == []
