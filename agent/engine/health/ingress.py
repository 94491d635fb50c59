"""Ingress: whether a controller has given it an address."""

from __future__ import annotations

from agent.engine.health.model import Health, healthy, progressing
from agent.engine.health.reading import View


def ingress(obj: View) -> Health:
    if obj.map("status").map("loadBalancer").items("ingress"):
        return healthy()
    class_name = obj.map("spec").text("ingressClassName")
    controller = f"the controller of class {class_name}" if class_name else "an ingress controller"
    return progressing(f"no address yet: {controller} has not taken it up")
