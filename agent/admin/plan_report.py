"""A plan as `escadre admin plan` prints it: for programs, and for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from agent.engine.reconcile import Action, Pair
from agent.engine.resource import ResourceKey
from agent.engine.tasks import Plan, Task, Wave


@dataclass(frozen=True, slots=True)
class Skipped:
    """What takes no part, and why."""

    key: ResourceKey
    version: str
    reason: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What would be done."""

    plan: Plan
    skipped: list[Skipped]
    created_namespace: str | None
    """The destination's, which the operation would make before anything else."""
    refusal: str
    """Why nothing is deleted; "" when nothing stands against it."""

    def as_json(self) -> dict[str, Any]:
        plan = self.plan
        return {
            "createsNamespace": self.created_namespace,
            "phases": [
                {"phase": phase, "waves": [_wave(wave) for wave in waves]}
                for phase, waves in groupby(plan.waves, key=lambda wave: wave.phase)
            ],
            "syncFail": [{"wave": t.wave, **_applied(t)} for wave in plan.on_failure for t in wave.tasks],
            "order": [
                "/".join((t.phase, str(t.wave), t.key.group, t.key.kind, t.key.namespace, t.key.name))
                for t in plan.tasks
            ],
            "skipped": [{**_named_as(s.key, s.version), "reason": s.reason} for s in self.skipped],
            "left": [{**_named_as(p.key, _version(p)), "reason": self._reason(p)} for p in plan.left],
            "multiStep": plan.multi_step,
        }

    def as_text(self) -> Iterator[str]:
        """Yield the lines of a table for people, and what there is to say below it."""
        rows = [row for wave in (*self.plan.waves, *self.plan.on_failure) for row in _rows(wave)]
        if self.created_namespace is not None:
            yield f"Namespace {self.created_namespace} is made before anything else, unless it is there."
            yield ""
        if rows:
            yield from _table([("PHASE", "WAVE", "ACTION", "OBJECT", "NOTE"), *rows])
        else:
            yield "There is nothing to do."
        for title, notes in (
            ("Passed over:", [(str(s.key), s.reason) for s in self.skipped]),
            ("Left alone:", [(str(p.key), self._reason(p)) for p in self.plan.left]),
        ):
            if notes:
                yield ""
                yield title
                yield from (f"  {line}" for line in _table(notes))
        if self.plan.multi_step:
            yield ""
            yield "Each wave begins when the one before it is healthy and its hooks have ended well."

    def _reason(self, pair: Pair) -> str:
        return pair.reason or self.refusal


def _wave(wave: Wave) -> dict[str, Any]:
    tasks = wave.tasks
    return {
        "wave": wave.number,
        "apply": [_applied(t) for t in tasks if t.pair.action is Action.APPLY],
        "prune": [
            {**_named_as(t.key, _version(t.pair)), "confirm": t.pair.confirm}
            for t in tasks
            if t.pair.action is Action.PRUNE
        ],
    }


def _applied(task: Task) -> dict[str, Any]:
    assert task.pair.target is not None
    policies = sorted(task.pair.target.traits.delete_policies) if task.hook else []
    return {**_named_as(task.key, _version(task.pair)), "hook": task.hook, "deletePolicies": policies}


def _named_as(key: ResourceKey, version: str) -> dict[str, Any]:
    return {"group": key.group, "version": version, "kind": key.kind, "namespace": key.namespace, "name": key.name}


def _version(pair: Pair) -> str:
    source = pair.target or pair.live
    return source.version if source is not None else ""


def _rows(wave: Wave) -> Iterator[tuple[str, ...]]:
    place = (str(wave.phase), str(wave.number))
    for task in wave.tasks:
        action, note = "apply", ""
        if task.hook and task.pair.target is not None:
            action, note = "run hook", ", ".join(sorted(task.pair.target.traits.delete_policies))
        elif task.pair.action is Action.PRUNE:
            action, note = "prune", "once somebody has confirmed it" if task.pair.confirm else ""
        yield (*place, action, str(task.key), note)
        place = ("", "")


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
