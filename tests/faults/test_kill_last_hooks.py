"""An agent that is killed at any point of a deletion, or of a sync that fails, with hooks for that: each of them runs
once, only what is to be deleted is, and stays so, and the end is told once.

Real processes, each killed by SIGKILL, and started again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import partial

import pytest

from tests.faults.killing import Point, Stage
from tests.faults.staging import staged
from tests.faults.subject import Subject
from tests.fleet.kit import Repository, application
from tests.syncer.harness import config_map
from tests.syncer.hooks import hook, job, wave

HOOKS = "agent.syncer.hooks:Hooks."
LEDGER = "agent.syncer.ledger:Ledger."
PRUNER = "agent.syncer.pruning:Pruner."
LOOP = "agent.syncer.application:ApplicationLoop."
STORAGE = "agent.storage:Storage."
WRITTEN = "agent.storage:_Transaction.__exit__"
"""Where anything is put on disk."""
before, after = partial(Point, "before"), partial(Point, "after")


def each_write(count: int) -> list[Point]:
    """With every write, those within another one included, which go with the process. What is done between two of them
    is among the other points."""
    return [after(WRITTEN, nth=n) for n in range(1, count + 1)]


RUNNING = [
    after(HOOKS + "make"),
    after(HOOKS + "make", nth=2),
    before(HOOKS + "clean"),
    before(LEDGER + "end"),
    after(LEDGER + "end", nth=2),
    before(HOOKS + "_remove"),
    after(HOOKS + "_remove"),
]
ENDING = [
    *each_write(28),
    *RUNNING,
    after(HOOKS + "make", nth=3),
    after(HOOKS + "make", nth=4),
    *(make(PRUNER + "_delete", nth=n) for n in (1, 4, 6) for make in (before, after)),
    before(LOOP + "_end"),
    after(LOOP + "_run"),
    before(STORAGE + "bury"),
    after(STORAGE + "bury"),
]
FAILING = [
    *each_write(18),
    *RUNNING,
    before(LEDGER + "failing"),
    after(LEDGER + "failing"),
    before(LOOP + "_end"),
    after(LOOP + "_run"),
    before("agent.hubclient.link:_report"),
    before(STORAGE + "mark_operations_reported"),
]


class Ending(Subject):
    """With hooks before and after its deletion."""

    @property
    def hooks(self) -> list[str]:
        return [f"{self.name}-hook-{phase}" for phase in ("first", "before", "after", "end")]

    @property
    def staying(self) -> str:
        """The hook whose object nobody asks to be deleted once all is over."""
        return self.hooks[2]

    @property
    def everything(self) -> list[str]:
        """What is to be deleted with it."""
        return [*self.kept, self.fleeting, *(name for name in self.hooks if name != self.staying)]

    def write(self) -> str:
        """Write all that it is to have. Who opens many commits them together."""
        self.round += 1
        first, then, last, end = self.hooks
        kept = [wave(config_map(name, self.data), n // 2) for n, name in enumerate(self.kept)]
        hooks = [
            wave(hook(config_map(first, self.data), "PreDelete", "HookSucceeded"), -1),
            hook(job(then), "PreDelete"),
            wave(hook(config_map(last, self.data), "PostDelete"), -1),
            hook(job(end), "PostDelete", "HookSucceeded"),
        ]
        self.repository.write(f"{self.name}/all.yaml", *kept, config_map(self.fleeting, self.data), *hooks)
        return ""

    def check_gone(self) -> None:
        """Each of its hooks ran once, what is gone was deleted once, all in its order, and each end was told once."""
        stage, witness = self.stage, self.stage.cluster.witness
        stage.wait(lambda: stage.desk.is_gone(f"applications/{self.name}"), f"{self.name} to be gone")
        assert witness.uids(self.everything) == {} and witness.data(self.staying) == self.data
        deeds = [deed for deed in witness.deeds if deed[1:].startswith(f"{self.name}-")]
        done = deeds[len(self.kept) + 1 :]
        assert Counter(done) == Counter([*(f"+{n}" for n in self.hooks), *(f"-{n}" for n in self.everything)])
        made = [done.index(f"+{name}") for name in self.hooks]
        plain = [done.index(f"-{name}") for name in (*self.kept, self.fleeting)]
        assert made == sorted(made) and made[1] < min(plain) and max(plain) < made[2]
        with stage.agent.disk() as db:
            query = "SELECT count(*) FROM operations WHERE application = ? AND finished = 1"
            (ended,) = db.execute(query, (f"argocd/{self.name}",)).fetchone()
        assert told(stage, self.name) == ended


def told(stage: Stage, name: str, phase: str = "[A-Za-z]+") -> float:
    """Return how many operations of an application the hub has heard the end of."""
    line = rf'^escadre_app_sync_total{{.*name="{name}".*phase="{phase}".*}} (\S+)$'
    return sum(float(count) for count in re.findall(line, stage.hub.get("/metrics"), re.MULTILINE))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("kill-last-hooks"), [], [*ENDING, *FAILING]) as stage:
        yield stage


@pytest.fixture(scope="module")
def repository(stage: Stage) -> Repository:
    return Repository(stage.root / "repository")


@pytest.fixture(scope="module")
def endings(stage: Stage, repository: Repository) -> dict[Point, Ending]:
    """An application for each point. They come all at once, which costs little."""
    found = {point: Ending(stage, repository, f"ending-{n}") for n, point in enumerate(ENDING)}
    for ending in found.values():
        ending.write()
    repository.commit()
    for ending in found.values():
        ending.create()
    for ending in found.values():
        stage.wait(ending._settled, f"{ending.name} to be Synced and Healthy")
    return found


@pytest.mark.parametrize("point", ENDING, ids=str)
def test_every_hook_of_a_deletion_runs_once_though_the_agent_is_killed(
    stage: Stage, endings: dict[Point, Ending], point: Point
) -> None:
    stage.up()
    ending = endings[point]
    stage.die(stage.agent, point, ending.delete)
    ending.check_gone()
    stage.check_disks()


class Failing(Subject):
    """From its second commit on a hook fails in the second of three waves."""

    @property
    def bad(self) -> str:
        return f"{self.name}-hook-bad"

    @property
    def sorry(self) -> list[str]:
        return [f"{self.name}-hook-{which}" for which in ("sorry", "over")]

    def create(self) -> None:
        policy = {"automated": {"prune": True, "selfHeal": True}, "retry": {"limit": 0}}
        self.stage.desk.post("objects/apply", application(self.name, self.repository.url, self.name, syncPolicy=policy))

    def write(self) -> str:
        self.round += 1
        early, late = self.kept[:2], self.kept[2:]
        objects = [config_map(name, self.data) for name in early] + [wave(config_map(n, self.data), 2) for n in late]
        if self.round == 1:
            objects.append(wave(config_map(self.fleeting, self.data), 2))
        else:
            sorry, over = self.sorry
            objects += [
                wave(hook(job(self.bad, fails=True), "Sync", "HookFailed"), 1),
                hook(config_map(sorry, self.data), "SyncFail", "HookSucceeded"),
                wave(hook(job(over), "SyncFail"), 1),
            ]
        self.repository.write(f"{self.name}/all.yaml", *objects)
        return self.repository.commit(f"{self.name} {self.round}")

    def check_failed(self, revision: str, since: int) -> None:
        """The sync to a revision, begun after so many deeds, has failed where it must: each hook of it ran once, and
        nothing was pruned."""
        self.stage.wait(lambda: self._ended(revision), f"{self.name} to have failed at {revision}")
        operation = self.state["operation"]
        assert f"Sync hook Job.batch/default/{self.bad}: " in operation["message"]
        hooks = {r["name"]: (r["sync_phase"], r["state"]) for r in operation["results"] if r["hook"]}
        assert hooks == {self.bad: ("Sync", "Failed"), **dict.fromkeys(self.sorry, ("SyncFail", "Succeeded"))}
        once = [*(f"+{name}" for name in (self.bad, *self.sorry)), f"-{self.bad}", f"-{self.sorry[0]}"]
        earlier = [f"-{self.sorry[1]}"] if self.round > 2 else []
        witness = self.stage.cluster.witness
        assert Counter(d for d in witness.deeds[since:] if d[1:] not in self.kept[:2]) == Counter(once + earlier)
        assert [witness.data(name) for name in self.kept[:2]] == [self.data] * 2
        assert [witness.data(name) for name in (*self.kept[2:], f"{self.name}-only-1")] == [{"k": "1"}] * 4
        assert witness.uids(self.kept) == self.uids
        self.stage.wait(lambda: told(self.stage, self.name, "Failed") == self.round - 1, "the end to be told")
        assert told(self.stage, self.name) == self.round

    def _ended(self, revision: str) -> bool:
        operation = self.state["operation"] or {}
        return (operation.get("phase"), operation.get("revision")) == ("Failed", revision[:7])


@pytest.fixture(scope="module")
def failing(stage: Stage, repository: Repository) -> Failing:
    stage.up()
    subject = Failing(stage, repository, "failing")
    subject.open()
    return subject


@pytest.mark.parametrize("point", FAILING, ids=str)
def test_every_hook_for_a_failure_runs_once_though_the_agent_is_killed(
    stage: Stage, failing: Failing, point: Point
) -> None:
    stage.up()
    count = len(stage.cluster.witness.deeds)
    revision = failing.write()
    stage.die(stage.agent, point, failing.refresh)
    failing.check_failed(revision, count)
    stage.check_disks()
