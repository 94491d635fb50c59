"""Argo Workflow, AnalysisRun and Experiment: work that ends, told as a phase. Without one it has not begun."""

from __future__ import annotations

from agent.engine.health.model import Health, degraded, healthy, progressing, suspended, unknown
from agent.engine.health.reading import View, with_cause


def workflow(obj: View) -> Health:
    status = obj.map("status")
    message = status.text("message")
    match status.text("phase"):
        case "Succeeded" | "Successful":
            return healthy(message)
        case ("Failed" | "Error") as phase:
            return degraded(with_cause(f"it has ended as {phase}", message))
        case "Inconclusive":
            return unknown(with_cause("it has ended without a verdict (Inconclusive)", message))
        case ("" | "Pending" | "Running") as phase:
            if obj.map("spec").flag("suspend"):
                return suspended("it is suspended (spec.suspend)")
            return progressing(with_cause(f"it is {phase.lower() or 'not begun'}", message))
        case phase:
            return unknown(with_cause(f"status.phase is {phase}, which is not known", message))
