"""How far an operation is on each cluster, told from what the clusters report. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

Row = Mapping[str, Any]

FINISHED = ("Succeeded", "Failed", "Error")


class State(StrEnum):
    WAITING = "Waiting"
    """The agent has not begun."""
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    AWAY = "Unreachable"
    """No agent is connected; it does it once it is."""
    REPLACED = "Replaced"
    """Another operation came after it before it was seen to end."""

    @property
    def is_over(self) -> bool:
        return self not in (State.WAITING, State.RUNNING)


@dataclass(frozen=True, slots=True)
class Progress:
    cluster: str
    state: State
    text: str = ""
    operation: Mapping[str, Any] | None = None


def progress_of(row: Row, operation: str, *, was_seen: bool, known: str, requested_at: str = "") -> Progress:
    """Return how far a cluster is with an operation.

    `was_seen`: this cluster has been seen at it before. `known`: the id of the operation that was its last one when
    ours was asked for. `requested_at`: when it was, as the hub says; "" where it does not.
    """
    cluster, current = str(row["cluster"]), row.get("operation") or {}
    if current.get("id") == operation:
        return _own(cluster, current, is_away=row["liveness"] != "Connected")
    whose = f"{current['kind']} of {current['initiated_by'] or 'the agent'}" if current else ""
    if was_seen and current.get("id", known) != known:
        return Progress(cluster, State.REPLACED, f"by {whose}")
    if _is_later(row.get("operation_requested_at"), requested_at):
        return Progress(cluster, State.REPLACED, f"by {whose}, asked for later, before it began")
    if row["liveness"] != "Connected":
        return Progress(cluster, State.AWAY, "not connected; it is done once the cluster is back")
    if row["refusal"]:
        return Progress(cluster, State.FAILED, f"the agent refused the assignment: {row['refusal']}")
    if current and current["phase"] not in FINISHED:
        return Progress(cluster, State.WAITING, f"for the end of the {whose} that is under way")
    return Progress(cluster, State.WAITING, "its agent has not begun")


def _is_later(at: str | None, than: str) -> bool:
    return bool(at and than) and datetime.fromisoformat(at or "") > datetime.fromisoformat(than)


def _own(cluster: str, current: Mapping[str, Any], *, is_away: bool) -> Progress:
    phase, message = current["phase"], current["message"]
    if phase == "Succeeded":
        return Progress(cluster, State.SUCCEEDED, message, current)
    if phase in FINISHED:
        return Progress(cluster, State.FAILED, message, current)
    counted = f"{current['done']} of {current['total']}" if current["total"] else ""
    attempt = f"attempt {current['attempt']}" if current["attempt"] > 1 else ""
    phase_text = "terminating" if phase == "Terminating" else ""
    # It goes on there without the hub, and most often the cluster is back in a moment.
    away = "not connected now; what was known last is" if is_away else ""
    told = ", ".join(filter(None, (counted, attempt, phase_text, message)))
    return Progress(cluster, State.RUNNING, ": ".join(filter(None, (away, told))), current)


class Tracker:
    """One operation over all its clusters, picture after picture."""

    def __init__(self, operation: str, clusters: Sequence[str], before: Iterable[Row], requested_at: str = "") -> None:
        """`clusters`: names, empty for all. `before`: the rows before the operation was asked for at `requested_at`."""
        self.operation = operation
        self._requested_at = requested_at
        self._clusters = frozenset(clusters)
        self._known = {row["cluster"]: (row.get("operation") or {}).get("id", "") for row in before}
        self._seen: set[str] = set()

    def look(self, rows: Iterable[Row]) -> list[Progress]:
        """Return every cluster's progress, by name."""
        found = []
        for row in sorted(rows, key=lambda row: str(row["cluster"])):
            cluster = row["cluster"]
            if self._clusters and cluster not in self._clusters:
                continue
            known = self._known.get(cluster, "")
            progress = progress_of(
                row,
                self.operation,
                was_seen=cluster in self._seen,
                known=known,
                requested_at=self._requested_at,
            )
            if progress.operation is not None:
                self._seen.add(cluster)
            elif row["deleting"]:
                # The application is to leave this cluster: nothing is asked of it any more.
                continue
            found.append(progress)
        return found


def is_over(found: Sequence[Progress]) -> bool:
    """Whether nothing more is to come from clusters that are there."""
    return bool(found) and all(progress.state.is_over for progress in found)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What `app wait` waits for."""

    sync: bool
    health: bool
    operation: bool


def lacking(row: Row, wanted: Wanted) -> str:
    """Return what a cluster still lacks, in words; "" when it has all that is waited for."""
    if row["liveness"] != "Connected":
        return "not connected"
    if row["refusal"]:
        return f"the agent refused the assignment: {row['refusal']}"
    if row["deleting"]:
        return "being removed from this cluster"
    if row["observed_generation"] < row["generation"]:
        return "has not reported on its newest assignment"
    current = row.get("operation") or {}
    if wanted.operation and current and current["phase"] not in FINISHED:
        counted = f" {current['done']} of {current['total']}" if current["total"] else ""
        return f"{current['kind']} is running{counted}"
    if wanted.sync and row["sync"] != "Synced":
        return str(row["sync"])
    if wanted.health and row["health"] != "Healthy":
        return ": ".join(filter(None, (str(row["health"]), str(row["message"]))))
    return ""
