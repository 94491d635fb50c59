"""Defaults of the network's kinds."""

from __future__ import annotations

from agent.engine.resource import Object
from agent.kube.simulated.defaults.values import fill, objects, present, section


def service(tree: Object) -> None:
    """Fill in a Service."""
    spec = section(tree, "spec")
    fill(spec, type="ClusterIP", sessionAffinity="None")
    for port in objects(spec, "ports"):
        fill(port, protocol="TCP")
        fill(port, targetPort=port.get("port"))
    if spec["sessionAffinity"] == "ClientIP":
        fill(section(section(spec, "sessionAffinityConfig"), "clientIP"), timeoutSeconds=10_800)
    else:
        spec.pop("sessionAffinityConfig", None)
    if spec["type"] == "ExternalName":
        return
    fill(spec, internalTrafficPolicy="Cluster")
    if spec["type"] in ("NodePort", "LoadBalancer"):
        fill(spec, externalTrafficPolicy="Cluster")
    if spec["type"] == "LoadBalancer":
        fill(spec, allocateLoadBalancerNodePorts=True)


def ingress_class(tree: Object) -> None:
    """Fill in an IngressClass."""
    parameters = present(tree, "spec", "parameters")
    if parameters is not None:
        fill(parameters, scope="Cluster")


def endpoint_slice(tree: Object) -> None:
    """Fill in an EndpointSlice."""
    for port in objects(tree, "ports"):
        fill(port, name="", protocol="TCP")


def endpoints(tree: Object) -> None:
    """Fill in an Endpoints object."""
    for subset in objects(tree, "subsets"):
        for port in objects(subset, "ports"):
            fill(port, protocol="TCP")


def network_policy(tree: Object) -> None:
    """Fill in a NetworkPolicy."""
    spec = section(tree, "spec")
    fill(spec, policyTypes=["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
    for direction in ("ingress", "egress"):
        for rule in objects(spec, direction):
            for port in objects(rule, "ports"):
                fill(port, protocol="TCP")
