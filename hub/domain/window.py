"""Sync windows of a project: when its applications may be synced, and which windows an application comes under.

What a window means for a sync is decided where syncs are run, by the agent, which works alone: it is given the windows
that match. Here they are read, matched, and looked at for people.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from hub.domain.cluster import Cluster
from hub.domain.cluster_glob import name_matches, server_matches
from hub.domain.glob import glob_match
from hub.domain.schedule import Schedule, ScheduleError

WindowKind = Literal["allow", "deny"]

DESCRIPTION_TOLD = 200
"""Characters of a description that agents are sent, for their messages."""

_NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_ZONE = re.compile(r"(?:CRON_)?TZ=(\S+)\s+")
_FIELD = re.compile(r"[0-9A-Za-z*?,/-]+")
_MONTHS = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}
_WEEKDAYS = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}
_EVERY = re.compile(r"[*?](?:/0*1)?")
_STEPPED = re.compile(r"[*?]/([0-9]+)")
_DAYS = (2, "1-31"), (4, "0-6")
"""The fields that make a day, and what every day is in each."""


@dataclass(frozen=True, slots=True)
class SyncWindow:
    kind: WindowKind
    schedule: str
    """As its owner wrote it; `cron_of` reads it."""
    duration: float
    """Seconds."""
    time_zone: str = ""
    """Empty is UTC."""
    applications: tuple[str, ...] = ()
    """Globs, as are the next two."""
    namespaces: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    manual_sync: bool = False
    """Whether it lets through what somebody asks for."""
    and_operator: bool = False
    """Whether an application has to match everything that is selected by; else, anything of it."""
    sync_overrun: bool = False
    """Whether a sync that was allowed when it began goes on when the window closes (allow) or begins (deny)."""
    description: str = ""


def cron_of(window: SyncWindow) -> tuple[str, str]:
    """Return a window's five cron fields, as `Schedule` takes them, and its time zone. Raises ScheduleError.

    Its owner writes them for Argo CD: `?` is `*`, there are names such as `@daily`, a time zone may stand in front,
    and a day is restricted by every field that is not `*` as a whole, `*/2` included.
    """
    text, zone = window.schedule.strip(), window.time_zone
    found = _ZONE.match(text)
    if found:
        text, zone = text[found.end() :], found[1]
    if text.startswith("@every"):
        raise ScheduleError("says how often, and not when: give the five fields of cron")
    if text.startswith("@") and text.lower() not in _NAMED:
        raise ScheduleError(f"is unknown: give the five fields of cron, or one of {', '.join(_NAMED)}")
    fields = _NAMED.get(text.lower(), text).split()
    for field in fields:
        if not _FIELD.fullmatch(field) or not (_MONTHS | _WEEKDAYS).issuperset(re.findall("[A-Z]+", field.upper())):
            raise ScheduleError(f"has a field that cannot be read: {field[:70]!r}")
    # One term that means every value makes the field mean every value.
    fields = ["*" if any(map(_EVERY.fullmatch, field.split(","))) else field.replace("?", "*") for field in fields]
    for place, all_days in _DAYS:
        if place < len(fields):
            fields[place] = ",".join(_STEPPED.sub(rf"{all_days}/\1", term) for term in fields[place].split(","))
    return " ".join(fields), zone


def schedule_of(window: SyncWindow) -> Schedule:
    """Raises ScheduleError."""
    return Schedule(*cron_of(window))


def is_active(window: SyncWindow, now: datetime) -> bool:
    """Say whether a window has begun and not ended. One that cannot be read has not."""
    try:
        begun = schedule_of(window).last(now)
    except ScheduleError:
        return False
    return begun is not None and now < begun + timedelta(seconds=window.duration)


def matches(window: SyncWindow, application: str, cluster: Cluster, namespace: str) -> bool:
    """Say whether an application, by its name, comes under a window on a cluster. `namespace` is its destination's."""
    found = [
        (window.applications, any(glob_match(pattern, application) for pattern in window.applications)),
        (window.namespaces, any(glob_match(pattern, namespace) for pattern in window.namespaces)),
        (
            window.clusters,
            any(name_matches(pattern, cluster) or server_matches(pattern, cluster) for pattern in window.clusters),
        ),
    ]
    given = [matched for patterns, matched in found if patterns]
    return bool(given) and (all(given) if window.and_operator else any(given))


def windows_for(
    windows: Iterable[SyncWindow], application: str, cluster: Cluster, namespace: str
) -> tuple[SyncWindow, ...]:
    """Return the windows an application comes under on a cluster, as its agent is to have them: without what they
    select by, so that a change there which changes nothing for it is none."""
    return tuple(
        replace(
            window,
            applications=(),
            namespaces=(),
            clusters=(),
            and_operator=False,
            description=window.description[:DESCRIPTION_TOLD],
        )
        for window in windows
        if matches(window, application, cluster, namespace)
    )
