"""How an operation goes on: wave after wave, to its end or a failure, whatever happens and wherever it is cut off."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.engine.health import Health, HealthStatus
from agent.engine.operation import Phase, Result, ResultStatus
from agent.engine.progress import Carry, Done, Failed, Move, Wait, first_look, next_move, outcome, overdue
from agent.engine.tasks import Plan, Task, TaskId, Wave
from agent.engine.traits import Traits
from tests.engine.plans import FAIL, POST, PRE, SYNC, World, hook, live, plan_of, target, worlds

OK, RUNNING, BAD, REFUSED = "ok", "running", "bad", "refused"
_RESULTS = {
    OK: (ResultStatus.SYNCED, Phase.SUCCEEDED),
    RUNNING: (ResultStatus.SYNCED, Phase.RUNNING),
    BAD: (ResultStatus.SYNCED, Phase.FAILED),
    REFUSED: (ResultStatus.SYNC_FAILED, Phase.FAILED),
}


def result(task: Task, what: str) -> Result:
    status, state = _RESULTS[what]
    return Result(task.key, "v1", status, sync_phase=task.phase, wave=task.wave, hook=task.hook, state=state)


def book_of(plan: Plan, **outcomes: str) -> dict[TaskId, Result]:
    """Return a book: what became of objects by name, "job_PreSync" for one phase of a hook."""
    tasks = [t for wave in (*plan.waves, *plan.on_failure) for t in (*wave.tasks, *wave.unchanged)]
    named = {t.key.name: t for t in tasks} | {f"{t.key.name}_{t.phase}": t for t in tasks}
    return {named[name].id: result(named[name], what) for name, what in outcomes.items()}


def said(move: Move) -> str:
    if isinstance(move, Done):
        return "Done"
    names = " ".join(sorted(task.key.name for task in move.tasks))
    return f"{type(move).__name__} {move.wave.phase} {move.wave.number}: {names}"


ONE_WAVE = plan_of(target("Secret/n/a"), target("Deployment/n/b"))
WITH_HOOK = plan_of(target("Secret/n/a"), hook("Job/n/job", SYNC))
TWO_WAVES = plan_of(target("Secret/n/a"), target("Secret/n/b", 1))
THREE = plan_of(hook("Job/n/job", PRE), target("Secret/n/a"), target("Secret/n/b"), hook("Job/n/test", POST))
KEPT = plan_of(
    target("Secret/n/same"),
    target("Secret/n/a"),
    target("Secret/n/b", 1),
    there=[live("Secret/n/same")],
    judged=["Secret/n/same"],
)


@pytest.mark.parametrize(
    ("plan", "outcomes", "expected"),
    [
        # A single wave without hooks: the operation ends after the apply, and health is not its business.
        (ONE_WAVE, {}, "Carry Sync 0: a b"),
        (ONE_WAVE, {"a": OK}, "Carry Sync 0: b"),
        (ONE_WAVE, {"a": OK, "b": RUNNING}, "Done"),
        (ONE_WAVE, {"a": OK, "b": BAD}, "Done"),
        (ONE_WAVE, {"a": OK, "b": REFUSED}, "Failed Sync 0: b"),
        (ONE_WAVE, {"a": REFUSED}, "Failed Sync 0: a"),
        # A single wave with hooks: they are waited for, and nothing else.
        (WITH_HOOK, {"a": RUNNING, "job": RUNNING}, "Wait Sync 0: job"),
        (WITH_HOOK, {"a": RUNNING, "job": OK}, "Done"),
        (WITH_HOOK, {"a": BAD, "job": OK}, "Done"),
        (WITH_HOOK, {"a": OK, "job": BAD}, "Failed Sync 0: job"),
        # More waves: all of one is healthy before the next begins, and the last one is not waited for.
        (TWO_WAVES, {"a": RUNNING}, "Wait Sync 0: a"),
        (TWO_WAVES, {"a": BAD}, "Failed Sync 0: a"),
        (TWO_WAVES, {"a": OK}, "Carry Sync 1: b"),
        (TWO_WAVES, {"a": OK, "b": RUNNING}, "Done"),
        (TWO_WAVES, {"a": OK, "b": BAD}, "Done"),
        # Hooks around it: the last wave has one, and what stands beside it counts.
        (THREE, {}, "Carry PreSync 0: job"),
        (THREE, {"job": RUNNING}, "Wait PreSync 0: job"),
        (THREE, {"job": BAD}, "Failed PreSync 0: job"),
        (THREE, {"job": OK, "a": BAD}, "Carry Sync 0: b"),
        (THREE, {"job": OK, "a": OK, "b": RUNNING}, "Wait Sync 0: b"),
        (THREE, {"job": OK, "a": BAD, "b": RUNNING}, "Wait Sync 0: b"),
        (THREE, {"job": OK, "a": BAD, "b": OK}, "Failed Sync 0: a"),
        (THREE, {"job": OK, "a": OK, "b": OK, "test": RUNNING}, "Wait PostSync 0: test"),
        (THREE, {"job": OK, "a": OK, "b": OK, "test": OK}, "Done"),
        # What is as assigned already counts as well, but keeps nobody from bringing what it may be ill for want of.
        (KEPT, {"same": BAD}, "Carry Sync 0: a"),
        (KEPT, {"same": RUNNING}, "Carry Sync 0: a"),
        (KEPT, {"same": RUNNING, "a": OK}, "Wait Sync 0: same"),
        (KEPT, {"same": BAD, "a": OK}, "Failed Sync 0: same"),
        (KEPT, {"same": OK, "a": OK}, "Carry Sync 1: b"),
        (TWO_WAVES, {"b": BAD}, "Carry Sync 0: a"),
    ],
)
def test_moves(plan: Plan, outcomes: dict[str, str], expected: str) -> None:
    assert said(next_move(plan.waves, book_of(plan, **outcomes))) == expected


def test_hooks_that_run_are_waited_for_when_something_beside_them_was_refused() -> None:
    plan = plan_of(hook("Namespace/job", SYNC), target("Secret/n/a"), target("Deployment/n/b"))
    assert said(next_move(plan.waves, book_of(plan, job=RUNNING, a=REFUSED))) == "Wait Sync 0: job"
    assert said(next_move(plan.waves, book_of(plan, job=OK, a=REFUSED))) == "Failed Sync 0: a"
    assert said(next_move(plan.waves, book_of(plan, job=BAD, a=OK))) == "Failed Sync 0: job"


def test_the_end_of_an_application_is_waited_for() -> None:
    plan = plan_of(there=[live("Secret/n/a"), live("Secret/n/b")], ends=True)
    assert said(next_move(plan.waves, book_of(plan, a=RUNNING, b=RUNNING), to_the_end=True)) == "Wait Sync 0: a b"
    assert said(next_move(plan.waves, book_of(plan, a=OK, b=BAD), to_the_end=True)) == "Failed Sync 0: b"
    assert said(next_move(plan.waves, book_of(plan, a=OK, b=OK), to_the_end=True)) == "Done"


def test_hooks_for_a_failure_go_wave_by_wave_too() -> None:
    plan = plan_of(hook("Job/n/a", FAIL), hook("Job/n/b", FAIL, wave=1), target("Secret/n/s"))
    assert said(next_move(plan.waves, {})) == "Carry Sync 0: s"
    assert said(next_move(plan.on_failure, {})) == "Carry SyncFail 0: a"
    assert said(next_move(plan.on_failure, book_of(plan, a=OK))) == "Carry SyncFail 1: b"


def test_nothing_to_do_is_done() -> None:
    assert next_move((), {}) == Done()
    same = plan_of(target("Secret/n/a"), there=[live("Secret/n/a")], judged=["Secret/n/a"])
    assert next_move(same.waves, {}) == Done()


# --- whatever happens


class Run:
    """An operation, carried out as `agent.syncer` does, with outcomes that are drawn."""

    def __init__(self, plan: Plan, data: st.DataObject, *, to_the_end: bool) -> None:
        self.plan, self.data, self.to_the_end = plan, data, to_the_end
        self.waves = plan.waves
        self.book: dict[TaskId, Result] = {}
        self.begun: list[Task] = []
        self.failed: Failed | None = None

    def move(self) -> Move:
        move = next_move(self.waves, self.book, to_the_end=self.to_the_end)
        assert next_move(self.waves, dict(self.book), to_the_end=self.to_the_end) == move
        return move

    def settle_unchanged(self) -> None:
        for wave in self.plan.waves if self.plan.multi_step else ():
            for task in wave.unchanged:
                self.book[task.id] = result(task, self.data.draw(st.sampled_from([OK, RUNNING, BAD])))

    def to_its_end(self) -> Move:
        self.settle_unchanged()
        bound = 4 * (self.plan.total + len(self.plan.on_failure)) + 20 + sum(len(w.tasks) for w in self.plan.on_failure)
        for _ in range(bound):
            move = self.move()
            self.check(move)
            if isinstance(move, Carry):
                self.carry(move)
            elif isinstance(move, Wait):
                self.wait(move)
            elif isinstance(move, Failed) and self.failed is None and self.plan.on_failure:
                self.failed, self.waves = move, self.plan.on_failure
            else:
                return move
        raise AssertionError("it comes to no end")

    def carry(self, move: Carry) -> None:
        wanted = {task.id for task in move.tasks}
        for step in (*move.wave.applies, *move.wave.prunes):
            for task in (t for t in step if t.id in wanted):
                what = self.data.draw(st.sampled_from([OK, OK, RUNNING, RUNNING, BAD, REFUSED]))
                self.book[task.id] = result(task, what)
                self.begun.append(task)
            if any(self.book[t.id].status is ResultStatus.SYNC_FAILED for t in step if t.id in self.book):
                return

    def wait(self, move: Wait) -> None:
        ended = self.data.draw(st.lists(st.sampled_from(move.tasks), min_size=1, unique_by=lambda task: task.id))
        for task in ended:
            self.book[task.id] = result(task, self.data.draw(st.sampled_from([OK, OK, BAD])))

    def check(self, move: Move) -> None:
        """What holds of every move."""
        assert len(self.begun) == len({task.id for task in self.begun}), "nothing is begun twice"
        if isinstance(move, Done):
            assert all(t.id in self.book for wave in self.waves for t in wave.tasks)
            assert not any(t.hook and self.state(t) is not Phase.SUCCEEDED for wave in self.waves for t in wave.tasks)
            return
        assert move.tasks and move.wave in self.waves
        at = self.waves.index(move.wave)
        assert not any(task.id in self.book for wave in self.waves[at + 1 :] for task in wave.tasks)
        for wave in self.waves[:at]:
            for task in (*wave.tasks, *wave.unchanged):
                assert self.state(task) is Phase.SUCCEEDED, (
                    "nothing of a wave is begun before the one before it is well"
                )
        if isinstance(move, Wait):
            assert all(self.state(task) is Phase.RUNNING for task in move.tasks)
        elif isinstance(move, Failed):
            assert all(self.state(task) is Phase.FAILED for task in move.tasks)
            hooks = [task for task in move.wave.tasks if task.hook and task.id in self.book]
            assert not any(self.state(task) is Phase.RUNNING for task in hooks), "no hook is left running"
        else:
            assert not any(task.id in self.book for task in move.tasks)
            assert all(task.phase is not FAIL for task in move.tasks) or self.failed is not None

    def state(self, task: Task) -> Phase | None:
        found = self.book.get(task.id)
        return found.state if found is not None else None


@given(worlds(), st.data())
def test_every_run_comes_to_an_end(world: World, data: st.DataObject) -> None:
    plan = world.plan()
    run = Run(plan, data, to_the_end=world.ends)
    end = run.to_its_end()
    refused = [t for t in run.begun if run.book[t.id].status is ResultStatus.SYNC_FAILED]
    bad_hooks = [t for t in run.begun if t.hook and run.book[t.id].state is Phase.FAILED]
    assert isinstance(end, Done | Failed)
    if refused or bad_hooks:
        assert isinstance(end, Failed) or run.failed is not None
    elif not plan.multi_step and not world.ends:
        assert isinstance(end, Done), "health alone fails no operation of a single wave"
    if run.failed is None:
        assert not [task for task in run.begun if task.phase is FAIL]
    if isinstance(end, Done) and run.failed is None:
        assert {task.id for task in run.begun} == {task.id for task in plan.tasks}


@given(worlds(), st.data())
def test_a_killed_agent_goes_on_where_it_was(world: World, data: st.DataObject) -> None:
    """Of what was done only hooks are remembered: the rest is done again. No hook is, and no wave is skipped for it."""
    plan = world.plan()
    run = Run(plan, data, to_the_end=world.ends)
    for _ in range(data.draw(st.integers(0, 6))):
        move = run.move()
        if isinstance(move, Carry):
            run.carry(move)
        elif isinstance(move, Wait):
            run.wait(move)
        else:
            break
    before, book = run.move(), {id: r for id, r in run.book.items() if r.hook}
    for _ in range(len(plan.waves) + 1):
        move = next_move(plan.waves, book, to_the_end=world.ends)
        if not isinstance(move, Carry) or not isinstance(before, Carry | Wait):
            break
        assert not [task for task in move.tasks if task.id in book]
        assert plan.waves.index(move.wave) <= plan.waves.index(before.wave)
        if move.wave == before.wave:
            break
        assert not [task for task in move.tasks if task.hook], "a hook of an earlier wave is not run again"
        book |= {task.id: result(task, OK) for task in move.tasks}


@given(worlds(), st.data())
def test_who_asks_again_gets_the_same_answer(world: World, data: st.DataObject) -> None:
    plan = world.plan()
    run = Run(plan, data, to_the_end=world.ends)
    run.to_its_end()
    rows = list(run.book.items())
    assert next_move(run.waves, dict(reversed(rows)), to_the_end=world.ends) == run.move()


# --- verdicts


@pytest.mark.parametrize(
    ("status", "of_object", "of_hook"),
    [
        (None, Phase.SUCCEEDED, Phase.SUCCEEDED),
        (HealthStatus.HEALTHY, Phase.SUCCEEDED, Phase.SUCCEEDED),
        (HealthStatus.PROGRESSING, Phase.RUNNING, Phase.RUNNING),
        (HealthStatus.SUSPENDED, Phase.RUNNING, Phase.RUNNING),
        (HealthStatus.MISSING, Phase.RUNNING, Phase.RUNNING),
        (HealthStatus.DEGRADED, Phase.FAILED, Phase.FAILED),
        (HealthStatus.UNKNOWN, Phase.RUNNING, Phase.FAILED),
    ],
)
def test_what_health_makes_of_a_task(status: HealthStatus | None, of_object: Phase, of_hook: Phase) -> None:
    health = Health(status, "why") if status is not None else None
    message = "why" if status is not None else ""
    assert outcome(health, hook=False) == (of_object, message)
    assert outcome(health, hook=True) == (of_hook, message)


@pytest.mark.parametrize("status", [None, *HealthStatus])
def test_nothing_bad_is_believed_at_the_first_look_and_nothing_good_where_there_is_another(
    status: HealthStatus | None,
) -> None:
    health = Health(status, "why") if status is not None else None
    assert first_look(health, waits=True) is (Phase.SUCCEEDED if status is None else Phase.RUNNING)
    fine = status in (None, HealthStatus.HEALTHY)
    assert first_look(health, waits=False) is (Phase.SUCCEEDED if fine else Phase.RUNNING)


def timed(task: Task, limit: float | None) -> Task:
    assert task.pair.target is not None
    target = replace(task.pair.target, traits=Traits(time_limit=limit, hook=task.pair.target.traits.hook))
    return replace(task, pair=replace(task.pair, target=target))


def only(waves: Iterable[Wave]) -> Task:
    (task,) = (task for wave in waves for task in wave.tasks)
    return task


HOOK = only(plan_of(hook("Job/n/a", PRE)).waves)
OBJECT = only(plan_of(target("Secret/n/a")).waves)
PRUNE = only(plan_of(there=[live("Secret/n/a")]).waves)


@pytest.mark.parametrize(
    ("task", "seconds", "words"),
    [
        (HOOK, 24 * 3600, ["has not ended", "24 h"]),
        (OBJECT, 3600, ["not become healthy", "1 h"]),
        (PRUNE, 900, ["not gone away", "15 min"]),
        (timed(HOOK, 90), 90, ["has not ended", "1.5 min"]),
        (timed(OBJECT, 5), 5, ["not become healthy", "5 s"]),
        (timed(OBJECT, 0), 0, ["0 s"]),
    ],
)
def test_time_limits(task: Task, seconds: int, words: list[str]) -> None:
    said = overdue(task, seconds)
    assert [word for word in (*words, "escadre.io/time-limit") if word not in said] == []
    assert seconds == 0 or overdue(task, seconds - 0.001) == ""


def test_what_nobody_was_there_to_wait_for_makes_nothing_late_alone() -> None:
    limited = timed(HOOK, 90)
    assert overdue(limited, 44, absent=10_000) == ""
    assert overdue(limited, 45, absent=10_000) != ""
    assert overdue(limited, 60, absent=29) == ""
    assert overdue(limited, 60, absent=30) != ""
