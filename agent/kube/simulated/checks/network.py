"""Checks of Services and Ingresses."""

from __future__ import annotations

from typing import Any, Final

from agent.engine.resource import Object
from agent.kube.simulated.checks.pods import whole_number
from agent.kube.simulated.defaults.values import objects, present
from agent.kube.simulated.problems import Problems

_TYPES: Final = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PATH_TYPES: Final = ("Exact", "ImplementationSpecific", "Prefix")


def service(tree: Object, before: Object | None, problems: Problems) -> None:
    """Check a Service."""
    spec = tree["spec"]
    kind = spec.get("type")
    if kind not in _TYPES:
        problems.unsupported("spec.type", kind, _TYPES)
    if kind == "ExternalName" and not spec.get("externalName"):
        problems.required("spec.externalName", "must be specified when `type` is 'ExternalName'")
    if not spec.get("ports") and kind != "ExternalName" and spec.get("clusterIP") != "None":
        problems.required("spec.ports")
    _ports(spec, problems)
    if before is None or "ExternalName" in (kind, before["spec"].get("type")):
        return
    was = before["spec"].get("clusterIP")
    if was and spec.get("clusterIP") != was:
        problems.invalid("spec.clusterIPs[0]", spec.get("clusterIP"), "may not change once set")


def _ports(spec: Object, problems: Problems) -> None:
    ports = list(objects(spec, "ports"))
    names: set[Any] = set()
    for index, port in enumerate(ports):
        field = f"spec.ports[{index}]"
        name = port.get("name")
        if len(ports) > 1 and not name:
            problems.required(f"{field}.name")
        elif name in names and name:
            problems.add(f"{field}.name", f'Duplicate value: "{name}"')
        names.add(name)
        whole_number(port.get("port", 0), f"{field}.port", problems, 1, 65_535)
        if not isinstance(port.get("targetPort", 0), str):
            whole_number(port.get("targetPort", 0), f"{field}.targetPort", problems, 1, 65_535)
        if port.get("protocol") not in ("SCTP", "TCP", "UDP"):
            problems.unsupported(f"{field}.protocol", port.get("protocol"), ("SCTP", "TCP", "UDP"))


def ingress(tree: Object, before: Object | None, problems: Problems) -> None:
    """Check an Ingress."""
    spec = present(tree, "spec") or {}
    if not spec.get("rules") and not spec.get("defaultBackend"):
        problems.invalid("spec", spec, "either `defaultBackend` or `rules` must be specified")
    for index, rule in enumerate(objects(spec, "rules")):
        http = present(rule, "http")
        if http is None:
            continue
        field = f"spec.rules[{index}].http.paths"
        if not http.get("paths"):
            problems.required(field)
        for number, path in enumerate(objects(http, "paths")):
            _path(path, f"{field}[{number}]", problems)


def _path(path: Object, field: str, problems: Problems) -> None:
    kind = path.get("pathType")
    if kind is None:
        problems.required(f"{field}.pathType", "pathType must be specified")
    elif kind not in _PATH_TYPES:
        problems.unsupported(f"{field}.pathType", kind, _PATH_TYPES)
    elif kind != "ImplementationSpecific" and not str(path.get("path", "")).startswith("/"):
        problems.invalid(f"{field}.path", path.get("path"), "must be an absolute path")
    backend = present(path, "backend")
    service_name = (present(path, "backend", "service") or {}).get("name")
    if backend is None or (not service_name and not backend.get("resource")):
        problems.required(f"{field}.backend.service.name")
