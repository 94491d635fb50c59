"""Pod: what its containers do, judged by whether it is meant to end."""

from __future__ import annotations

from agent.engine.health.conditions import conditions
from agent.engine.health.model import Health, degraded, healthy, progressing, unknown
from agent.engine.health.reading import View, with_cause

IGNORE_RESTART_POLICY = "argocd.argoproj.io/ignore-restart-policy"
HOOK_ANNOTATIONS = ("argocd.argoproj.io/hook", "helm.sh/hook")


def pod(obj: View) -> Health:
    status = obj.map("status")
    always = _runs_always(obj)
    if always:
        failing = [text for text in map(_cannot_start, _containers(status)) if text]
        if failing:
            return degraded(with_cause("; ".join(failing)))
    match status.text("phase"):
        case "Pending":
            return progressing(with_cause("the pod has not started", _said(status), _why_pending(status)))
        case "Running":
            return _running(status) if always else progressing("the pod runs and has not ended")
        case "Succeeded":
            return healthy("the pod has ended well")
        case "Failed":
            ended = [text for text in map(_failed, _containers(status)) if text]
            return degraded(with_cause("the pod has failed", _said(status), "; ".join(ended)))
        case phase:
            said = with_cause(f"status.phase is {phase}" if phase else "the pod has no phase", _said(status))
            return unknown(said) if phase else progressing(said)


def _runs_always(obj: View) -> bool:
    """Tell whether the pod is meant to run on. A hook is always taken at its restart policy: it has to end."""
    if obj.map("spec").text("restartPolicy", "Always") == "Always":
        return True
    return obj.annotation(IGNORE_RESTART_POLICY) == "true" and not any(map(obj.annotation, HOOK_ANNOTATIONS))


def _containers(status: View) -> list[View]:
    return status.maps("initContainerStatuses") + status.maps("containerStatuses")


def _cannot_start(container: View) -> str:
    """Say why a container waits, when it is something that does not pass by itself."""
    waiting = container.map("state").map("waiting")
    reason = waiting.text("reason")
    if not (reason.startswith("Err") or reason.endswith(("Error", "BackOff"))):
        return ""
    return with_cause(f"container {container.text('name')}", reason, waiting.text("message"), _last_end(container))


def _last_end(container: View) -> str:
    ended = container.map("lastState").map("terminated")
    return f"last ended {_exit(ended)}" if ended.data else ""


def _exit(ended: View) -> str:
    return with_cause(f"with exit code {ended.integer('exitCode')}", ended.text("reason"), ended.text("message"))


def _failed(container: View) -> str:
    ended = container.map("state").map("terminated")
    if not ended.data or (ended.integer("exitCode") == 0 and ended.text("reason") in ("", "Completed")):
        return ""
    return f"container {container.text('name')} ended {_exit(ended)}"


def _running(status: View) -> Health:
    ready = conditions(status).get("Ready")
    if ready is not None and ready.true:
        return healthy()
    for container in status.maps("containerStatuses"):
        if container.map("lastState").map("terminated").data:
            return degraded(with_cause(f"container {container.text('name')} was restarted", _last_end(container)))
    return progressing(with_cause("the pod is not ready", ready.cause() if ready is not None else ""))


def _said(status: View) -> str:
    return with_cause(status.text("reason"), status.text("message"))


def _why_pending(status: View) -> str:
    scheduled = conditions(status).get("PodScheduled")
    if scheduled is not None and scheduled.false:
        return scheduled.cause()
    waiting = (container.map("state").map("waiting") for container in _containers(status))
    return next((with_cause(w.text("reason"), w.text("message")) for w in waiting if w.data), "")
