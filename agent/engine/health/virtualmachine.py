"""KubeVirt's VirtualMachine and VirtualMachineInstance."""

from __future__ import annotations

from typing import Final

from agent.engine.health.conditions import conditions
from agent.engine.health.model import Health, degraded, healthy, progressing, suspended
from agent.engine.health.phases import by_phase, phases
from agent.engine.health.reading import View, with_cause
from agent.engine.health.wording import Tone, tone

_PRINTED: Final = phases(
    healthy="Running",
    suspended="Stopped Paused",
    progressing="Provisioning Starting Stopping Terminating Migrating WaitingForVolumeBinding WaitingForReceiver",
    unknown="Unknown",
)
_PHASES: Final = phases(
    healthy="Succeeded", progressing="Pending Scheduling Scheduled WaitingForSync", degraded="Failed", unknown="Unknown"
)


def virtualmachine(obj: View) -> Health:
    status = obj.map("status")
    printed = status.text("printableStatus")
    reported = conditions(status)
    failure, ready = reported.get("Failure"), reported.get("Ready")
    why = ready.cause() if ready is not None and not ready.true else ""
    if failure is not None and failure.true:
        return degraded(failure.words())
    if printed not in _PRINTED and tone(printed) is Tone.FAILING:
        return degraded(with_cause(f"status.printableStatus is {printed}", why))
    if printed == "Running" and why:
        return progressing(with_cause("the machine runs and is not ready", why))
    return by_phase("status.printableStatus", printed, _PRINTED, why)


def virtualmachineinstance(obj: View) -> Health:
    status = obj.map("status")
    reported = conditions(status)
    paused, ready = reported.get("Paused"), reported.get("Ready")
    if paused is not None and paused.true:
        return suspended(paused.words())
    if status.text("phase") == "Running":
        if ready is None or ready.true:
            return healthy()
        return progressing(with_cause("the machine runs and is not ready", ready.cause()))
    return by_phase("status.phase", status.text("phase"), _PHASES, status.text("reason"))
