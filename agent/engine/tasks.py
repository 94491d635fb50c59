"""From pairs to the ordered steps of an operation.

Applies go up in kind order (a Namespace before its content, a CRD before its resources), one step a rank, so that
everything of one step may be applied at the same time. Prunes go down in the reverse order, after all applies.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from agent.engine.order import kind_rank
from agent.engine.reconcile import Action, Pair
from agent.engine.resource import GroupKind, ResourceKey


@dataclass(frozen=True, slots=True)
class Plan:
    applies: tuple[tuple[Pair, ...], ...]
    """Steps in order; the pairs of one step are independent of each other."""
    prunes: tuple[tuple[Pair, ...], ...]
    unchanged: tuple[Pair, ...]
    left: tuple[Pair, ...]
    """Live, tracked, not assigned, and not to be pruned, with the reason."""

    @property
    def total(self) -> int:
        return sum(map(len, self.applies)) + sum(map(len, self.prunes))


def make_plan(pairs: Iterable[Pair], *, prune: bool, only: frozenset[ResourceKey] | None = None) -> Plan:
    """Order the pairs; `only` restricts the operation to some resources."""
    chosen = [p for p in pairs if only is None or p.key in only]
    prunes = [p for p in chosen if p.action is Action.PRUNE]
    return Plan(
        applies=_steps((p for p in chosen if p.action is Action.APPLY), reverse=False),
        prunes=_steps(prunes, reverse=True) if prune else (),
        unchanged=tuple(p for p in chosen if p.action is Action.NONE),
        left=tuple(p for p in chosen if p.action is Action.LEAVE) + (() if prune else tuple(prunes)),
    )


def _steps(pairs: Iterable[Pair], *, reverse: bool) -> tuple[tuple[Pair, ...], ...]:
    def rank(pair: Pair) -> int:
        return kind_rank(GroupKind(pair.key.group, pair.key.kind))

    ordered = sorted(pairs, key=lambda p: (rank(p), p.key.name, p.key), reverse=reverse)
    return tuple(tuple(group) for _, group in groupby(ordered, key=rank))
