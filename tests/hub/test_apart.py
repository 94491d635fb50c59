"""The roles as processes of their own on one PostgreSQL, as docs/install.md says: agents join, commits arrive."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.faults.waiting import answered
from tests.fleet.kit import Repository, application
from tests.hub.program import Program, run, running
from tests.lives import environment
from tests.syncer.harness import config_map

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


class Apart:
    """One API, two gateways, two controllers."""

    def __init__(self, root: Path, url: str, stack: ExitStack) -> None:
        self.root = root
        self._stack = stack
        env = {
            "ESCADRE_DATABASE_URL": url.replace("postgresql:", "postgresql+psycopg:"),
            "ESCADRE_SECRET_KEY_FILE": str(root / "shared.key"),
            "ESCADRE_ALLOW_FILE_REPOSITORIES": str(root),
            "ESCADRE_LOG_LEVEL": "debug",
        }
        roles = {"api": "api", "g1": "gateway", "g2": "gateway", "c1": "controller", "c2": "controller"}
        self.programs = {
            name: Program(root / name / "data", "--roles", role, env=env, name=name) for name, role in roles.items()
        }
        api, gateway = self.programs["api"], self.programs["g1"]
        api._env = {**env, "ESCADRE_AGENT_ADDRESS": f"localhost:{gateway.agent_port}"}

    def start(self) -> None:
        for name, program in self.programs.items():
            program.data_dir.parent.mkdir()
            self._stack.enter_context(running(program))
            if name == "api":
                program.wait_ready()
        for name in ("g1", "g2"):
            self.programs[name].wait_for("agents connect to port")

    def __getitem__(self, name: str) -> Program:
        return self.programs[name]


@pytest.fixture
def apart(tmp_path: Path, postgres_url: str) -> Iterator[Apart]:
    with ExitStack() as stack:
        apart = Apart(tmp_path, postgres_url, stack)
        apart.start()
        yield apart


async def agent(apart: Apart, token: str, name: str, gateway: str) -> asyncio.subprocess.Process:
    """Join a cluster as a person would, with a simulated cluster behind it, dialling one of the gateways."""
    api = apart["api"]
    joining = api.post("/api/v1/clusters", {"name": name}, token)
    token_file = apart.root / f"{name}.token"
    token_file.write_text(joining["token"])
    words = ["-m", "agent", "run", "--hub", f"localhost:{api.port}", "--ca-pin", joining["ca_pin"], "--simulate"]
    words += ["--token-file", str(token_file), "--data-dir", str(apart.root / name)]
    words += ["--gateway", f"localhost:{apart[gateway].agent_port}"]
    with (apart.root / f"{name}.log").open("wb") as log:
        return await asyncio.create_subprocess_exec(sys.executable, *words, env=environment(), stdout=log, stderr=log)


async def ask(apart: Apart, path: str, token: str) -> Any:
    return json.loads(await asyncio.to_thread(apart["api"].get, path, token))


async def synced(apart: Apart, token: str, revision: str) -> bool:
    found = await ask(apart, "/api/v1/applications/web", token)
    rows = found["clusters"]
    return len(rows) == 2 and all(
        row["sync"] == "Synced"
        and row["synced_revision"]
        and revision.startswith(row["synced_revision"])
        and row["liveness"] == "Connected"
        for row in rows
    )


async def test_the_roles_as_processes_serve_one_fleet(apart: Apart, repository: Repository) -> None:
    repository.write("web/all.yaml", config_map("settings", {"k": "1"}))
    first = repository.commit()
    token = await asyncio.to_thread(apart["api"].log_in)
    agents = [await agent(apart, token, "paris", "g1"), await agent(apart, token, "oslo", "g2")]
    try:
        manifest = application("web", repository.url, "web")
        reply = await asyncio.to_thread(apart["api"].post, "/api/v1/objects/apply", manifest, token)
        assert reply["results"][0]["action"] == "created"
        await answered(lambda: synced(apart, token, first), "both clusters at the first commit", timeout=60)
        assert await ask(apart, "/api/v1/applications/web/diff?cluster=oslo", token)

        # The leading controller dies without a word; the other takes the lease when it is over.
        leader = next(n for n in ("c1", "c2") if _leads(apart[n]))
        apart[leader].kill()
        repository.write("web/all.yaml", config_map("settings", {"k": "2"}))
        second = repository.commit()
        await asyncio.to_thread(apart["api"].post, "/api/v1/applications/web/refresh", {}, token)
        await answered(lambda: synced(apart, token, second), "both clusters at the second commit", timeout=60)

        codes = {n: p.terminate()[0] for n, p in apart.programs.items() if n != leader}
        assert set(codes.values()) == {0}, codes
    finally:
        for each in agents:
            each.terminate()
            await each.wait()
    for program in apart.programs.values():
        assert "Traceback" not in program.text(), program.text()


def _leads(controller: Program) -> bool:
    """Whether it has fetched anything: only the one that holds the lease does."""
    mirrors = controller.data_dir / "repositories"
    return mirrors.is_dir() and any(mirrors.iterdir())


def test_a_replica_with_a_key_of_its_own_is_told_which_file_is_wrong(tmp_path: Path, postgres_url: str) -> None:
    env = {"ESCADRE_DATABASE_URL": postgres_url.replace("postgresql:", "postgresql+psycopg:")}
    first = Program(tmp_path / "first" / "data", "--roles", "gateway", env=env)
    first.data_dir.parent.mkdir()
    with running(first):
        first.wait_for("agents connect to port")
        second = Program(tmp_path / "second" / "data", "--roles", "controller")
        done = run("serve", *second.flags, env=env)
    assert done.returncode == 1
    assert f"the key file {second.data_dir / 'secret.key'} holds key" in done.stderr
    assert "put the right key file back" in done.stderr and "Traceback" not in done.stderr
