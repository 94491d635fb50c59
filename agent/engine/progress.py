"""How an operation goes on: from its plan, what became of each task so far, and the health of what it put there.

Pure, and a function of the state alone: an agent that was killed at any point asks again, and goes on.

- Waves follow one another. The next begins when all of a wave is applied and healthy, and its hooks have ended well.
- An operation of a single wave, and the last wave of any that has no hooks, waits for no health, and does not fail by
  it: what becomes of the objects is told by the health of the application. Hooks are always waited for.
- One failure ends the operation: at once where something was refused and nothing but health is waited for, else once
  nothing of that wave is under way any more; then the SyncFail hooks run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from agent.engine.health import Health, HealthStatus
from agent.engine.operation import Phase, Result, ResultStatus
from agent.engine.reconcile import Action
from agent.engine.tasks import Task, TaskId, Wave
from agent.engine.traits import TIME_LIMIT

HOOK_SECONDS: Final = 24 * 3600.0
HEALTH_SECONDS: Final = 3600.0
GONE_SECONDS: Final = 900.0
"""How long an operation waits for a hook to end, for an object to be healthy, and for a pruned one to be gone. An
object may set a limit of its own (`escadre.io/time-limit`)."""


@dataclass(frozen=True, slots=True)
class Carry:
    """These are to be done now."""

    wave: Wave
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is to be done until these are healthy, have ended or, pruned, are gone."""

    wave: Wave
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """These have failed, and the operation with them."""

    wave: Wave
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """Everything has ended well."""


Move = Carry | Wait | Failed | Done
Book = Mapping[TaskId, Result]


def next_move(waves: tuple[Wave, ...], book: Book, *, to_the_end: bool = False) -> Move:
    """Say what is next. A task that is not in the book was not begun. `to_the_end` waits for what was begun even where
    nothing comes after it."""
    multi_step = len(waves) > 1
    for wave in waves:
        last = wave is waves[-1] and not wave.has_hooks
        waits = to_the_end or (multi_step and not last)
        if any(task.id not in book for task in wave.tasks):
            return _in_the_middle(wave, book)
        begun = [t for t in ((*wave.tasks, *wave.unchanged) if waits else wave.tasks) if t.id in book]
        # Health that nobody waits for is nothing to fail by: the application tells of it.
        awaited = tuple(t for t in begun if (waits or t.hook) and book[t.id].state is Phase.RUNNING)
        if awaited:
            return Wait(wave, awaited)
        failed = tuple(t for t in begun if _was_refused(book[t.id]) or ((waits or t.hook) and _went_bad(book[t.id])))
        if failed:
            return Failed(wave, failed)
    return Done()


def _in_the_middle(wave: Wave, book: Book) -> Move:
    """Say what is next in a wave that is not carried out yet. What is ill now may be so for want of what this wave is
    still to bring: only what was refused, and hooks, count."""
    begun = [task for task in wave.tasks if task.id in book]
    failed = tuple(t for t in begun if _was_refused(book[t.id]) or (t.hook and _went_bad(book[t.id])))
    if not failed:
        return Carry(wave, tuple(task for task in wave.tasks if task.id not in book))
    running = tuple(task for task in begun if task.hook and book[task.id].state is Phase.RUNNING)
    return Wait(wave, running) if running else Failed(wave, failed)


def _was_refused(result: Result) -> bool:
    return result.status is ResultStatus.SYNC_FAILED


def _went_bad(result: Result) -> bool:
    return result.state in (Phase.FAILED, Phase.ERROR)


def outcome(health: Health | None, *, hook: bool) -> tuple[Phase, str]:
    """Say what the health of an object makes of its task: whether it is over, and how.

    An object of a kind that has no health is fine as soon as it is there. A hook whose health is Unknown has failed:
    nobody would ever say more of it.
    """
    if health is None or health.status is HealthStatus.HEALTHY:
        return Phase.SUCCEEDED, health.message if health is not None else ""
    if health.status is HealthStatus.DEGRADED or (hook and health.status is HealthStatus.UNKNOWN):
        return Phase.FAILED, health.message
    return Phase.RUNNING, health.message


def first_look(health: Health | None, *, waits: bool) -> Phase:
    """Say what becomes of the task of an object that was just applied, or was found as assigned before its wave's turn.

    Its health may be of before: its controller may not have seen the change, or what else its wave brings. So nothing
    bad is believed yet, and with `waits`, where it is looked at again, nothing good.
    """
    healthy = health is not None and health.status is HealthStatus.HEALTHY
    return Phase.SUCCEEDED if health is None or (healthy and not waits) else Phase.RUNNING


def overdue(task: Task, seconds: float, absent: float = 0.0) -> str:
    """Say that something was waited for long enough; "" while it was not.

    `seconds` is how long an agent has waited for it, `absent` how long none was there to wait, as far as clocks tell:
    by that alone nothing is late, for somebody may have set them.
    """
    source = task.pair.target or task.pair.live
    limit = source.traits.time_limit if source is not None else None
    if task.hook:
        limit, what = HOOK_SECONDS if limit is None else limit, "it has not ended"
    elif task.pair.action is Action.PRUNE:
        limit, what = GONE_SECONDS if limit is None else limit, "it has not gone away"
    else:
        limit, what = HEALTH_SECONDS if limit is None else limit, "it has not become healthy"
    if seconds + min(absent, limit / 2) < limit:
        return ""
    return f"{what} in {_duration(limit)}, which is the limit ({TIME_LIMIT})"


def _duration(seconds: float) -> str:
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
