"""OpenShift's Route: whether routers admit it."""

from __future__ import annotations

from agent.engine.health.conditions import conditions
from agent.engine.health.model import Health, degraded, healthy, progressing, worst_of
from agent.engine.health.reading import View, with_cause


def openshiftroute(obj: View) -> Health:
    judged = [_admitted(ingress) for ingress in obj.map("status").maps("ingress")]
    return worst_of(judged) if judged else progressing("no router has taken it up yet")


def _admitted(ingress: View) -> Health:
    admitted = conditions(ingress).get("Admitted")
    where = f"at router {ingress.text('routerName')}" if ingress.text("routerName") else ""
    if admitted is None:
        return progressing(with_cause(where, "the router has not judged it yet"))
    return healthy() if admitted.true else degraded(with_cause(where, admitted.words()))
