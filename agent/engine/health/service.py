"""Service: only a load balancer has something to wait for."""

from __future__ import annotations

from agent.engine.health.model import Health, healthy, progressing
from agent.engine.health.reading import View


def service(obj: View) -> Health:
    if obj.map("spec").text("type") != "LoadBalancer":
        return healthy()
    if obj.map("status").map("loadBalancer").items("ingress"):
        return healthy()
    return progressing("the load balancer has no address yet")
