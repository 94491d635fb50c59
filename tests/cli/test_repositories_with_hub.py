"""A private repository, from `escadre repo add` to the cluster: a real hub, real Git over TLS, real credentials."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_with_hub import Shell, fleet, shell, write
from tests.fleet.kit import Fleet, Repository, application
from tests.source.servers import GitHttp, serve_http
from tests.source.tls import Authority
from tests.syncer.harness import config_map

__all__ = ["fleet", "shell"]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "git" / "shop")
    repository.write("web/all.yaml", config_map("settings", {"k": "1"}))
    repository.commit()
    return repository


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def server(repository: Repository, authority: Authority) -> Iterator[GitHttp]:
    with serve_http(repository.path.parent, authority.server()) as server:
        server.credentials = "bot:one"
        yield server


async def state(shell: Shell, name: str) -> str:
    """Return an application's sync status and what is wrong with it."""
    return await shell.good("app", "get", name)


async def test_from_registering_to_reading(
    fleet: Fleet, shell: Shell, server: GitHttp, authority: Authority, tmp_path: Path
) -> None:
    await fleet.add_cluster("one", {"region": "eu"})
    url = f"{server.url}/shop"
    file = write(tmp_path / "web.yaml", application("web", url, "web", syncPolicy={}))
    await shell.good("apply", "-f", file)
    async with asyncio.timeout(30):
        while "cert add-tls" not in await state(shell, "web"):
            await asyncio.sleep(0.1)

    ca = tmp_path / "ca.pem"
    ca.write_text(authority.pem)
    await shell.good("cert", "add-tls", "127.0.0.1", "--from", str(ca))
    # Whoever waits for it need not: it is asked again at once.
    async with asyncio.timeout(30):
        while "refuses the hub's credentials" not in await state(shell, "web"):
            await asyncio.sleep(0.1)

    refused = await shell("repo", "add", url, "--username", "bot", "--password-stdin", input="wrong\n")
    assert refused.code == 2
    assert "refuses the hub's credentials" in refused.err
    assert "No repositories" in (await shell("repo", "list")).err
    await shell.good("repo", "add", url, "--username", "bot", "--password-stdin", input="one\n")
    async with asyncio.timeout(30):
        while "refuses" in (out := await state(shell, "web")) or "add-tls" in out:
            await asyncio.sleep(0.1)
    assert "OutOfSync" in out or "Unknown" in out

    # Renewed credentials make no second copy, and are used at once.
    server.credentials = "bot:two"
    failed = await shell("repo", "test", url)
    assert failed.code == 2
    await shell.good("repo", "add", url, "--username", "bot", "--password-stdin", "--upsert", input="two\n")
    assert "can be read" in await shell.good("repo", "test", url)
    mirrors = [p for p in (fleet.settings.data_dir / "repositories").glob("*.git") if p.is_symlink()]
    assert len(mirrors) == 1
    items = json.loads(await shell.good("repo", "list", "-o", "json"))["items"]
    assert (items[0]["has_password"], "two" in json.dumps(items)) == (True, False)
    events = await shell.good("events")
    assert "RepositoryRegistered" in events and "RepositoryChanged" in events
