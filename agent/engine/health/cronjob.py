"""CronJob: judged by its last job, as far as its own status tells of it."""

from __future__ import annotations

from datetime import datetime

from agent.engine.health.model import Health, degraded, healthy, progressing, suspended
from agent.engine.health.reading import Malformed, View


def cronjob(obj: View) -> Health:
    status = obj.map("status")
    if obj.map("spec").flag("suspend"):
        return suspended("the schedule is suspended (spec.suspend)")
    scheduled, succeeded = _time(status, "lastScheduleTime"), _time(status, "lastSuccessfulTime")
    if scheduled is None:
        return healthy("not run yet")
    started = status.text("lastScheduleTime")
    if succeeded is not None and succeeded >= scheduled:
        return healthy(f"the last job succeeded at {status.text('lastSuccessfulTime')}")
    if status.items("active"):
        return progressing(f"the job of {started} is running")
    before = status.text("lastSuccessfulTime")
    last = f"the last that did ended at {before}" if before else "none has yet"
    return degraded(f"the job of {started} did not succeed, {last}")


def _time(status: View, name: str) -> datetime | None:
    text = status.text(name)
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise Malformed(status.field(name), "a time (RFC 3339)", text) from None
    if time.tzinfo is None:
        raise Malformed(status.field(name), "a time with its zone (RFC 3339)", text)
    return time
