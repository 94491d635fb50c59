"""What the words of custom resources say: reasons such as "SecretSyncedError", phases such as "Setting up primary".

Every operator chooses its own words, but from the same language. So they are taken apart and read word by word, and
that of a few hundred operators comes out right without naming one of them.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from itertools import pairwise
from typing import Final


class Tone(Enum):
    """What a word or phrase says of the state of a thing."""

    FAILING = "failing"
    SUSPENDED = "suspended"
    MOVING = "moving"
    FINE = "fine"
    UNKNOWN = "unknown"
    UNCLEAR = "unclear"


_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

_MAX_TEXT: Final = 200
"""Longer texts are prose, and only their beginning is read."""

_FAILING: Final = frozenset(
    {
        "aborted",
        "backoff",
        "bad",
        "blocked",
        "broken",
        "canceled",
        "cancelled",
        "cannot",
        "conflict",
        "corrupted",
        "crash",
        "crashed",
        "crashing",
        "dead",
        "degraded",
        "denied",
        "disconnected",
        "down",
        "err",
        "error",
        "errored",
        "erroring",
        "errors",
        "evicted",
        "exceeded",
        "exhausted",
        "expired",
        "fail",
        "failed",
        "failing",
        "fails",
        "failure",
        "fatal",
        "fault",
        "forbidden",
        "inaccessible",
        "incompatible",
        "insufficient",
        "invalid",
        "killed",
        "lost",
        "malformed",
        "misconfigured",
        "mismatch",
        "missing",
        "offline",
        "panic",
        "red",
        "refused",
        "rejected",
        "revoked",
        "stalled",
        "stuck",
        "timedout",
        "timeout",
        "unable",
        "unauthorized",
        "unhealthy",
        "unreachable",
        "unrecoverable",
        "unschedulable",
        "unsupported",
    }
)

_FAILING_PAIRS: Final = frozenset(
    {
        ("action", "required"),
        ("back", "off"),
        ("limit", "reached"),
        ("not", "allowed"),
        ("not", "found"),
        ("time", "out"),
        ("timed", "out"),
    }
)

_SUSPENDED: Final = frozenset(
    {
        "disabled",
        "halted",
        "hibernated",
        "maintenance",
        "paused",
        "stopped",
        "suspended",
    }
)

_MOVING: Final = frozenset(
    {
        "incomplete",
        "init",
        "initialization",
        "partial",
        "partially",
        "pending",
        "progress",
        "queued",
        "unavailable",
        "unready",
        "wait",
        "yellow",
    }
)

_PENDING_PAIRS: Final = frozenset({("of", "sync")})

_STILL_PAIRS: Final = frozenset({("to", "zero")})

_NOT_MOVING: Final = frozenset(
    {
        "binding",
        "bring",
        "existing",
        "logging",
        "mapping",
        "monitoring",
        "networking",
        "nothing",
        "peering",
        "routing",
        "string",
        "thing",
        "warning",
        "working",
    }
)
"""Words in -ing that are no activity. "running" is judged apart: for a server it is the aim, for a task the way."""

_FINE: Final = frozenset(
    {
        "accepted",
        "active",
        "applied",
        "assigned",
        "available",
        "bound",
        "complete",
        "completed",
        "connected",
        "created",
        "deployed",
        "done",
        "enabled",
        "established",
        "expected",
        "finished",
        "green",
        "healthy",
        "installed",
        "normal",
        "ok",
        "online",
        "provisioned",
        "ready",
        "reconciled",
        "stable",
        "succeeded",
        "success",
        "successful",
        "synced",
        "synchronized",
        "up",
        "valid",
        "working",
    }
)

_AWAITED: Final = _FINE | {
    "attached",
    "initialized",
    "joined",
    "observed",
    "registered",
    "running",
    "scheduled",
    "started",
}
"""What is said not to be so is still to come."""

NEGATIONS: Final = frozenset({"no", "non", "not", "without"})


def words(text: str) -> list[str]:
    """Take a text apart: "ErrImagePull", "not_found" and "Setting up primary" into their words, in lower case."""
    return [word.lower() for word in _WORD.findall(text[:_MAX_TEXT])]


def tone(text: str, *, ends: bool = False) -> Tone:
    """Say what a reason or phase says. `ends` is set for things that run to an end, for which running is the way.

    Failure outweighs everything else that is said with it; "not" in front of something good means not yet.
    """
    return _tone(text[:_MAX_TEXT], ends)


@lru_cache(maxsize=1024)
def _tone(text: str, ends: bool) -> Tone:
    found = words(text)
    if not found:
        return Tone.UNCLEAR
    if found == ["unknown"]:
        return Tone.UNKNOWN
    pairs = set(pairwise(found))
    negated = {after for before, after in pairs if before in NEGATIONS}
    plain = [word for word in found if word not in negated]
    if any(word in _FAILING for word in plain) or pairs & _FAILING_PAIRS:
        return Tone.FAILING
    if any(word in _SUSPENDED for word in plain) or pairs & _STILL_PAIRS:
        return Tone.SUSPENDED
    if negated & _AWAITED or pairs & _PENDING_PAIRS or any(_moves(word) for word in plain):
        return Tone.MOVING
    if "running" in plain:
        return Tone.MOVING if ends else Tone.FINE
    return Tone.FINE if any(word in _FINE for word in plain) else Tone.UNCLEAR


def _moves(word: str) -> bool:
    if word.startswith("un") and word[2:] in _AWAITED:
        return True
    return word in _MOVING or (len(word) > 4 and word.endswith("ing") and word not in _NOT_MOVING | {"running"})
