"""CustomResourceDefinition: whether its resources are served."""

from __future__ import annotations

from agent.engine.health.conditions import conditions
from agent.engine.health.model import Health, degraded, healthy, progressing
from agent.engine.health.reading import View, with_cause


def customresourcedefinition(obj: View) -> Health:
    reported = conditions(obj.map("status"))
    terminating = reported.get("Terminating")
    if terminating is not None and terminating.true:
        return progressing(with_cause("its resources are being deleted", terminating.cause()))
    names = reported.get("NamesAccepted")
    if names is not None and names.false:
        return degraded(with_cause("its names are taken", names.cause()))
    schema = reported.get("NonStructuralSchema")
    if schema is not None and schema.true:
        return degraded(with_cause("its schema is not structural", schema.cause()))
    established = reported.get("Established")
    if established is None:
        return progressing("the API server has not taken it up yet")
    if established.true:
        return healthy()
    waiting = established.status == "Unknown" or established.reason in ("", "Installing")
    return progressing(established.words()) if waiting else degraded(established.words())
