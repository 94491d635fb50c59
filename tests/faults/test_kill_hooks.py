"""An agent that is killed at any point of a hook's life, or between two waves: it goes on where it was. A hook runs
once for each sync, whatever becomes of the agent meanwhile, and what is kept is never deleted.

Real processes, each killed by SIGKILL, and started again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from agent.engine.resource import Object
from tests.faults.killing import Point, Stage
from tests.faults.staging import staged
from tests.faults.subject import Subject
from tests.fleet.kit import Repository
from tests.syncer.harness import config_map
from tests.syncer.hooks import hook, job, wave

HOOKS = "agent.syncer.hooks:Hooks."
LEDGER = "agent.syncer.ledger:Ledger."
RUNNER = "agent.syncer.operation:Runner."
before, after = partial(Point, "before"), partial(Point, "after")

MAKING = [
    before(HOOKS + "begin"),
    after(HOOKS + "begin"),
    before(HOOKS + "make"),
    after(HOOKS + "make"),
    before(HOOKS + "make", nth=2),
    after(HOOKS + "make", nth=2),
    before(HOOKS + "make", nth=3),
    after(HOOKS + "make", nth=3),
    before(LEDGER + "hook_made"),
    after(LEDGER + "hook_made", nth=2),
    after(LEDGER + "hook_made", nth=3),
]
WATCHING = [
    before(HOOKS + "observe"),
    after(HOOKS + "observe"),
    before(LEDGER + "end"),
    after(LEDGER + "end"),
    after(LEDGER + "end", nth=2),
]
WRITING = [make(LEDGER + "write", nth=n) for n in range(1, 9) for make in (before, after)]
CLEANING = [make(HOOKS + "clean", nth=n) for n in (1, 2, 3) for make in (before, after)]
REMOVING = [make(HOOKS + "_remove", nth=n) for n in (1, 2, 3, 4) for make in (before, after)]
BETWEEN = [before(RUNNER + "_carry", nth=n) for n in range(1, 8)]
POINTS = [*MAKING, *WATCHING, *WRITING, *CLEANING, *REMOVING, *BETWEEN]


class Hooked(Subject):
    """With hooks in three phases, and waves."""

    @property
    def hooks(self) -> list[str]:
        return [f"hook-{self.name}-{phase}" for phase in ("first", "before", "after", "end")]

    def write(self) -> str:
        if self.round:
            self.deleted.append(self.fleeting)
        self.round += 1
        kept = [wave(config_map(name, self.data), n // 2) for n, name in enumerate(self.kept)]
        self.repository.write(f"{self.name}/all.yaml", *kept, config_map(self.fleeting, self.data), *self._hooks())
        return self.repository.commit(f"{self.name} {self.round}")

    def _hooks(self) -> list[Object]:
        first, then, last, end = self.hooks
        return [
            wave(hook(config_map(first, self.data), "PreSync", "HookSucceeded"), -1),
            hook(job(then), "PreSync", "HookSucceeded", "BeforeHookCreation"),
            hook(job(last), "PostSync"),
            wave(hook(config_map(end, self.data), "PostSync", "HookSucceeded"), 1),
        ]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("kill-hooks"), [], POINTS) as stage:
        yield stage


@pytest.fixture(scope="module")
def opened(stage: Stage) -> Hooked:
    subject = Hooked(stage, Repository(stage.root / "repository"), "web")
    subject.open()
    return subject


@pytest.fixture
def web(stage: Stage, opened: Hooked) -> Hooked:
    stage.up()
    return opened


def by_name(point: Any) -> str:
    return str(point)


@pytest.mark.parametrize("point", POINTS, ids=by_name)
def test_every_hook_runs_once_though_the_agent_is_killed(stage: Stage, web: Hooked, point: Point) -> None:
    witness = stage.cluster.witness
    applied, deleted = len(witness.applied), len(witness.deleted)
    web.deploys(web.write())
    stage.die(stage.agent, point, web.refresh)
    web.check()
    ran = Counter(name for name, _ in witness.applied[applied:] if name in web.hooks)
    assert ran == dict.fromkeys(web.hooks, 1)
    # The Job of the round before, and those that go as they have ended well.
    went = Counter(name for name in witness.deleted[deleted:] if name in web.hooks)
    assert went == dict.fromkeys(web.hooks, 1)
    stage.check_disks()
