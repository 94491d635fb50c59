"""The Operator Lifecycle Manager: subscriptions, plans, versions and catalogues."""

from __future__ import annotations

from typing import Final

from agent.engine.health.conditions import conditions
from agent.engine.health.model import Health, degraded, healthy, progressing, suspended
from agent.engine.health.phases import by_phase, phases
from agent.engine.health.reading import View, with_cause

_TROUBLE: Final = ("CatalogSourcesUnhealthy", "ResolutionFailed", "InstallPlanFailed", "InstallPlanMissing")
_VERSION: Final = phases(
    healthy="Succeeded",
    progressing="Pending InstallReady Installing Replacing Deleting",
    degraded="Failed",
    unknown="Unknown",
)
_PLAN: Final = phases(
    healthy="Complete", progressing="Planning Installing", degraded="Failed", suspended="RequiresApproval"
)
_CATALOG: Final = phases(healthy="READY IDLE", progressing="CONNECTING", degraded="TRANSIENT_FAILURE SHUTDOWN")


def subscription(obj: View) -> Health:
    status = obj.map("status")
    reported = conditions(status)
    for type_ in _TROUBLE:
        if type_ in reported and reported[type_].true:
            return degraded(reported[type_].words())
    pending = reported.get("InstallPlanPending")
    if pending is not None and pending.true:
        if pending.reason == "RequiresApproval":
            return _waits_for_approval(status, pending.words())
        return progressing(pending.words())
    match status.text("state"):
        case "AtLatestKnown":
            return healthy()
        case "UpgradeAvailable":
            return healthy("a newer version is available")
        case "UpgradeFailed":
            return degraded("status.state is UpgradeFailed")
        case state:
            return progressing(f"status.state is {state}" if state else "no version has been chosen yet")


def _waits_for_approval(status: View, said: str) -> Health:
    """Judge a subscription whose next version somebody has to approve: the one it has is as good as it was."""
    installed = status.text("installedCSV")
    return healthy(f"{installed} is installed; {said}") if installed else suspended(said)


def installplan(obj: View) -> Health:
    status = obj.map("status")
    failed = [c.words() for c in conditions(status).values() if c.type == "Installed" and c.false]
    return by_phase("status.phase", status.text("phase"), _PLAN, *failed)


def clusterserviceversion(obj: View) -> Health:
    status = obj.map("status")
    said = with_cause(status.text("reason"), status.text("message"))
    return by_phase("status.phase", status.text("phase"), _VERSION, said)


def catalogsource(obj: View) -> Health:
    status = obj.map("status")
    state = status.map("connectionState").text("lastObservedState")
    return by_phase("status.connectionState.lastObservedState", state, _CATALOG, status.text("message"))
