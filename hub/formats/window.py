"""The sync windows of an AppProject: `spec.syncWindows` ⇄ hub.domain.window.SyncWindow."""

from __future__ import annotations

from typing import Any

from hub.domain.schedule import Schedule, ScheduleError
from hub.domain.window import SyncWindow, WindowKind, cron_of, schedule_of
from hub.formats.duration import duration_words, parse_duration
from hub.formats.errors import shown
from hub.formats.fields import Fields, described

MOST_WINDOWS = 100
"""Of one project: an agent looks through those of an application whenever it is to be synced."""

_SELECTORS = ("applications", "namespaces", "clusters")


def read_windows(spec: Fields) -> tuple[SyncWindow, ...]:
    """Read the windows of a project's spec; what is wrong goes to its problems."""
    found = spec.children("syncWindows")
    if len(found) > MOST_WINDOWS:
        spec.fail("syncWindows", f"has {len(found)} windows: {MOST_WINDOWS} are the most")
        return ()
    return tuple(map(_read, found))


def write_window(window: SyncWindow) -> dict[str, Any]:
    """Return a window as Argo CD's YAML has it; what is as it is anyway is left out."""
    found: dict[str, Any] = {
        "kind": window.kind,
        "schedule": window.schedule,
        "duration": duration_words(window.duration),
        "timeZone": window.time_zone,
        "applications": list(window.applications),
        "namespaces": list(window.namespaces),
        "clusters": list(window.clusters),
        "manualSync": window.manual_sync,
        "andOperator": window.and_operator,
        "syncOverrun": window.sync_overrun,
        "description": window.description,
    }
    return {key: value for key, value in found.items() if value}


def _read(fields: Fields) -> SyncWindow:
    applications, namespaces, clusters = (fields.texts(key) for key in _SELECTORS)
    window = SyncWindow(
        kind=_kind(fields),
        schedule=fields.required("schedule", 'when it begins, as "0 22 * * 1-5"'),
        duration=_duration(fields),
        time_zone=_zone(fields),
        applications=applications,
        namespaces=namespaces,
        clusters=clusters,
        manual_sync=fields.flag("manualSync"),
        and_operator=fields.flag("andOperator"),
        sync_overrun=fields.flag("syncOverrun"),
        description=fields.text("description"),
    )
    fields.finish()
    if window.schedule:
        _check_schedule(fields, window)
    if not any((applications, namespaces, clusters)):
        fields.note("", "is for no application: give applications, namespaces or clusters")
    return window


def _kind(fields: Fields) -> WindowKind:
    match fields.required("kind", "allow or deny"):
        case "allow":
            return "allow"
        case "deny" | "":
            return "deny"
        case other:
            fields.fail("kind", f"is {described(other)}, but allow or deny is wanted")
            return "deny"


def _duration(fields: Fields) -> float:
    text = fields.required("duration", 'how long it lasts, as "1h30m"')
    if not text:
        return 0.0
    try:
        # A number alone, which Go does not take either, might be meant as minutes.
        seconds = parse_duration(text if not text.strip().replace(".", "").isdigit() else "")
    except ValueError as error:
        fields.fail("duration", f"{shown(text)!r} {error}")
        return 0.0
    if seconds < 1:
        fields.fail("duration", "is shorter than a second: the window would never be open")
    return seconds


def _zone(fields: Fields) -> str:
    zone = fields.text("timeZone")
    try:
        Schedule("* * * * *", zone)
    except ScheduleError as error:
        fields.fail("timeZone", str(error))
        return ""
    return zone


def _check_schedule(fields: Fields, window: SyncWindow) -> None:
    try:
        _, zone = cron_of(window)
        if zone != window.time_zone and window.time_zone:
            fields.fail("timeZone", f"is {window.time_zone}, but the schedule names {zone}: give one of them")
        if schedule_of(window).is_never:
            fields.note("schedule", f"{window.schedule!r} never begins: there is no such day")
    except ScheduleError as error:
        fields.fail("schedule", f"{shown(window.schedule)!r} {error}")
